//! Keys of Postfix's indexed tables whose local part stands in quotes, which may hold
//! white space (postmap(1)), as entries of a list. Here a path is compared as it is without
//! its quotes.

/// Where the key at the head of a line ends.
pub(super) fn end(line: &str) -> usize {
    let (mut inside, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            ' ' | '\t' if !inside => return at,
            // Only at its head does a quote begin something.
            '"' if !escaped => inside = at == 0,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    // If it is not closed it is none.
    match inside {
        true => line.find([' ', '\t']).unwrap_or(line.len()),
        false => line.len(),
    }
}

/// The entry, and whether it is of one mailbox, and not of a local part in any domain.
///
/// # Errors
/// Says what is wrong with it, and what to do.
pub(super) fn mailbox(key: &str) -> Result<(String, bool), &'static str> {
    const ODD: &str = "has quotes that are not around its local part: what was meant?";
    let (local, domain) = key.rsplit_once('@').ok_or(ODD)?;
    let quoted = local.strip_prefix('"').and_then(|local| local.strip_suffix('"')).ok_or(ODD)?;
    let (mut plain, mut rest) = (String::new(), quoted.chars());
    while let Some(c) = rest.next() {
        match c {
            '"' => return Err(ODD),
            '\\' => plain.push(rest.next().ok_or(ODD)?),
            c => plain.push(c),
        }
    }
    let atom = |part: &str| {
        let sound = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
        !part.is_empty() && part.chars().all(sound)
    };
    if plain.split('.').all(atom) {
        return Err("is not looked for in quotes, which it does not need: write it without");
    }
    let (local, domain) = (literally(&plain), literally(domain));
    Ok(match domain.is_empty() {
        true => (format!("/^{local}(@[^@]*)?$/"), false),
        false => (format!("/^{local}@{domain}$/"), true),
    })
}

/// An expression, between slashes, that matches this text alone.
fn literally(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if "\\^$.|?*+()[]{}/".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_end() {
        for (line, key) in [
            ("a b", "a"),
            ("a\tb", "a"),
            ("a", "a"),
            ("\"a b\"@c d", "\"a b\"@c"),
            ("\"a \\\" b\"@c d", "\"a \\\" b\"@c"),
            ("\"a b@c d", "\"a"),
            ("a\"b c\" d", "a\"b"),
            ("", ""),
        ] {
            assert_eq!(line.get(..end(line)), Some(key), "{line}");
        }
    }

    #[test]
    fn mailboxes() {
        for (key, entry) in [
            ("\"a b\"@c.d", Ok(("/^a b@c\\.d$/", true))),
            ("\"a.\\\"/\"@c", Ok(("/^a\\.\"\\/@c$/", true))),
            ("\"a b\"@", Ok(("/^a b(@[^@]*)?$/", false))),
            ("\"a@b\"@c", Ok(("/^a@b@c$/", true))),
        ] {
            assert_eq!(mailbox(key), entry.map(|(text, whole)| (text.to_owned(), whole)), "{key}");
        }
        for odd in ["\"a.b\"@c", "\"a b@c", "a\" b\"@c", "\"a\"b\"@c", "\"a b\\\"@c", "\"a b\""] {
            assert!(mailbox(odd).is_err(), "{odd}");
        }
    }
}
