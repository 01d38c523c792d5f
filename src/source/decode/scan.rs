//! The quick way through a record of the usual shape.
//!
//! It accepts or has no opinion: whatever is odd is left to serde_json, which alone rejects. So it need not know every
//! corner of JSON, only be right about what it accepts; a property test holds the two against each other. It takes a
//! quarter of serde_json's time, in the largest part of what a record costs.

use std::num::NonZeroUsize;

use super::members::{MAX_DEPTH, Place};
use super::paths::Paths;
use super::special::Special;

/// Finds the members of a record that is surely JSON, and puts their places into their slots; none where there is doubt, and
/// then the slots hold anything. `special` is of this record.
pub(super) fn scan(record: &str, special: &Special, paths: &Paths, places: &mut [Option<Place>]) -> Option<()> {
    let scanner = Scanner { record: record.as_bytes(), special };
    let end = scanner.object(scanner.space(0), 1, &mut |name, place| {
        if let Some(place_of) = paths.slot(name).and_then(|slot| places.get_mut(slot)) {
            *place_of = Some(place);
        }
    })?;
    (scanner.space(end) == record.len()).then_some(())
}

/// Each step begins at an offset, and gives the one behind what it accepts. Offsets are handed on rather than kept here,
/// so that they stay in registers: a record is some fifty texts, each found from the end of the one before.
#[derive(Clone, Copy)]
struct Scanner<'a, 's> {
    record: &'a [u8],
    special: &'s Special,
}

/// Where a value ends, and whether it is a text without escapes: together, and none of them too, in one register.
#[derive(Clone, Copy)]
struct End(NonZeroUsize);

impl End {
    #[inline]
    fn new(offset: usize, is_plain: bool) -> Option<End> {
        NonZeroUsize::new(offset << 1 | usize::from(is_plain)).map(End)
    }

    #[inline]
    fn offset(self) -> usize {
        self.0.get() >> 1
    }

    #[inline]
    fn is_plain(self) -> bool {
        self.0.get() & 1 == 1
    }
}

impl<'a> Scanner<'a, '_> {
    #[inline]
    fn byte(self, at: usize) -> Option<u8> {
        self.record.get(at).copied()
    }

    fn space(self, mut at: usize) -> usize {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte(at) {
            at += 1;
        }
        at
    }

    /// The next byte that is no space, and the offset behind it. Most producers write none, so that it is the expected one.
    #[inline]
    fn sign(self, at: usize, expected: u8) -> Option<(u8, usize)> {
        match self.byte(at)? {
            byte if byte == expected => Some((byte, at + 1)),
            b' ' | b'\t' | b'\n' | b'\r' => {
                let at = self.space(at);
                Some((self.byte(at)?, at + 1))
            }
            byte => Some((byte, at + 1)),
        }
    }

    /// An object at this level, the record being the first; gives its members' names and the places of their values, but for
    /// names with escapes: of these it has no opinion.
    #[inline]
    fn object(self, at: usize, level: usize, member: &mut impl FnMut(&'a [u8], Place)) -> Option<usize> {
        let (b'{', at) = self.sign(at, b'{')? else { return None };
        let (mut sign, mut at) = self.sign(at, b'"')?;
        if sign == b'}' {
            return Some(at);
        }
        loop {
            let name = if sign == b'"' { self.string(at)? } else { return None };
            if !name.is_plain() {
                return None;
            }
            let (b':', from) = self.sign(name.offset(), b':')? else { return None };
            let (sign_of_value, after) = self.sign(from, b'"')?;
            let end = if sign_of_value == b'"' { self.string(after)? } else { self.other(after - 1, level)? };
            let place = Place { from: after - 1, end: end.offset(), is_plain: end.is_plain() };
            member(self.record.get(at..name.offset() - 1)?, place);
            (sign, at) = self.sign(end.offset(), b',')?;
            match sign {
                b',' => (sign, at) = self.sign(at, b'"')?,
                b'}' => return Some(at),
                _ => return None,
            }
        }
    }

    fn array(self, at: usize, level: usize) -> Option<usize> {
        let (b'[', at) = self.sign(at, b'[')? else { return None };
        if let (b']', end) = self.sign(at, b'{')? {
            return Some(end);
        }
        let mut at = at;
        loop {
            let (sign, after) = self.sign(self.value(at, level)?.offset(), b',')?;
            match sign {
                b',' => at = after,
                b']' => return Some(after),
                _ => return None,
            }
        }
    }

    /// A value inside an object or array of this level.
    #[inline]
    fn value(self, at: usize, level: usize) -> Option<End> {
        let (sign, after) = self.sign(at, b'"')?;
        if sign == b'"' { self.string(after) } else { self.other(after - 1, level) }
    }

    /// A value that is no text.
    #[inline(never)]
    fn other(self, from: usize, level: usize) -> Option<End> {
        let end = match self.byte(from)? {
            b'0'..=b'9' | b'-' => self.number(from),
            b't' => self.literal(from, b"true"),
            b'f' => self.literal(from, b"false"),
            b'n' => self.literal(from, b"null"),
            b'{' if level < MAX_DEPTH => self.object(from, level + 1, &mut |_, _| {}),
            b'[' if level < MAX_DEPTH => self.array(from, level + 1),
            _ => None,
        }?;
        End::new(end, false)
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

    /// A text, from behind its first quote.
    #[inline]
    fn string(self, at: usize) -> Option<End> {
        let end = self.special.next(at)?;
        match self.byte(end)? {
            b'"' => End::new(end + 1, true),
            b'\\' => self.escaped(end),
            _ => None,
        }
    }

    /// The same, with an escape at `at`.
    #[inline(never)]
    fn escaped(self, mut at: usize) -> Option<End> {
        loop {
            match self.record[at] {
                b'"' => return End::new(at + 1, false),
                b'\\' => at = self.special.next(self.escape(at + 1)?)?,
                _ => return None,
            }
        }
    }

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
    use super::super::Scalar;
    use super::super::members::{Members, Reader, Value};
    use super::*;
    use proptest::prelude::*;

    /// What is read here.
    const READ: [&str; 3] = ["kind", "at", "size"];

    fn paths() -> Paths {
        let mut paths = Paths::new();
        let slots = READ.map(|name| paths.add(name));
        assert_eq!(slots, [0, 1, 2]);
        paths
    }

    /// The values, by their slots.
    fn values<'a>(members: &Members<'a, '_>) -> Vec<Option<Value<'a>>> {
        (0..READ.len()).map(|slot| members.get(slot)).collect()
    }

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
            "\"kind\"",
            "\"at\"",
            "\"size\"",
            "\"sick\"",
            "\"si\\u007ae\"",
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
            let (paths, mut quick, mut exact) = (paths(), Reader::default(), Reader::default());
            if let Some(members) = quick.scan(&text, &paths) {
                let exact = exact.read_exactly(&text, &paths).map_err(|reason| TestCaseError::fail(format!("{reason}: {text}")))?;
                for (value, exact) in values(&members).into_iter().zip(values(&exact)) {
                    prop_assert_eq!(Scalar::of(value), Scalar::of(exact), "{}", text);
                    prop_assert_eq!(value.map(|value| value.json), exact.map(|value| value.json), "{}", text);
                }
            }
        }
    }

    #[test]
    fn it_accepts_the_usual_record() {
        let record =
            r#" {"kind":"a\"\u00e9","at":-15,"x":0,"option":[{"a":null}],"size":"ü@x","y":false,"z":true,"n":null} "#;
        let mut reader = Reader::default();
        let members = reader.scan(record, &paths()).expect("the usual record");
        let spellings: Vec<_> = values(&members).into_iter().map(|value| value.map(|value| value.json)).collect();
        assert_eq!(spellings, [Some(r#""a\"\u00e9""#), Some("-15"), Some(r#""ü@x""#)]);
    }
}
