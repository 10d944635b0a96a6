//! Patterns of Postfix's regexp and pcre tables, as expressions between slashes that a
//! list has.

/// A pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// It matches what the expression does not.
    pub(super) negated: bool,
    /// As it stands between slashes.
    pub(super) expression: String,
    /// What stands behind them.
    pub(super) flags: String,
}

impl Pattern {
    /// The pattern at the head of a line, and its length there.
    ///
    /// # Errors
    /// Says what is wrong with it, and what to do.
    pub(super) fn read(line: &str, pcre: bool) -> Result<(Pattern, usize), &'static str> {
        let negated = line.starts_with('!') && !line.starts_with("!!");
        let rest = if negated { line.get(1..).unwrap_or_default() } else { line };
        let none = "is no expression between slashes";
        let sign = rest.chars().next().filter(char::is_ascii_punctuation).ok_or(none)?;
        let (mut end, mut escaped) = (None, false);
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                c if c == sign && !escaped => {
                    end = Some(at);
                    break;
                }
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        let end = end.ok_or(none)?;
        let (inside, behind) = (rest.get(1..end).ok_or(none)?, rest.get(end + 1..).ok_or(none)?);
        let flags = behind.split([' ', '\t']).next().unwrap_or_default().to_owned();
        let length = usize::from(negated) + end + 1 + flags.len();
        let inside = match sign {
            '/' => inside.to_owned(),
            _ if inside.contains('/') && inside.contains('[') => {
                return Err("holds a slash and brackets: write it between slashes");
            }
            _ => inside.replace(&format!("\\{sign}"), &sign.to_string()).replace('/', "\\/"),
        };
        let expression = if pcre { as_posix(&inside)? } else { inside };
        Ok((Pattern { negated, expression, flags }, length))
    }
}

/// What of Perl's expressions is written otherwise in POSIX's.
fn as_posix(pcre: &str) -> Result<String, &'static str> {
    const BRACKETS: &str = "has an escape in brackets that POSIX has not: write them otherwise";
    // Letters of both cases are one anyway.
    let mut rest = pcre.strip_prefix("(?i)").unwrap_or(pcre).chars();
    let (mut out, mut brackets, mut quantifier) = (String::new(), false, false);
    while let Some(c) = rest.next() {
        let behind_quantifier = std::mem::take(&mut quantifier);
        match c {
            '\\' if brackets => out.push_str(match rest.next() {
                Some('d') => "0-9",
                Some('w') => "a-zA-Z0-9_",
                Some('s') => "[:space:]",
                Some('.') => ".",
                Some('/') => "/",
                Some('_') => "_",
                Some('@') => "@",
                Some('+') => "+",
                _ => return Err(BRACKETS),
            }),
            '\\' => {
                out.push(c);
                out.extend(rest.next());
            }
            '[' if !brackets => {
                brackets = true;
                out.push(c);
                // What stands first in them is itself.
                for first in ['^', ']'] {
                    if rest.as_str().starts_with(first) {
                        out.extend(rest.next());
                    }
                }
            }
            ']' if brackets => {
                brackets = false;
                out.push(c);
            }
            '(' if !brackets && rest.as_str().starts_with("?:") => {
                out.push(c);
                rest.nth(1);
            }
            '+' if behind_quantifier => {
                return Err("has a possessive quantifier, which is not known: write it without");
            }
            c => {
                quantifier = !brackets && matches!(c, '+' | '*' | '?' | '}');
                out.push(c);
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (line, pcre, expression, length) in [
            ("/^a\\/b/i REJECT", false, "/^a\\/b/i", 8),
            ("!/a/ OK", false, "!/a/", 4),
            ("~a/b\\~c~ OK", false, "/a\\/b~c/", 8),
            ("/[\\w.]+@(?:a|b)\\.\\d/ OK", true, "/[a-zA-Z0-9_.]+@(a|b)\\.\\d/", 20),
            ("/(?i)x/ OK", true, "/x/", 7),
            ("/[]a]\\[/ OK", true, "/[]a]\\[/", 8),
            ("/\\*+\\?+\\}+\\++[+*]+x/ OK", true, "/\\*+\\?+\\}+\\++[+*]+x/", 20),
        ] {
            let read = Pattern::read(line, pcre);
            let shown = read.map(|(pattern, length)| {
                let not = if pattern.negated { "!" } else { "" };
                (format!("{not}/{}/{}", pattern.expression, pattern.flags), length)
            });
            assert_eq!(shown, Ok((expression.to_owned(), length)), "{line}");
        }
        for odd in
            ["", "a", "/a", "/[\\-x]/", "/a++/", "/a*+/", "/a?+/", "/a{2}+/", "/\\+++/", "~[/]~"]
        {
            assert!(Pattern::read(odd, true).is_err(), "{odd}");
        }
    }
}
