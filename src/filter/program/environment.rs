//! What a program finds in its environment.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::activation;
use crate::filter::Facts;
use crate::limits;

/// What supervisors tell us, and would be untrue of a program; and what could
/// be taken for facts of ours when we know none.
const NOT_FOR_PROGRAMS: [&str; 18] = [
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "MAINPID",
    "NOTIFY_SOCKET",
    "SMTP_WRAPPER_OPTIONS",
    "SW_FROM_HOST",
    "SW_HELO",
    "SW_MAIL_FROM",
    "SW_RCPT_TO",
    "TCPLOCALIP",
    "TCPLOCALPORT",
    "TCPREMOTEHOST",
    "TCPREMOTEINFO",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// Sets it: our own, and the facts.
pub(super) fn set(command: &mut Command, facts: &Facts<'_>) {
    for name in NOT_FOR_PROGRAMS {
        command.env_remove(name);
    }
    let (ip, port) = (facts.client.ip.to_string(), facts.client.port.to_string());
    command.env("SW_FROM_IP", &ip).env("SW_FROM_PORT", &port).env("SW_SESSION", facts.session);
    command.env("PROTO", "TCP").env("TCPREMOTEIP", &ip).env("TCPREMOTEPORT", &port);
    if let Some(local) = activation::local() {
        command.env("TCPLOCALIP", local.ip().to_string());
        command.env("TCPLOCALPORT", local.port().to_string());
    }
    if !facts.helo.is_empty() {
        command.env("SW_HELO", OsStr::from_bytes(facts.helo));
    }
    if let Some(from) = facts.from {
        command.env("SW_MAIL_FROM", OsStr::from_bytes(from));
    }
    if !facts.to.is_empty() {
        let mut to = facts.to.join(&b' ');
        if to.len() > limits::PROGRAM_RECIPIENTS {
            // Whole addresses only.
            let fits = to.get(..limits::PROGRAM_RECIPIENTS).unwrap_or_default();
            to.truncate(fits.iter().rposition(|&b| b == b' ').unwrap_or(0));
        }
        command.env("SW_RCPT_TO", OsStr::from_bytes(&to));
    }
}
