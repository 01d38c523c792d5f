//! The quick way through a record of the usual shape.
//!
//! It accepts or has no opinion: whatever is odd is left to serde_json, which alone rejects. So it need not know every
//! corner of JSON, only be right about what it accepts; a property test holds the two against each other. It halves
//! the time of decoding, the largest part of what a record costs.

use serde::de::IgnoredAny;

use super::members::{Member, Members};

/// A byte in all eight places of a word.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Finds the members of a record that is surely JSON; none where there is doubt.
pub(super) fn scan(text: &str) -> Option<Members<'_>> {
    let mut scanner = Scanner { text, at: 0 };
    let mut members = Members::default();
    scanner.space();
    scanner.expect(b'{')?;
    loop {
        scanner.space();
        let name = scanner.slice(Scanner::string)?;
        scanner.space();
        scanner.expect(b':')?;
        scanner.space();
        let value = scanner.slice(Scanner::value)?;
        if let Some(member) = Member::of(name) {
            members.set(member, value);
        }
        scanner.space();
        match scanner.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    scanner.space();
    (scanner.at == text.len()).then_some(members)
}

/// Each step moves on behind what it accepts, or gives none.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// The text of what one step accepts.
    fn slice(&mut self, step: impl FnOnce(&mut Self) -> Option<()>) -> Option<&'a str> {
        let from = self.at;
        step(self)?;
        Some(&self.text[from..self.at])
    }

    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b'{' | b'[' => self.nested(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.number(),
        }
    }

    fn literal(&mut self, word: &str) -> Option<()> {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        found.then_some(())
    }

    /// Whole numbers; others are rare.
    fn number(&mut self) -> Option<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first = self.next().filter(u8::is_ascii_digit)?;
        let digits = self.text.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        let whole = !matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        (whole && (first != b'0' || digits == 0)).then_some(())
    }

    /// Objects and arrays inside the record are passed over by serde_json.
    fn nested(&mut self) -> Option<()> {
        let mut values = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        self.expect(b'"')?;
        loop {
            self.at += plain(&self.text.as_bytes()[self.at..]);
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => (0..4).try_for_each(|_| self.next().filter(u8::is_ascii_hexdigit).map(drop)),
            _ => None,
        }
    }
}

/// How many bytes come before the first quote, backslash or control character. Eight at a time: a byte `b` of `x`
/// is below `n` where `(x - n) & !x` has its highest bit set, at least for the first such byte (S. E. Anderson,
/// Bit Twiddling Hacks, "Determine if a word has a byte less than n").
fn plain(bytes: &[u8]) -> usize {
    let mut words = bytes.chunks_exact(8);
    for (index, word) in words.by_ref().enumerate() {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        let below = |word: u64, n: u8| word.wrapping_sub(each(n)) & !word;
        let special = below(word, 0x20) | below(word ^ each(b'"'), 1) | below(word ^ each(b'\\'), 1);
        let special = special & each(0x80);
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let rest = words.remainder();
    let special = rest.iter().position(|byte| matches!(byte, ..0x20 | b'"' | b'\\'));
    bytes.len() - rest.len() + special.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// JSON-like bytes around a record, so that a good share of them is JSON.
    fn text() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,2})?([eE][+-]?[0-9])?",
            "\"([a-zé ]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}|[^\"\\\\\u{0}-\u{1f}]){0,20}\"",
            prop::sample::select(vec![
                "true",
                "false",
                "null",
                "[]",
                "{}",
                "[1,{\"a\":[]}]",
                "tru",
                "01",
                "-",
                "\"\n\"",
                "[1,]",
                "1.",
                ""
            ])
            .prop_map(String::from),
            "[\"\\\\{}\\[\\]:,a0-9\u{1}e.+-]{0,6}",
        ];
        let name = prop::sample::select(vec![
            "\"collection\"",
            "\"local_time\"",
            "\"product_id\"",
            "\"user_id_db\"",
            "\"collecti\\u006fn\"",
            "\"x\"",
            "\"\"",
            "x",
        ]);
        let space = prop::sample::select(vec!["", "", "", " ", "\n\t", "\u{a0}"]);
        let member =
            (space, name, value).prop_map(|(space, name, value)| format!("{space}{name}{space}:{space}{value}{space}"));
        (prop::collection::vec(member, 0..5), prop::sample::select(vec!["", "", "", " ", "}", "x"]))
            .prop_map(|(members, end)| format!("{{{}}}{end}", members.join(",")))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 8192, ..ProptestConfig::default() })]

        #[test]
        fn what_it_accepts_serde_json_accepts_too(text in text()) {
            let exact = Members::parse_exactly(&text).ok();
            if let Some(members) = scan(&text) {
                prop_assert_eq!(Some(members), exact, "{}", text);
            }
        }
    }

    #[test]
    fn it_accepts_the_usual_record() {
        let record = r#" {"collection":"a\"\u00e9","time_stamp":-15,"x":0,"option":[{"a":null}],"email":"ü@x","y":false,"z":true,"n":null} "#;
        let members = scan(record).expect("the usual record");
        assert_eq!(members.get(Member::Collection), Some(r#""a\"\u00e9""#));
        assert_eq!(members.get(Member::TimeStamp), Some("-15"));
        assert_eq!(Some(members), Members::parse_exactly(record).ok());
    }
}
