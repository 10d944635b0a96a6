//! The document for programs.

use super::*;

/// Reads an array of objects of strings, and nothing else; what is not one is a failure.
fn parse(json: &str) -> Vec<Vec<(String, String)>> {
    fn string<'a>(rest: &'a str, text: &mut String) -> &'a str {
        let mut chars = rest.strip_prefix('"').expect("a string").chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => return chars.as_str().trim_start(),
                '\\' => match chars.next().expect("an escape") {
                    'u' => {
                        let digits: String = chars.by_ref().take(4).collect();
                        text.extend(char::from_u32(u32::from_str_radix(&digits, 16).unwrap()));
                    }
                    c @ ('"' | '\\') => text.push(c),
                    c => panic!("escape {c:?}"),
                },
                c => {
                    assert!(c >= ' ', "a control character");
                    text.push(c);
                }
            }
        }
        panic!("a string without an end")
    }
    let mut objects = Vec::new();
    let mut rest =
        json.trim().strip_prefix('[').and_then(|json| json.strip_suffix(']')).unwrap().trim();
    while !rest.is_empty() {
        let mut object = Vec::new();
        rest = rest.strip_prefix('{').expect("an object");
        loop {
            let (mut key, mut value) = (String::new(), String::new());
            rest = string(rest.trim_start(), &mut key)
                .strip_prefix(':')
                .expect("a colon")
                .trim_start();
            rest = string(rest, &mut value);
            object.push((key, value));
            match rest.split_at(1) {
                (",", more) => rest = more,
                ("}", more) => break rest = more.trim_start(),
                _ => panic!("behind a value: {rest}"),
            }
        }
        objects.push(object);
        rest = match rest.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None => rest,
        };
    }
    objects
}

#[test]
fn json_is_one_document() {
    let script = Script::polite().on("(greeting)", "220 \"quoted\" \\ back");
    let (found, _) = check(script, &["--json"]);
    found.ends(1);
    let objects = parse(&found.out);
    let value = |object: &Vec<(String, String)>, key: &str| {
        object.iter().find(|(name, _)| name == key).expect("the key").1.clone()
    };
    for object in &objects {
        let keys: Vec<&str> = object.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["severity", "place", "what", "remedy"]);
        assert!(["error", "warning", "note", "ok"].contains(&value(object, "severity").as_str()));
    }
    let relay = objects.iter().find(|object| value(object, "what").starts_with("OPEN RELAY"));
    assert_eq!(value(relay.expect("the finding"), "severity"), "error");
    let greeting = objects.iter().any(|o| value(o, "what").contains("220 \"quoted\" \\x5c back"));
    assert!(greeting, "{}", found.out);
    // A broken configuration is a document too.
    let (_folder, path) = config("x");
    let found = run(&["check", "--json", "--config", path.to_str().unwrap()]);
    found.ends(1);
    assert!(parse(&found.out).iter().any(|object| value(object, "place").ends_with("c.toml:1")));
}
