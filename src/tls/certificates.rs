//! Our certificates and their keys: PEM files, of which the one is used whose names
//! have the name that the client asks for.
//!
//! Only the certificates that are looked at are read, and a key is taken apart only
//! when something is to be signed: a client that resumes a session needs no
//! signature.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, alg_id};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use webpki::EndEntityCert;

use crate::config::tls::TlsSettings;
use crate::file;

/// A larger file is no certificate and no key, in MiB.
const MOST: u64 = 1;

/// A certificate's file, and that of its key.
pub(crate) type Pair = (&'static str, &'static str);

/// The certificates of a configuration.
#[derive(Debug)]
pub(super) struct Certificates {
    first: Arc<CertifiedKey>,
    others: Vec<Pair>,
}

impl Certificates {
    /// Reads the first of them.
    ///
    /// # Errors
    /// Says what is wrong with it, or with its key.
    pub(super) fn new(settings: &TlsSettings) -> Result<Certificates, String> {
        let mut pairs = settings.pairs().into_iter();
        let first = pairs.next().ok_or("there is no certificate")?;
        // What is wrong is to be found before the client is told to begin, without what a
        // resumed session has no use for.
        let key = read(first.1)?;
        if !has(&key, b"PRIVATE KEY-----") {
            return Err(format!("{}: there is no private key in it", first.1));
        }
        if has(&key, b"ENCRYPTED PRIVATE KEY") || has(&key, b"4,ENCRYPTED") {
            return Err(format!("{}: the private key is encrypted: take one that is not", first.1));
        }
        Ok(Certificates { first: certified(first)?, others: pairs.collect() })
    }
}

fn has(text: &[u8], words: &[u8]) -> bool {
    memchr::memmem::find(text, words).is_some()
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // There is nothing to choose, and so nothing to look for.
        if self.others.is_empty() {
            return Some(Arc::clone(&self.first));
        }
        let wanted = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let schemes = hello.signature_schemes();
        let fits = |certified: &Arc<CertifiedKey>| can_verify(certified, schemes);
        let others = || self.others.iter().filter_map(|pair| certified(*pair).ok());
        let Some(wanted) = wanted else {
            // Without a name: one that the client can do something with.
            let first = Some(&self.first).filter(|first| fits(first)).cloned();
            return first.or_else(|| others().find(fits)).or(Some(Arc::clone(&self.first)));
        };
        let mut named = None;
        for certified in std::iter::once(Arc::clone(&self.first)).chain(others()) {
            if has_name(&certified, &wanted) {
                if fits(&certified) {
                    return Some(certified);
                }
                named = named.or(Some(certified));
            }
        }
        Some(named.unwrap_or_else(|| Arc::clone(&self.first)))
    }
}

/// Is this among the certificate's names?
fn has_name(certified: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = certified.cert.first().and_then(|first| EndEntityCert::try_from(first).ok());
    certificate.is_some_and(|of| of.verify_is_valid_for_subject_name(name).is_ok())
}

/// Can a client that takes these signatures verify one of this key?
fn can_verify(certified: &CertifiedKey, schemes: &[SignatureScheme]) -> bool {
    use SignatureScheme as S;
    let of_key: &[SignatureScheme] = match certified.key.algorithm() {
        SignatureAlgorithm::ECDSA => &[S::ECDSA_NISTP256_SHA256, S::ECDSA_NISTP384_SHA384],
        SignatureAlgorithm::ED25519 => &[S::ED25519],
        _ => &[S::RSA_PSS_SHA256, S::RSA_PSS_SHA384, S::RSA_PSS_SHA512, S::RSA_PKCS1_SHA256],
    };
    of_key.iter().any(|scheme| schemes.contains(scheme))
}

/// Reads a certificate, and the chain behind it; its key is read when it is used.
fn certified((certificate, key): Pair) -> Result<Arc<CertifiedKey>, String> {
    let chain = chain(certificate)?;
    let algorithm = chain.first().and_then(algorithm);
    let algorithm = algorithm
        .ok_or_else(|| format!("{certificate}: its key is neither ECDSA nor RSA nor Ed25519"))?;
    let key = Arc::new(LazyKey { file: key, algorithm });
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// The certificate in this file, and those behind it.
///
/// # Errors
/// Says why there is none.
pub(crate) fn chain(file: &'static str) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(format!("{file}: there is no certificate in it")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("{file}: {error}")),
    }
}

/// The key in this file.
///
/// # Errors
/// Says why there is none.
pub(crate) fn key(file: &'static str) -> Result<Arc<dyn SigningKey>, String> {
    let text = read(file)?;
    let key = PrivateKeyDer::from_pem_slice(&text);
    let key =
        key.map_err(|_| format!("{file}: there is no private key in it, or one with a password"))?;
    any_supported_type(&key).map_err(|_| match is_short(&key) {
        true => format!("{file}: its RSA key is too short: it takes 2048 bits"),
        false => format!("{file}: is a key of a kind that is not known here"),
    })
}

/// Is it an RSA key of less than 2048 bits, which nobody signs with any more? One of those
/// has 9 numbers, of 1152 octets together (RFC 8017 A.1.2).
fn is_short(key: &PrivateKeyDer<'_>) -> bool {
    const SHORT: usize = 1150;
    let oid: &[u8] = &alg_id::RSA_ENCRYPTION;
    match key {
        PrivateKeyDer::Pkcs1(key) => key.secret_pkcs1_der().len() < SHORT,
        PrivateKeyDer::Pkcs8(key) => {
            let der = key.secret_pkcs8_der();
            der.len() < SHORT && der.windows(oid.len()).take(32).any(|at| at == oid)
        }
        _ => false,
    }
}

/// A certificate's names.
pub(crate) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    match EndEntityCert::try_from(certificate) {
        Ok(of) => of.valid_dns_names().map(str::to_owned).collect(),
        Err(_) => Vec::new(),
    }
}

/// What a certificate's key signs with.
fn algorithm(certificate: &CertificateDer<'static>) -> Option<SignatureAlgorithm> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let info = certificate.subject_public_key_info();
    // SEQUENCE { AlgorithmIdentifier { OID, … }, … }: what stands at its head.
    let has =
        |identifier: &[u8]| info.windows(identifier.len()).take(16).any(|at| at == identifier);
    match () {
        () if has(&alg_id::ECDSA_P256) || has(&alg_id::ECDSA_P384) => {
            Some(SignatureAlgorithm::ECDSA)
        }
        () if has(&alg_id::RSA_ENCRYPTION) => Some(SignatureAlgorithm::RSA),
        () if has(&alg_id::ED25519) => Some(SignatureAlgorithm::ED25519),
        () => None,
    }
}

/// The SHA-256 of a certificate, in hexadecimal.
pub(crate) fn fingerprint(certificate: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A key that is read when something is to be signed.
#[derive(Debug)]
struct LazyKey {
    file: &'static str,
    algorithm: SignatureAlgorithm,
}

impl SigningKey for LazyKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        key(self.file).ok()?.choose_scheme(offered)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}

/// Where a file is: a relative name is that of a credential (systemd.exec(5)).
///
/// # Errors
/// There are no credentials.
pub(crate) fn place(name: &'static str) -> Result<PathBuf, String> {
    if name.starts_with('/') {
        return Ok(PathBuf::from(name));
    }
    match std::env::var_os("CREDENTIALS_DIRECTORY") {
        Some(folder) => Ok(Path::new(&folder).join(name)),
        None => Err(format!(
            "{name}: there is no $CREDENTIALS_DIRECTORY to look for it, and it does not begin with a slash"
        )),
    }
}

fn read(name: &'static str) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("{name}: cannot be read: {error}");
    match file::open(&place(name)?).map_err(cannot)? {
        Some((file, stat)) => file::read_all(&file, &stat, MOST).map_err(cannot),
        None => Err(format!("{name}: there is no such file")),
    }
}
