//! Certificates, keys, and filters that see nothing.

use std::process::Command;

use super::*;

fn pem(name: &str) -> String {
    format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Copies a file of tests/tls, with this mode.
fn copy(folder: &Folder, name: &str, mode: u32) -> String {
    let path = folder.file(name);
    fs::copy(pem(name), &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path.display().to_string()
}

#[test]
fn a_certificate_and_its_key() {
    let folder = Folder::fresh();
    let (certificate, key) = (copy(&folder, "rsa.crt", 0o644), copy(&folder, "rsa.key", 0o600));
    let options = ["--tls-cert", &certificate, "--tls-key", &key];
    let (found, _) = check(refusing(), &options);
    found.ends(0).says("ok", "for rsa.example.org, *.wild.example.org, until 2126-");
    let open = copy(&folder, "rsa.key", 0o644);
    let (found, _) = check(refusing(), &["--tls-cert", &certificate, "--tls-key", &open]);
    found.says("warning", "the private key can be read by everybody");
}

#[test]
fn what_is_wrong_with_them() {
    let folder = Folder::fresh();
    let certificate = copy(&folder, "mx.crt", 0o644);
    let other = copy(&folder, "rsa.key", 0o600);
    for (certificate, key, what) in [
        (&certificate, &other, "is not the key of"),
        (
            &certificate,
            &"/nonexistent".to_owned(),
            "there is no such file: until then STARTTLS is answered 454",
        ),
        (&certificate, &certificate, "there is no private key in it"),
        (&other, &other, "there is no certificate in it"),
    ] {
        let (found, _) = check(refusing(), &["--tls-cert", certificate, "--tls-key", key]);
        found.ends(1).says("error", what);
    }
    let (found, _) = check(refusing(), &["--tls-cert", "mx.crt"]);
    found.says("note", "a relative name is that of a credential");
    let (found, _) = check(refusing(), &["--tls-implicit"]);
    found.ends(1).says("error", "to encrypt takes a certificate");
}

#[test]
fn a_certificate_that_ends() {
    let folder = Folder::fresh();
    let path = folder.file("soon.pem");
    let path = path.to_str().unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-key", &pem("mx.key"), "-subj", "/CN=a.example", "-out", path])
        .args(["-days", "3", "-addext", "subjectAltName=DNS:a.example"])
        .output();
    // The command is a package of its own.
    let Ok(made) = made else { return };
    assert!(made.status.success(), "{made:?}");
    let (found, _) = check(refusing(), &["--tls-cert", path, "--tls-key", &pem("mx.key")]);
    found.says("warning", "ends on 20");
}

#[test]
fn filters_that_see_nothing() {
    let text = "[tls]\nstarttls = \"pass\"\n[[filter]]\ntype = \"deny\"\nentries = [\"from:a@b.example\"]\n";
    let (found, _folder) = checked_with(text, refusing());
    found.says("warning", "of such sessions these filters see nothing: deny");
    let (found, _folder) = checked_with(&text.replace("from:a@b.example", "192.0.2.1"), refusing());
    assert!(!found.out.contains("see nothing"), "{}", found.out);
}
