//! What a session itself says when nothing guards the MTA.

use super::*;

/// A session with a stranger, whom a balancer introduces, and how often its log says that nothing guards the MTA.
fn notes(state: &Path, more: &str, options: &[&str]) -> usize {
    let (_folder, path) = config(&format!(
        "state = \"{}\"\n[session]\nproxy_from = [\"127.0.0.0/8\"]\n{more}",
        state.display()
    ));
    notes_with(&path, b"PROXY TCP4 192.0.2.7 198.51.100.9 4000 25\r\n", options)
}

fn notes_with(path: &Path, header: &[u8], options: &[&str]) -> usize {
    let script = Script::polite().on("PROXY", Act::Say(Vec::new()));
    let options = [&["--config", path.to_str().unwrap()], options].concat();
    let mut s = Session::with_options(script, &options);
    s.client.sends(header);
    s.opens_a_message();
    s.plays("C: text\nC: .\nS: 250 2.0.0 queued");
    s.quits();
    s.logged("session=note why=.neither.*guards.*check.*").len()
}

#[test]
fn a_session_that_nothing_guards_says_so_once() {
    let folder = Folder::fresh();
    let state = folder.file("");
    // Another file, or another MTA, is another configuration: each session here has a port of its own.
    assert_eq!(notes(&state, "", &[]), 1);
    assert_eq!(notes(&state, "", &["--identity", "proxy-v1"]), 0, "the MTA knows who it is");
    let relay = RELAY.replace("example.org", "mta.test");
    assert_eq!(notes(&state, &relay, &[]), 0, "the filter relay");
    assert_eq!(notes(&state, &format!("{relay}observe = true\n"), &[]), 1, "it only observes");
    assert_eq!(notes(&folder.file("none"), "", &[]), 0, "nothing can be remembered");
    let (_folder, path) = config(&format!(
        "state = \"{}\"\n[session]\nproxy_from = [\"127.0.0.0/8\"]\n",
        state.display()
    ));
    assert_eq!(notes_with(&path, b"PROXY UNKNOWN\r\n", &[]), 0, "the client is of this host");
}

#[test]
fn it_is_told_of_each_configuration_once() {
    use smtp_wrapper::state::told::first_of;
    let folder = Folder::fresh();
    let state = folder.file("");
    let told = [1, 1, 2, 2, 1].map(|n| first_of(&state, n).unwrap());
    assert_eq!(told, [true, false, true, false, false]);
    // It does not grow.
    assert!((10..50).all(|n| first_of(&state, n).unwrap() && !first_of(&state, n).unwrap()));
    assert!((1..=17).contains(&fs::read_dir(&state).unwrap().count()));
    assert!(first_of(&folder.file("none"), 1).is_err());
}
