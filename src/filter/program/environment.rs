//! What a program finds in its environment.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::activation;
use crate::child;
use crate::filter::Facts;
use crate::limits;

/// Sets it: our own, and the facts.
pub(super) fn set(command: &mut Command, facts: &Facts<'_>) {
    child::tell_client(command, facts.client.address(), activation::local());
    command.env("SW_FROM_IP", facts.client.ip.to_string());
    command.env("SW_FROM_PORT", facts.client.port.to_string()).env("SW_SESSION", facts.session);
    if let Some(mechanism) = facts.auth {
        command.env("SW_AUTH", mechanism);
    }
    if let Some(encryption) = facts.encryption {
        command.env("SW_TLS", encryption.version.unwrap_or_default());
        command.env("SW_TLS_CIPHER", encryption.cipher.as_ref());
        if let Some(sni) = &encryption.sni {
            command.env("SW_TLS_SNI", sni);
        }
        if let Some(certificate) = &encryption.client_cert {
            command.env("SW_TLS_CLIENT_CERT", certificate);
        }
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
