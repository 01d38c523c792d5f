//! The fast path through a record of the usual shape.
//!
//! It accepts or does not decide: whatever is odd is left to serde_json, which alone rejects. So it need not know every
//! corner of JSON, only be right about what it accepts; a property test compares the two. It takes a quarter of
//! serde_json's time, in the largest part of what a record costs.

use std::num::NonZeroUsize;

use super::members::{DEPTH_MAX, Entered, Form, Place, Places};
use super::paths::{Inside, Name, Node, Paths};
use super::structural::StructuralIndex;

/// The members of a pair.
pub(super) const KEY: &[u8] = b"key";
pub(super) const VALUE: &[u8] = b"value";
/// The members that the value of a pair may have instead of being one, as Google Analytics exports them.
pub(super) const VALUES: [&[u8]; 4] = [b"string_value", b"int_value", b"float_value", b"double_value"];

/// Each step begins at an offset, and returns the one behind what it accepts. Offsets are handed on rather than kept
/// here, so that they stay in registers: a record is some fifty texts, each found from the end of the one before.
#[derive(Clone, Copy)]
pub(super) struct Scanner<'a, 's> {
    record: &'a [u8],
    structural: &'s StructuralIndex,
    paths: &'s Paths,
}

/// Where a value ends, and whether it is a text without escapes: both, or neither, in one register.
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

    /// Where the value stands that begins here.
    #[inline]
    fn place(self, from: usize) -> Place {
        Place { from, end: self.offset(), form: if self.is_plain() { Form::Plain } else { Form::Any } }
    }
}

impl<'a, 's> Scanner<'a, 's> {
    /// Over a record and its structural index.
    #[inline]
    pub fn new(record: &'a str, structural: &'s StructuralIndex, paths: &'s Paths) -> Self {
        Scanner { record: record.as_bytes(), structural, paths }
    }

    /// Finds the members of a record that is surely JSON; none where there is doubt, and then the places mean nothing.
    #[inline(never)]
    pub fn record(self, places: &mut Places) -> Option<()> {
        let end = self.members(self.space(0), places)?;
        (self.space(end) == self.record.len()).then_some(())
    }

    /// How many members it has, with those that are not read. It is not asked of every record.
    pub fn count(self) -> Option<usize> {
        let mut count = 0;
        self.object(self.space(0), &mut |_, sign, from| {
            count += 1;
            self.value_of(sign, from, 1)
        })?;
        Some(count)
    }

    /// The same for the object at an offset; returns the offset behind it.
    #[inline]
    pub fn members(self, at: usize, places: &mut Places) -> Option<usize> {
        let node = self.paths.event();
        self.object(at, &mut |name, sign, from| self.member(node, name, sign, from, 1, places))
    }

    /// The value of a member of an object that this node is of.
    #[inline(always)]
    fn member(
        self,
        node: &'s Node,
        name: &[u8],
        sign: u8,
        from: usize,
        level: usize,
        places: &mut Places,
    ) -> Option<End> {
        match node.find(name) {
            None => self.value_of(sign, from, level),
            Some(name) => match &name.inside {
                None => {
                    let end = self.value_of(sign, from, level)?;
                    if let Some(slot) = name.slot {
                        places.set(slot, Some(end.place(from)));
                    }
                    Some(end)
                }
                Some(inside) => self.enter(name, inside, sign, from, level, places),
            },
        }
    }

    /// The value of a member inside of which others are read.
    #[inline(never)]
    fn enter(
        self,
        name: &Name,
        inside: &'s Inside,
        sign: u8,
        from: usize,
        level: usize,
        places: &mut Places,
    ) -> Option<End> {
        places.forget(inside);
        let (end, entered) = match (sign, &inside.object, &inside.pairs) {
            (b'{', Some(ways), _) if level < DEPTH_MAX => {
                let node = self.paths.node(ways);
                let end =
                    self.object(from, &mut |name, sign, from| self.member(node, name, sign, from, level + 1, places))?;
                (End::new(end, false)?, Entered::Object)
            }
            (b'[', _, Some(ways)) if level < DEPTH_MAX => {
                let keys = self.paths.node(ways);
                (self.array(from, &mut |sign, from| self.pair(keys, sign, from, level + 1, places))?, Entered::Pairs)
            }
            _ => (self.value_of(sign, from, level)?, Entered::Not),
        };
        places.leave(name, inside, entered, self.record, end.place(from));
        Some(end)
    }

    /// An element of an array of pairs.
    fn pair(self, keys: &Node, sign: u8, from: usize, level: usize, places: &mut Places) -> Option<End> {
        if sign != b'{' || level >= DEPTH_MAX {
            return self.value_of(sign, from, level);
        }
        let (mut key, mut value) = (None, None);
        let end = self.object(from, &mut |name, sign, from| {
            if name == VALUE && sign == b'{' {
                let (end, place) = self.typed_value(from, level + 1)?;
                value = place;
                return Some(end);
            }
            let end = self.value_of(sign, from, level + 1)?;
            match name {
                KEY => key = Some(end.place(from)),
                VALUE => value = Some(end.place(from)),
                _ => {}
            }
            Some(end)
        })?;
        let slot = match key {
            Some(Place { from, end, form: Form::Plain }) => keys.find(self.record.get(from + 1..end - 1)?),
            // One with escapes.
            Some(Place { from, .. }) if self.record[from] == b'"' => return None,
            _ => None,
        };
        if let Some(slot) = slot.and_then(|key| key.slot) {
            places.set(slot, value);
        }
        End::new(end, false)
    }

    /// The value of a pair that is an object of typed values: the first that is not null.
    fn typed_value(self, from: usize, level: usize) -> Option<(End, Option<Place>)> {
        if level >= DEPTH_MAX {
            return None;
        }
        let mut values = [None; VALUES.len()];
        let end = self.object(from, &mut |name, sign, from| {
            let end = self.value_of(sign, from, level + 1)?;
            if let Some(at) = VALUES.iter().position(|known| *known == name) {
                values[at] = Some(end.place(from)).filter(|_| sign != b'n');
            }
            Some(end)
        })?;
        Some((End::new(end, false)?, values.into_iter().flatten().next()))
    }

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

    /// The next byte that is no space, and the offset behind it. Most producers write no spaces, so it is the expected
    /// one.
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

    /// An object. For each member, `member` gets the name, the first byte of the value and its offset, and returns
    /// where the value ends. Names with escapes are not decided.
    #[inline]
    fn object(self, at: usize, member: &mut impl FnMut(&'a [u8], u8, usize) -> Option<End>) -> Option<usize> {
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
            let (first, after) = self.sign(from, b'"')?;
            let end = member(self.record.get(at..name.offset() - 1)?, first, after - 1)?;
            (sign, at) = self.sign(end.offset(), b',')?;
            match sign {
                b',' => (sign, at) = self.sign(at, b'"')?,
                b'}' => return Some(at),
                _ => return None,
            }
        }
    }

    /// An array. For each element, `element` gets its first byte and its offset, and returns where it ends.
    #[inline]
    fn array(self, at: usize, element: &mut impl FnMut(u8, usize) -> Option<End>) -> Option<End> {
        let (b'[', at) = self.sign(at, b'[')? else { return None };
        let (mut first, mut after) = self.sign(at, b'{')?;
        if first == b']' {
            return End::new(after, false);
        }
        loop {
            let (sign, behind) = self.sign(element(first, after - 1)?.offset(), b',')?;
            match sign {
                b',' => (first, after) = self.sign(behind, b'{')?,
                b']' => return End::new(behind, false),
                _ => return None,
            }
        }
    }

    /// A value with this first byte, inside an object or array of this level, the record being the first.
    #[inline(always)]
    fn value_of(self, sign: u8, from: usize, level: usize) -> Option<End> {
        if sign == b'"' { self.string(from + 1) } else { self.other(from, level) }
    }

    /// A value that is no text.
    #[inline(never)]
    fn other(self, from: usize, level: usize) -> Option<End> {
        let end = match self.byte(from)? {
            b'0'..=b'9' | b'-' => self.number(from),
            b't' => self.literal(from, b"true"),
            b'f' => self.literal(from, b"false"),
            b'n' => self.literal(from, b"null"),
            b'{' if level < DEPTH_MAX => self.object(from, &mut |_, sign, from| self.value_of(sign, from, level + 1)),
            b'[' if level < DEPTH_MAX => {
                return self.array(from, &mut |sign, from| self.value_of(sign, from, level + 1));
            }
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
        let end = self.structural.next(at)?;
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
                b'\\' => at = self.structural.next(self.escape(at + 1)?)?,
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
    use dataflows::model::Way;
    use proptest::prelude::*;

    use super::super::exact;
    use super::super::members::Reader;
    use super::*;

    /// What is read here: members, members of objects on several ways, pairs, and one of which all may be.
    const READ: [(&[&str], Option<&str>); 8] = [
        (&["kind"], None),
        (&["at"], None),
        (&["size"], None),
        (&["in", "at"], None),
        (&["in", "in", "kind"], None),
        (&["in"], Some("k")),
        (&["at"], Some("kind")),
        (&["in", "in"], Some("k")),
    ];

    fn paths() -> Paths {
        let mut paths = Paths::new();
        for (slot, (names, key)) in READ.into_iter().enumerate() {
            let names = names.iter().map(ToString::to_string).collect();
            assert_eq!(paths.add(&Way { names, key: key.map(str::to_owned) }), slot);
        }
        paths
    }

    /// JSON-like bytes, of which a good share is JSON.
    fn value() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,2})?([eE][+-]?[0-9])?",
            "\"([a-zé ]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}|[^\"\\\\\u{0}-\u{1f}]){0,20}\"",
            prop::sample::select(vec![
                "true",
                "false",
                "null",
                "[]",
                "{}",
                "\"\"",
                "[ ]",
                "\"k\"",
                "\"kind\"",
                "\"\\u006b\"",
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
            "[\"\\\\{}\\[\\]:,a0-9\u{1}e.+-]{0,4}",
        ];
        scalar.prop_recursive(4, 24, 4, |value| {
            let pair =
                (value.clone(), value.clone()).prop_map(|(key, value)| format!("{{\"key\":{key},\"value\":{value}}}"));
            prop_oneof![
                4 => object(value.clone()),
                1 => prop::collection::vec(value, 0..3).prop_map(|values| format!("[{}]", values.join(","))),
                2 => prop::collection::vec(pair, 0..3).prop_map(|pairs| format!("[{}]", pairs.join(", "))),
            ]
        })
    }

    fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec![
            "\"kind\"",
            "\"at\"",
            "\"size\"",
            "\"in\"",
            "\"in\"",
            "\"key\"",
            "\"value\"",
            "\"string_value\"",
            "\"int_value\"",
            "\"sick\"",
            "\"si\\u007ae\"",
            "\"x\"",
            "\"\"",
            "x",
        ]);
        let space = prop::sample::select(vec!["", "", "", " ", "\n\t"]);
        let member =
            (space, name, value).prop_map(|(space, name, value)| format!("{space}{name}{space}:{space}{value}{space}"));
        prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(",")))
    }

    /// A record, and perhaps something behind it.
    fn text() -> impl Strategy<Value = String> {
        let behind = prop::sample::select(vec!["", "", "", " ", "}", "x", "\u{a0}"]);
        (object(value()), behind).prop_map(|(record, behind)| record + behind)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16_384, ..ProptestConfig::default() })]

        #[test]
        fn what_it_accepts_serde_json_accepts_too(text in text()) {
            let (paths, mut quick, mut exact) = (paths(), Reader::default(), Reader::default());
            if quick.scan(&text, &paths).is_some() {
                prop_assert_eq!(exact.read_exactly(&text, &paths), Ok(()), "{}", text);
                prop_assert_eq!(quick.count(&text, &paths), exact::count(&text), "{}", text);
                prop_assert_eq!(quick.members(&text).all(), exact.members(&text).all(), "{}", text);
            }
        }
    }

    #[test]
    fn it_accepts_the_usual_record() {
        let record = r#" {"kind":"a\"\u00e9","at":-15,"x":0,"option":[{"a":null}],"size":"ü@x","y":false,"z":true,"n":null,
            "in":{"at":[7],"in":[{"value":{"int_value":null,"double_value":2},"key":"k"},{"key":"l","value":3}]}} "#;
        let (paths, mut reader) = (paths(), Reader::default());
        assert_eq!(reader.scan(record, &paths), Some(()));
        assert_eq!(reader.count(record, &paths), Ok(9));
        let values = reader.members(record).all();
        let none = None::<(&str, bool)>;
        let found = |json| Some((json, false));
        assert_eq!(values[..4], [found(r#""a\"\u00e9""#), found("-15"), found(r#""ü@x""#), found("[7]")]);
        assert!(values[4].is_some_and(|(_, is_blocking)| is_blocking), "in.in is no object");
        assert!(values[5].is_some_and(|(_, is_blocking)| is_blocking), "in is no array");
        assert_eq!(values[6], Some(("-15", true)));
        assert_eq!(values[7], found("2"));
        let last = r#"{"in":{"at":1},"in":null}"#;
        assert_eq!((reader.scan(last, &paths), reader.members(last).all()[3]), (Some(()), none), "the last one holds");
    }
}
