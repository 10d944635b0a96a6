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
        let mut lines = found.out.lines().skip_while(|line| !line.contains(what));
        assert!(lines.nth(1).is_some_and(|line| line.contains("-> name the ")), "{}", found.out);
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
        .output()
        .expect("the command openssl");
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

#[test]
fn mistakes_in_the_table_have_their_line() {
    let cert = pem("both.pem");
    for (text, says) in [
        ("min_version = 1.3", "must be \"1.2\" or \"1.3\""),
        ("min_version = \"1.1\"", "must be \"1.2\" or \"1.3\""),
        ("starttls = \"terminate\"", "key \"starttls\" in [tls]: to encrypt takes a certificate"),
        ("implicit = true", "key \"implicit\" in [tls]: to encrypt takes a certificate"),
        (
            &format!("key = [\"/a\", \"/b\"]\ncert = {cert:?}"),
            "key \"key\" in [tls]: of certificates and keys",
        ),
    ] {
        let (found, folder) = checked_with(&format!("\n[tls]\n{text}\n"), refusing());
        let place = format!("{}:3: ", folder.file("c.toml").display());
        found.ends(1).says("error", &place).says("error", says);
        // What an option brings has no line; one may bring what is missing.
        let path = folder.file("c.toml");
        let options = ["--config", path.to_str().unwrap(), "--tls-cert", &cert];
        let (found, _) = check(refusing(), &options);
        assert_eq!(found.status == Some(0), !says.starts_with("must"), "{}", found.out);
    }
}

#[test]
fn a_key_that_is_too_short() {
    let folder = Folder::fresh();
    let path = folder.file("short.pem");
    let path = path.to_str().unwrap();
    for words in
        [&["genrsa", "-out", path, "1024"][..], &["genrsa", "-traditional", "-out", path, "1024"]]
    {
        let made = Command::new("openssl").args(words).output().expect("the command openssl");
        assert!(made.status.success(), "{made:?}");
        let (found, _) = check(refusing(), &["--tls-cert", &pem("rsa.crt"), "--tls-key", path]);
        found.ends(1).says("error", "its RSA key is too short: it takes 2048 bits");
    }
}

#[test]
fn a_credential_that_sessions_do_not_get() {
    let folder = Folder::fresh();
    let unit = folder.file("smtp-wrapper@.service");
    let inetd = folder.file("inetd.conf");
    let fine = fs::read_to_string(Path::new(ROOT).join("systemd/smtp-wrapper@.service")).unwrap();
    let fine = fine.replace("/usr/sbin/smtp-wrapper", BINARY);
    fs::write(&inetd, format!("smtp stream tcp nowait.1000 nobody {BINARY} smtp-wrapper\n"))
        .unwrap();
    let names = ["--tls-cert", "mx.pem", "--unit", unit.to_str().unwrap()];
    let what =
        "mx.pem in [tls] is a credential, which sessions do not get here: STARTTLS is answered 454";
    for (more, without) in [
        ("", true),
        ("LoadCredential=other.pem:/etc/mx.pem\n", true),
        ("LoadCredential=mx.pem:/etc/mx.pem\n", false),
        ("ImportCredential=m*\n", false),
    ] {
        fs::write(&unit, fine.replace("[Service]\n", &format!("[Service]\n{more}"))).unwrap();
        let (found, _) = check(refusing(), &names);
        match without {
            true => drop(found.says("warning", what)),
            false => assert!(!found.out.contains("do not get here"), "{}", found.out),
        }
    }
    let (found, _) =
        check(refusing(), &[&names[..], &["--inetd", inetd.to_str().unwrap()]].concat());
    found.says("warning", &format!("{}:1: {what}", inetd.display()));
}
