//! The table of TLS: whether and how a client's connection is encrypted.

use super::Discord;
use super::keys::{BadKey, Keys};
use crate::filter::Key;
use crate::smtp::ehlo::StartTls;

/// The words for what becomes of STARTTLS.
pub(crate) const STARTTLS: &[(&str, StartTls)] =
    &[("terminate", StartTls::Terminate), ("pass", StartTls::Pass), ("hide", StartTls::Hide)];

/// What a client's connection is encrypted with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// What becomes of STARTTLS, if it is said.
    pub starttls: Option<StartTls>,
    /// The files of certificates, the first of which is the one if none is asked for.
    pub certificates: Vec<&'static str>,
    /// The files of their keys; none: the certificates' own.
    pub keys: Vec<&'static str>,
    /// TLS 1.3 alone.
    pub only_newest: bool,
    /// Clients begin with TLS, and not with STARTTLS.
    pub implicit: bool,
    /// Clients are asked for a certificate.
    pub ask_client: bool,
    /// The files are options', which replace those of the configuration.
    options: bool,
}

/// The keys of the table.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "starttls",
        value: "terminate, pass or hide",
        help: "who encrypts (terminate with a certificate; else pass, or hide if a filter looks inside)",
    },
    Key { name: "cert", value: "file, or a list", help: "our certificate and its chain (none)" },
    Key { name: "key", value: "file, or a list", help: "its private key (in the file of cert)" },
    Key { name: "min_version", value: "1.2 or 1.3", help: "the oldest version of TLS (1.2)" },
    Key {
        name: "implicit",
        value: "true or false",
        help: "clients begin with TLS, as on port 465 (false)",
    },
    Key {
        name: "client_cert",
        value: "none or ask",
        help: "whether clients are asked for a certificate, for log and filters (none)",
    },
];

impl super::Settings {
    /// What connections are encrypted with, for an option to change.
    pub(crate) fn tls(&mut self) -> &mut TlsSettings {
        self.tls.get_or_insert_default()
    }
}

impl TlsSettings {
    /// Clients begin with TLS.
    ///
    /// # Errors
    /// None.
    pub(crate) fn begins(&mut self) -> Result<(), String> {
        self.implicit = true;
        Ok(())
    }

    /// Reads the table.
    ///
    /// # Errors
    /// The first key that is wrong.
    #[inline(never)] // Not in every session.
    pub(super) fn read(keys: &Keys<'_>) -> Result<TlsSettings, BadKey> {
        let files = |key| match keys.one_or_more(key)? {
            Some(names) if names.iter().any(|name| !is_name(name)) => {
                Err(keys.wrong(key, "must name a file, or several"))
            }
            names => Ok(names.unwrap_or_default()),
        };
        Ok(TlsSettings {
            starttls: keys.choice("starttls", STARTTLS)?,
            certificates: files("cert")?,
            keys: files("key")?,
            only_newest: keys.choice("min_version", &[("1.2", false), ("1.3", true)])?
                == Some(true),
            implicit: keys.flag("implicit")?,
            ask_client: keys.choice("client_cert", &[("none", false), ("ask", true)])?
                == Some(true),
            options: false,
        })
    }

    /// An option names the file of a certificate (or of a `key`); the first one replaces
    /// those of the configuration.
    ///
    /// # Errors
    /// Says that it is no file.
    pub(crate) fn option(&mut self, name: &'static str, key: bool) -> Result<(), String> {
        if !is_name(name) {
            return Err("must name a file".to_owned());
        }
        if !std::mem::replace(&mut self.options, true) {
            self.certificates.clear();
            self.keys.clear();
        }
        if key {
            self.keys.push(name)
        } else {
            self.certificates.push(name)
        }
        Ok(())
    }

    /// Each certificate's file with that of its key.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, &'static str)> {
        let key = |n: usize| self.keys.get(n).copied();
        let pairs = self.certificates.iter().enumerate();
        pairs.map(|(n, certificate)| (*certificate, key(n).unwrap_or(certificate))).collect()
    }

    /// Do they go together, wherever each is from?
    ///
    /// # Errors
    /// Says what does not.
    #[inline(never)] // Not in every session.
    pub(super) fn agree(&self) -> Result<(), Box<Discord>> {
        let discord = |key, what: &str| Err(Discord::new("tls", key, what));
        let needs = self.implicit || self.starttls == Some(StartTls::Terminate);
        if needs && self.certificates.is_empty() {
            let key = if self.implicit { "implicit" } else { "starttls" };
            return discord(key, "to encrypt takes a certificate: cert in [tls], or --tls-cert");
        }
        if !self.keys.is_empty() && self.keys.len() != self.certificates.len() {
            return discord(
                "key",
                "of certificates and keys (cert and key in [tls], --tls-cert and --tls-key) \
                 there must be as many",
            );
        }
        Ok(())
    }

    /// What becomes of STARTTLS; `inside`: a filter looks at what is sent behind it.
    fn starttls(&self, inside: bool) -> StartTls {
        match self.starttls {
            // On such a connection there is nothing left to encrypt.
            _ if self.implicit => StartTls::Hide,
            Some(asked) => asked,
            None if !self.certificates.is_empty() => StartTls::Terminate,
            None => without_certificate(inside),
        }
    }
}

/// What becomes of STARTTLS if nothing is said of it.
fn without_certificate(inside: bool) -> StartTls {
    if inside { StartTls::Hide } else { StartTls::Pass }
}

/// What becomes of STARTTLS with these settings, if there are any; `inside`: a filter looks
/// at what is sent behind it.
pub(crate) fn starttls(settings: Option<&TlsSettings>, inside: bool) -> StartTls {
    settings.map_or_else(|| without_certificate(inside), |settings| settings.starttls(inside))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('\0')
}
