//! What the log and the filters are told of a connection that is encrypted.

use std::borrow::Cow;

/// What there is to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encryption {
    /// The version of the protocol, as in `TLSv1.3`; none: the MTA encrypts, and we
    /// see nothing.
    pub version: Option<&'static str>,
    /// The name of the cipher suite, as IANA has it.
    pub cipher: Cow<'static, str>,
    /// The name of ours that the client asked for.
    pub sni: Option<String>,
    /// The SHA-256 of the client's certificate, in hexadecimal.
    pub client_cert: Option<String>,
    /// It goes on with a session of before, without a signature.
    pub resumed: bool,
}

impl Encryption {
    /// As it stands in the log: version and cipher suite, or `pass`.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        match self.version {
            Some(version) => format!("{version}/{}", self.cipher).into(),
            None => "pass".into(),
        }
    }
}
