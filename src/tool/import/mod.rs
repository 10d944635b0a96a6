//! stub
use crate::cli::Invocation;
use std::process::ExitCode;
pub(crate) fn run(_asked: &Invocation) -> anyhow::Result<ExitCode> {
    anyhow::bail!("no")
}
