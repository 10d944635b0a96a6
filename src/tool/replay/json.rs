//! Takes apart the lines of a log in the style `json`: one object a line, whose values
//! are texts, numbers and null. Text from outside has an octet in each character.

use memchr::memmem;

/// How such a line begins, behind whatever syslogd puts in front.
pub(super) const START: &[u8] = b"{\"v\":";

/// Who gets keys and their values.
type Each<'a> = dyn FnMut(&[u8], Option<&[u8]>) + 'a;

/// Hands on each key and value in their order, a value of null as `None`. False: it is no
/// such line, or not a whole one.
pub(super) fn fields(line: &[u8], each: &mut Each<'_>) -> bool {
    let Some(start) = memmem::find(line, START) else { return false };
    let mut rest = Rest(line.get(start + 1..).unwrap_or_default());
    rest.object(each).is_some()
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn object(&mut self, each: &mut Each<'_>) -> Option<()> {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        loop {
            self.skip_space();
            self.text(&mut key)?;
            self.skip_space();
            (self.next()? == b':').then_some(())?;
            self.skip_space();
            match self.0.first()? {
                b'"' => {
                    self.text(&mut value)?;
                    each(&key, Some(&value));
                }
                _ => {
                    let word = self.word();
                    each(&key, (word != b"null").then_some(word));
                }
            }
            self.skip_space();
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    /// A number, or a word that JSON has.
    fn word(&mut self) -> &[u8] {
        let end = self.0.iter().position(|b| b", }\t".contains(b)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at_checked(end).unwrap_or((self.0, b""));
        self.0 = rest;
        word
    }

    fn text(&mut self, out: &mut Vec<u8>) -> Option<()> {
        out.clear();
        (self.next()? == b'"').then_some(())?;
        loop {
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'u' => {
                        let (digits, rest) = self.0.split_at_checked(4)?;
                        let digits = std::str::from_utf8(digits).ok()?;
                        let number = u32::from_str_radix(digits, 16).ok()?;
                        self.0 = rest;
                        match u8::try_from(number) {
                            Ok(octet) => out.push(octet),
                            // None of ours.
                            Err(_) => out.push(b'?'),
                        }
                    }
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b't' => out.push(b'\t'),
                    b'b' => out.push(8),
                    b'f' => out.push(12),
                    octet => out.push(octet),
                },
                octet => out.push(octet),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[u8]) -> (bool, Vec<Option<Vec<u8>>>) {
        let mut seen = Vec::new();
        let whole = fields(line, &mut |_, value| seen.push(value.map(<[u8]>::to_vec)));
        (whole, seen)
    }

    #[test]
    fn values_are_texts_numbers_and_null() {
        let line = br#"Nov 1 host x[1]: {"v":1,"sid":"a.b","code":450,"would":null,"t":0.010,"helo":"a\"\\\u00e9\u0000 b"}"#;
        let (whole, seen) = read(line);
        assert!(whole);
        let values: Vec<_> = seen.iter().map(Option::as_deref).collect();
        let helo = &b"a\"\\\xe9\0 b"[..];
        assert_eq!(
            values,
            [Some(&b"1"[..]), Some(b"a.b"), Some(b"450"), None, Some(b"0.010"), Some(helo)]
        );
    }

    #[test]
    fn what_is_cut_or_odd_is_not_whole() {
        let line = br#"{"v":1,"helo":"a\u00e9"}"#;
        for end in 0..line.len() {
            assert!(!read(line.get(..end).unwrap_or_default()).0, "{end}");
        }
        for odd in [&b"{\"v\":1,}"[..], b"{\"v\":1,\"a\"1}", b"{\"v\":1,\"a\":\"\\uzzzz\"}", b"x"] {
            assert!(!read(odd).0, "{}", odd.escape_ascii());
        }
    }
}
