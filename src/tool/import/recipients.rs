//! Expressions over the command `RCPT TO:<path>`, as entries over the path. One that might
//! see what stands around the path has no such entry.

use super::plain::literal;
use crate::list::expression_matches;

const WRITE: &str = "write the domain as example.org, or .example.org with all below it";

/// The entry that matches the same recipients.
///
/// # Errors
/// Says why there is none, and what to do.
pub(super) fn recipient(expression: &str) -> Result<String, String> {
    let (rest, ends) = match expression.strip_suffix(">$").or_else(|| expression.strip_suffix('>'))
    {
        Some(rest) if !rest.ends_with('\\') => (rest, true),
        _ => (expression, false),
    };
    let starts = ["^RCPT TO:<", "RCPT TO:<", "TO:<", ":<", "<"];
    let inside = starts.iter().find_map(|start| rest.strip_prefix(start));
    let (body, starts) = (inside.unwrap_or(rest), inside.is_some());
    if ends && let Some(entry) = plain(body, starts) {
        return Ok(entry);
    }
    if body.contains(['<', '>', '^', '$', '|', ':', ' ', '(', '{']) {
        return Err(format!("sees more than the recipient, or may: {WRITE}"));
    }
    // In brackets a slash cannot be written as one that ends nothing.
    if body.contains('[') && body.contains('/') {
        return Err(format!("holds a slash and brackets: {WRITE}"));
    }
    // Where a match begins and ends must be in the path, whatever stands around it.
    let first = begins_inside(body);
    let last = body.ends_with(|c: char| c.is_ascii_alphanumeric());
    if !(starts || first) || !(ends || last) || expression_matches(body, "RCPT TO:<>") != Ok(false)
    {
        return Err(format!("may match what stands around the recipient: {WRITE}"));
    }
    let [start, end] = [(starts, "^"), (ends, "$")].map(|(is, sign)| if is { sign } else { "" });
    Ok(format!("/{start}{}{end}/", body.replace("\\/", "/").replace('/', "\\/")))
}

/// The domain or address, if it is no more than that.
fn plain(body: &str, starts: bool) -> Option<String> {
    if starts {
        let (local, domain) = body.split_once('@')?;
        return Some(format!("{}@{}", literal(local)?, literal(domain)?));
    }
    for all in ["[@.]", "@(.*\\.)?", "(@|\\.)", "[.@]"] {
        if let Some(domain) = body.strip_prefix(all) {
            return literal(domain).map(|domain| format!(".{domain}"));
        }
    }
    literal(body.strip_prefix('@')?)
}

/// Does it begin with one character that is not in `RCPT TO:<`, and is not left out?
fn begins_inside(body: &str) -> bool {
    let mut rest = body.strip_prefix('\\').unwrap_or(body).chars();
    let first = rest.next().is_some_and(|c| match body.starts_with('\\') {
        true => matches!(c, '.' | '-' | '+'),
        false => {
            c == '@' || (c.is_ascii_alphanumeric() && !"rcpto".contains(c.to_ascii_lowercase()))
        }
    });
    first && !rest.next().is_some_and(|c| "*?".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_recipient() {
        for (expression, entry) in [
            (r"@example\.org>", Some("example.org")),
            (r"@Example\.org>$", Some("example.org")),
            (r"[@.]example\.org>", Some(".example.org")),
            (r"<info@example\.org>", Some("info@example.org")),
            (r"^RCPT TO:<info@example\.org>$", Some("info@example.org")),
            (r"@example\.org", Some(r"/@example\.org/")),
            (r"example\.org>", Some(r"/example\.org$/")),
            (r"<abuse@", None),
            (r"\.example\.(org|net)>", None),
            (r"@example.org>", Some("/@example.org$/")),
            (r"TO:", None),
            (r"t", None),
            (r".*@example\.org>", None),
            (r"o?@example\.org>", None),
            (r"@example\.org.", None),
            (r"@a>|@b>", None),
            (r"^[^@]*@example\.org>", None),
            (r"<a/b@example\.org", Some(r"/^a\/b@example\.org/")),
        ] {
            assert_eq!(recipient(expression).ok().as_deref(), entry, "{expression}");
        }
    }

    #[test]
    #[allow(clippy::unwrap_used)]
    fn an_entry_matches_what_the_expression_matches() {
        use crate::list::{List, Topic};
        let parts =
            ["a", "org", "example", "@", ".", "<", "to", ":", "b", "x@", "example.org", ">"];
        for expression in [
            r"@example\.org>",
            r"[@.]example\.org>",
            r"<a@example\.org>",
            r"@example\.org",
            r"example\.org>",
            r"@example.org>",
            r"b.*@example\.org",
            r"<b[a-z]*@example",
        ] {
            let entry = recipient(expression).unwrap();
            let list = List::parse(&[entry.leak()], Topic::Recipient).unwrap();
            for n in 0..parts.len().pow(4) {
                let pick = |k: u32| parts.get(n / parts.len().pow(k) % parts.len()).unwrap();
                let path = format!("{}{}{}{}", pick(0), pick(1), pick(2), pick(3));
                // No path is like that, when lists get to see it.
                let odd = path.contains(['<', '>', ':']) || path.ends_with('.');
                if odd || path.matches('@').count() != 1 {
                    continue;
                }
                let command = format!("RCPT TO:<{path}>");
                let matches = expression_matches(expression, &command).unwrap();
                assert_eq!(list.has_recipient(path.as_bytes()), matches, "{expression} {path}");
            }
        }
    }
}
