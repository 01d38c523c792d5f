//! The quick way through a record of the usual shape.
//!
//! It accepts or has no opinion: whatever is odd is left to serde_json, which alone rejects. So it need not know every
//! corner of JSON, only be right about what it accepts; a property test holds the two against each other. It takes a
//! third of serde_json's time, in the largest part of what a record costs.

use super::members::{MAX_DEPTH, Member, Members};
use super::special::Special;

/// Finds the members of a record that is surely JSON if it is UTF-8; none where there is doubt. `special` is of this
/// record.
pub(super) fn scan<'a>(record: &'a [u8], special: &Special) -> Option<Members<'a>> {
    let scanner = Scanner { record, special };
    let mut members = Members::default();
    let end = scanner.object(scanner.space(0), 1, &mut |name, value| {
        if let Some(member) = Member::of(name) {
            members.set(member, value);
        }
    })?;
    (scanner.space(end) == record.len()).then_some(members)
}

/// Each step begins at an offset, and gives the one behind what it accepts. Offsets are handed on rather than kept here,
/// so that they stay in registers: a record is some fifty texts, each found from the end of the one before.
#[derive(Clone, Copy)]
struct Scanner<'a, 's> {
    record: &'a [u8],
    special: &'s Special,
}

impl<'a> Scanner<'a, '_> {
    fn byte(self, at: usize) -> Option<u8> {
        self.record.get(at).copied()
    }

    fn expect(self, at: usize, byte: u8) -> Option<usize> {
        (self.byte(at)? == byte).then_some(at + 1)
    }

    fn space(self, mut at: usize) -> usize {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte(at) {
            at += 1;
        }
        at
    }

    /// An object at this level, the record being the first; gives its members' names and values as they are spelt.
    #[inline]
    fn object(self, at: usize, level: usize, member: &mut impl FnMut(&'a [u8], &'a [u8])) -> Option<usize> {
        let mut at = self.space(self.expect(at, b'{')?);
        if let Some(end) = self.expect(at, b'}') {
            return Some(end);
        }
        loop {
            let name_end = self.string(at)?;
            let name = &self.record[at..name_end];
            at = self.space(self.expect(self.space(name_end), b':')?);
            let value_end = self.value(at, level)?;
            member(name, &self.record[at..value_end]);
            at = self.space(value_end);
            match self.byte(at)? {
                b',' => at = self.space(at + 1),
                b'}' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    fn array(self, at: usize, level: usize) -> Option<usize> {
        let mut at = self.space(self.expect(at, b'[')?);
        if let Some(end) = self.expect(at, b']') {
            return Some(end);
        }
        loop {
            at = self.space(self.value(at, level)?);
            match self.byte(at)? {
                b',' => at = self.space(at + 1),
                b']' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// A value inside an object or array of this level.
    #[inline]
    fn value(self, at: usize, level: usize) -> Option<usize> {
        match self.byte(at)? {
            b'"' => self.string(at),
            b'0'..=b'9' | b'-' => self.number(at),
            b't' => self.literal(at, b"true"),
            b'f' => self.literal(at, b"false"),
            b'n' => self.literal(at, b"null"),
            _ => self.nested(at, level),
        }
    }

    #[inline(never)]
    fn nested(self, at: usize, level: usize) -> Option<usize> {
        match self.byte(at)? {
            b'{' if level < MAX_DEPTH => self.object(at, level + 1, &mut |_, _| {}),
            b'[' if level < MAX_DEPTH => self.array(at, level + 1),
            _ => None,
        }
    }

    fn literal(self, at: usize, word: &[u8]) -> Option<usize> {
        self.record[at..].starts_with(word).then_some(at + word.len())
    }

    /// Whole numbers; others are rare.
    fn number(self, at: usize) -> Option<usize> {
        let first = at + usize::from(self.byte(at)? == b'-');
        let digits = self.record[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let leading_zero = digits > 1 && self.record[first] == b'0';
        let whole = !matches!(self.byte(first + digits), Some(b'.' | b'e' | b'E'));
        (digits > 0 && !leading_zero && whole).then_some(first + digits)
    }

    #[inline]
    fn string(self, at: usize) -> Option<usize> {
        let mut at = self.expect(at, b'"')?;
        loop {
            at = self.special.next(at)?;
            match self.record[at] {
                b'"' => return Some(at + 1),
                b'\\' => at = self.escape(at + 1)?,
                _ => return None,
            }
        }
    }

    #[inline(never)]
    fn escape(self, at: usize) -> Option<usize> {
        match self.byte(at)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
            b'u' => {
                let digits = self.record.get(at + 1..at + 5)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 5)
            }
            _ => None,
        }
    }
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
            let mut special = Special::default();
            special.look(text.as_bytes());
            if let Some(members) = scan(text.as_bytes(), &special) {
                prop_assert_eq!(Some(members), exact, "{}", text);
            }
        }
    }

    #[test]
    fn it_accepts_the_usual_record() {
        let record = r#" {"collection":"a\"\u00e9","time_stamp":-15,"x":0,"option":[{"a":null}],"email":"ü@x","y":false,"z":true,"n":null} "#;
        let mut special = Special::default();
        special.look(record.as_bytes());
        let members = scan(record.as_bytes(), &special).expect("the usual record");
        assert_eq!(members.get(Member::Collection), Some(r#""a\"\u00e9""#));
        assert_eq!(members.get(Member::TimeStamp), Some("-15"));
        assert_eq!(Some(members), Members::parse_exactly(record).ok());
    }
}
