//! Certificates and keys, and what filters see if the MTA encrypts.

use std::path::Path;
use std::time::SystemTime;

use rustix::fs::stat;
use rustls::sign::CertifiedKey;

use super::configuration::Seen;
use super::files::{self, mode};
use super::findings::{Findings, placed};
use super::validity;
use crate::config::tls::{self, TlsSettings};
use crate::dates;
use crate::smtp::ehlo::StartTls;
use crate::tls::certificates::{self, Pair};

/// A certificate that has so few days left would have been renewed by now.
const SOON: i64 = 14;

/// Looks at what connections are encrypted with.
pub(super) fn check(seen: &Seen, findings: &mut Findings) {
    let settings = seen.loaded.settings.tls.as_deref();
    let inside: Vec<_> = seen.loaded.chain.inside().collect();
    match tls::starttls(settings, !inside.is_empty()) {
        StartTls::Pass if !inside.is_empty() => findings.warning(
            "[tls]",
            format_args!(
                "the MTA encrypts: of such sessions these filters see nothing: {}",
                inside.join(", ")
            ),
            "configure a certificate (cert and key in [tls]), or starttls = \"hide\"",
        ),
        _ => {}
    }
    let Some(settings) = settings else { return };
    for pair in settings.pairs() {
        certificate((seen.inside(pair.0), seen.inside(pair.1)), settings, seen, findings);
    }
}

fn certificate(pair: Pair, settings: &TlsSettings, seen: &Seen, findings: &mut Findings) {
    let (file, key_file) = pair;
    let unusable = match settings.implicit {
        true => "every client is turned away",
        false => "STARTTLS is answered 454",
    };
    let mut names = vec![file, key_file];
    names.dedup();
    // It has a place, unless it is a credential, and there are none here.
    names.retain(|name| certificates::place(name).is_err());
    if !names.is_empty() {
        names.into_iter().for_each(|name| credential(name, unusable, seen, findings));
        return;
    }
    let bad = |what: &str, remedy: &str, findings: &mut Findings| {
        let (place, what) = placed(what);
        findings.error(place, format_args!("{what}: until then {unusable}"), remedy);
    };
    let chain = match certificates::chain(file) {
        Ok(chain) => chain,
        Err(what) => {
            return bad(
                &what,
                "name the file with the certificate in PEM: cert in [tls]",
                findings,
            );
        }
    };
    let key = match certificates::key(key_file) {
        Ok(key) => key,
        Err(what) => {
            let remedy = "name the file with its key in PEM, without a password (ECDSA, Ed25519, or \
                          RSA of 2048 bits or more): key in [tls]";
            return bad(&what, remedy, findings);
        }
    };
    for name in [file, key_file] {
        if let Ok(path) = certificates::place(name)
            && let Some(user) = files::not_for(&seen.users, &path)
        {
            let what = format_args!("sessions cannot read it: they run as {}", user.name);
            findings.error(name, what, format_args!("chgrp it to {}, and chmod 640", user.name));
        }
    }
    key_is_private(key_file, findings);
    let Some(first) = chain.first().cloned() else { return };
    let names = certificates::names(&first);
    if CertifiedKey::new(chain, key).keys_match().is_err() {
        let what = format_args!("is not the key of {file}: every handshake fails");
        return findings.error(key_file, what, "name the key that the certificate was made with");
    }
    let shown = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
    let day = validity::last_day(&first);
    let left = day.as_ref().and_then(|day| dates::until(day, SystemTime::now()));
    let day = day.unwrap_or_default();
    match left {
        Some(left) if left < 0 => {
            findings.error(file, format_args!("ended on {day}"), "renew it; sessions read it anew");
        }
        Some(left) if left < SOON => {
            let what = format_args!("ends on {day}, in {left} days");
            findings.warning(file, what, "renew it; sessions read it anew");
        }
        Some(_) => findings.ok(file, format_args!("for {shown}, until {day}; its key fits")),
        None => findings.warning(file, "its last day is not to be understood", "make it anew"),
    }
    if names.is_empty() {
        let what = "has no host name (subjectAltName): it is never chosen by name";
        findings.warning(file, what, "make it anew, with the name of the MX");
    }
}

/// Do sessions have this credential?
fn credential(name: &str, unusable: &str, seen: &Seen, findings: &mut Findings) {
    let without: Vec<_> = seen.starters.iter().filter(|starter| !starter.gives(name)).collect();
    for starter in &without {
        findings.warning(
            &starter.place,
            format_args!(
                "{name} in [tls] is a credential, which sessions do not get here: {unusable}"
            ),
            format_args!(
                "LoadCredential={name}:/… in the service; or name the file by its whole path"
            ),
        );
    }
    if without.is_empty() {
        findings.note(
            name,
            "a relative name is that of a credential, which only a service has",
            "run check in it: systemd-run -p LoadCredential=...",
        );
    }
}

/// May nobody else read the key?
fn key_is_private(name: &'static str, findings: &mut Findings) {
    let Ok(path) = certificates::place(name) else { return };
    if let Some(how) = files::open_to_others(&path) {
        let remedy = format_args!("chmod 640 {}", path.display());
        findings.error(name, format_args!("the private key {how}"), remedy);
    }
    if stat(Path::new(&path)).is_ok_and(|stat| mode(&stat) & 0o004 != 0) {
        let remedy = format_args!("chmod 640 {}", path.display());
        findings.warning(name, "the private key can be read by everybody", remedy);
    }
}
