//! Extended regular expressions (POSIX, as egrep and Postfix's regexp tables have
//! them), read into what the `regex` crate takes, and into the fixed parts that a
//! text must hold to match at all: most texts hold none of them, and then nothing
//! is compiled and nothing run.
//!
//! Letters of both cases are one unless asked otherwise. Back-references and
//! look-around, which take more than one pass, are refused; so is what POSIX leaves
//! undefined, for nobody knows what its author meant.

mod bracket;
mod parser;

use std::cell::OnceCell;

use regex::bytes::{Regex, RegexBuilder};

use parser::{DEEPEST, Parser};

/// An expression is no longer than this, in octets.
const LONGEST: usize = 2048;
/// How deep it may be nested for the `regex` crate: a group and its repetitions in each.
const NESTED: u32 = 16 * DEEPEST;
/// Octets that a compiled expression may take.
const SIZE: usize = 1 << 20;

/// What an expression was compiled to, once a text held what it must hold.
pub(super) type Kept = OnceCell<Option<Regex>>;

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    /// As the `regex` crate wants it, without its treatment of Unicode and of case.
    pub(super) regex: String,
    /// One of these stands in every text that matches, letters in lower case;
    /// empty: there is no telling.
    pub(super) needs: Vec<Vec<u8>>,
    /// Letters of both cases are two.
    pub(super) exact: bool,
}

impl Expression {
    /// Reads one.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn parse(text: &str, exact: bool) -> Result<Expression, String> {
        if text.is_empty() {
            return Err("is empty, and would match everything".to_owned());
        }
        if text.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} octets"));
        }
        let (regex, needs) = Parser::new(text, exact).whole()?;
        Ok(Expression { regex, needs, exact })
    }

    /// Does the text, which is in lower case, hold what it must hold?
    pub(super) fn may_match(&self, lower: &[u8]) -> bool {
        let holds = |need: &Vec<u8>| memchr::memmem::find(lower, need).is_some();
        self.needs.is_empty() || self.needs.iter().any(holds)
    }

    /// Does it match the text, given as it is and in lower case, or with `negated` not?
    /// It is compiled for that, if need be.
    pub(super) fn is_match(&self, text: &[u8], lower: &[u8], negated: bool) -> bool {
        self.is_match_by(&Kept::default(), text, lower, negated)
    }

    /// The same; what it is compiled to is kept.
    pub(super) fn is_match_by(
        &self,
        kept: &Kept,
        text: &[u8],
        lower: &[u8],
        negated: bool,
    ) -> bool {
        let text = if self.exact { text } else { lower };
        if !self.may_match(lower) {
            return negated;
        }
        // What was read is never too large to be compiled; a test holds that.
        let compiled = kept.get_or_init(|| self.compiled().ok());
        compiled.as_ref().is_some_and(|regex| regex.is_match(text) != negated)
    }

    /// For the `regex` crate.
    ///
    /// # Errors
    /// It is too large.
    pub(super) fn compiled(&self) -> Result<Regex, String> {
        let mut builder = RegexBuilder::new(&self.regex);
        let built = builder.unicode(false).size_limit(SIZE).nest_limit(NESTED).build();
        built.map_err(|_| "takes too much memory".to_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn is_match(expression: &str, text: &str) -> bool {
        let parsed = Expression::parse(expression, false).unwrap();
        let matches = parsed.compiled().unwrap().is_match(&text.to_ascii_lowercase().into_bytes());
        let lower = text.to_ascii_lowercase();
        assert!(!matches || parsed.may_match(lower.as_bytes()), "{expression} {text} {parsed:?}");
        assert_eq!(matches, parsed.is_match(text.as_bytes(), lower.as_bytes(), false));
        assert_eq!(matches, !parsed.is_match(text.as_bytes(), lower.as_bytes(), true));
        matches
    }

    #[test]
    fn what_matches_and_what_does_not() {
        for (expression, yes, no) in [
            (r"\.example\.org$", "a.example.org", "a.example.org.uk"),
            (r"^mail[0-9]+\.", "mail12.x", "mail.x"),
            ("^MX", "mx.example", "amx"),
            ("[A-C]x", "BX", "dx"),
            ("[^a-c]x", "dx", "Bx"), // the class is of both cases before it is turned round
            ("a{2,3}b", "caab", "cab"),
            ("a{,1}b$", "ab", "a"),
            ("a{2}", "aa", "a"),
            ("a{x", "a{x", "aax"), // a brace that is only a brace
            ("a+?b$", "b", "c"),   // for POSIX this is (a+)?
            ("(ab|cd)+e", "cdabe", "ce"),
            ("a|b|c", "xcx", "xdx"),
            ("[]x]", "]", "["),
            ("[^]x]", "a", "]"),
            ("[[:digit:].]$", "a.", "a"),
            ("[[.-.]]", "-", "a"),
            (r"[\.]", r"\", "a"), // in brackets a backslash is itself
            ("[a-]", "-", "b"),
            (r"\<mail\>", "x-mail.y", "xmail"),
            (r"\bdsl", "x.dsl", "adsl"),
            (r"\d\d", "42", "4x"),
            ("(|a)b", "b", "a"),
            ("^$", "", "a"),
            (".", "\n", ""),
            ("é", "é", "e"),
        ] {
            assert!(is_match(expression, yes), "{expression} {yes}");
            assert!(!is_match(expression, no), "{expression} {no}");
        }
        assert!(!Expression::parse("^MX", true).unwrap().is_match(b"mx", b"mx", false));
        assert!(Expression::parse("^MX", true).unwrap().is_match(b"MX", b"mx", false));
    }

    #[test]
    fn what_a_text_must_hold() {
        for (expression, needs) in [
            (r"^mail[0-9]+\.example\.org$", &[".example.org"][..]),
            ("(dhcp|dialup|ppp)[0-9]", &["dhcp", "dialup", "ppp"]),
            ("(abc)+", &["abc"]),
            ("(abc)*x", &["x"]),
            ("abc?d", &["ab"]),
            ("a|[0-9]", &[]),
            ("[Q]rs", &["qrs"]),
            ("[0-9]{5}", &[]),
        ] {
            let parsed = Expression::parse(expression, false).unwrap();
            let shown: Vec<_> = parsed.needs.iter().map(|n| String::from_utf8_lossy(n)).collect();
            assert_eq!(shown, needs, "{expression}");
        }
    }

    #[test]
    fn what_is_no_expression() {
        for (expression, why) in [
            ("", "is empty"),
            ("a)", "without a ("),
            ("(a", "without a )"),
            ("[a", "without a ]"),
            ("[[:x:]]", "unknown [:class:]"),
            ("[[:digit:]", "without a ]"),
            ("[z-a]", "backwards"),
            ("*a", "nothing in front"),
            ("(*a)", "nothing in front"),
            ("a{256}", "more than 255"),
            ("a{3,2}", "backwards"),
            (r"(a)\1", "back-reference"),
            (r"a\q", "unknown escape"),
            (r"a\", "ends in a backslash"),
            ("(?!a)", "look-around"),
            (&"(".repeat(40), "in one another"),
            ("([0-9a-f]{1,255}-){1,255}dyn", "repeats too much"),
            ("a{255}{255}", "repeats too much"),
            ("203+++++", "repeats too much"),
            (&format!("{}x{}", "(".repeat(12), "){2}".repeat(12)), "repeats too much"),
            (&"a".repeat(3000), "longer than"),
        ] {
            let error = Expression::parse(expression, false).unwrap_err();
            assert!(error.contains(why), "{expression}: {error}");
        }
    }

    #[test]
    fn what_is_read_can_be_compiled() {
        let nested = |sign: &str| {
            format!(
                "{}x{}",
                "(".repeat(DEEPEST as usize),
                format!("){sign}").repeat(DEEPEST as usize)
            )
        };
        for expression in [
            "[0-9a-f]{255}{15}".to_owned(),
            "(([^.]{1,63}\\.){1,15}[[:alnum:]_-]){1,3}$".to_owned(),
            "[^a]".repeat(500),
            nested("+*?+"),
            nested("?"),
            nested("|[0-9].*"),
            "(abc|[x-z]+|.){255}".to_owned(),
        ] {
            let parsed = Expression::parse(&expression, false).unwrap();
            assert!(parsed.compiled().is_ok(), "{expression}");
        }
    }
}
