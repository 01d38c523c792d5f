//! A strict JSON reader after RFC 8259, slow and plain, so that the oracle owes nothing to the crates Freshet reads with.
//!
//! Numbers stay text, because `1e999` is valid JSON and no double. A text with a lone surrogate is JSON too, but no
//! Unicode: it is kept apart, for the contract to judge.

/// How deep values may nest, the outermost being level 1.
const LEVELS: usize = 127;

#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    LoneSurrogate,
    Array,
    /// The members in their order; of repeated ones all.
    Object(Vec<(Option<String>, Json)>),
}

impl Json {
    /// The one value in `text`, white space around it allowed; nothing if it is not JSON or nested too deep.
    pub fn parse(text: &str) -> Option<Json> {
        let mut reader = Reader { rest: text };
        let value = reader.value(1)?;
        reader.white_space();
        reader.rest.is_empty().then_some(value)
    }

    /// What Kafka Connect puts beside a schema, in an object of these two members.
    pub fn in_payload(&self) -> Option<&Json> {
        let Json::Object(members) = self else { return None };
        let (_, payload) = (self.member("schema")?, self.member("payload")?);
        (members.len() == 2 && matches!(payload, Json::Object(_))).then_some(payload)
    }

    /// The member of that name; of repeated ones the last.
    pub fn member(&self, name: &str) -> Option<&Json> {
        let Json::Object(members) = self else { return None };
        members.iter().rev().find(|(key, _)| key.as_deref() == Some(name)).map(|(_, value)| value)
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn value(&mut self, level: usize) -> Option<Json> {
        self.white_space();
        match self.rest.chars().next()? {
            '{' | '[' if level > LEVELS => None,
            '{' => self.object(level),
            '[' => self.array(level),
            '"' => Some(self.text()?.map_or(Json::LoneSurrogate, Json::Text)),
            '-' | '0'..='9' => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, level: usize) -> Option<Json> {
        let mut members = Vec::new();
        self.expect('{')?;
        self.white_space();
        if self.take('}') {
            return Some(Json::Object(members));
        }
        loop {
            self.white_space();
            let name = self.text()?;
            self.white_space();
            self.expect(':')?;
            members.push((name, self.value(level + 1)?));
            self.white_space();
            if self.take('}') {
                return Some(Json::Object(members));
            }
            self.expect(',')?;
        }
    }

    fn array(&mut self, level: usize) -> Option<Json> {
        self.expect('[')?;
        self.white_space();
        if self.take(']') {
            return Some(Json::Array);
        }
        loop {
            self.value(level + 1)?;
            self.white_space();
            if self.take(']') {
                return Some(Json::Array);
            }
            self.expect(',')?;
        }
    }

    fn word(&mut self) -> Option<Json> {
        let words = [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))];
        let (word, value) = words.into_iter().find(|(word, _)| self.rest.starts_with(word))?;
        self.rest = &self.rest[word.len()..];
        Some(value)
    }

    fn number(&mut self) -> Option<Json> {
        let start = self.rest;
        self.take('-');
        if !self.take('0') {
            self.digits()?;
        }
        if self.take('.') {
            self.digits()?;
        }
        if self.take('e') || self.take('E') {
            let _ = self.take('+') || self.take('-');
            self.digits()?;
        }
        Some(Json::Number(start[..start.len() - self.rest.len()].to_owned()))
    }

    fn digits(&mut self) -> Option<()> {
        let trimmed = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let some = trimmed.len() < self.rest.len();
        self.rest = trimmed;
        some.then_some(())
    }

    /// A text: nothing if it is no JSON, `Some(None)` if it is JSON with a lone surrogate.
    fn text(&mut self) -> Option<Option<String>> {
        self.expect('"')?;
        let plain = &self.rest[..self.rest.find('"')?];
        if plain.contains('\\') {
            return self.escaped_text();
        }
        if plain.bytes().any(|byte| byte < b' ') {
            return None;
        }
        self.rest = &self.rest[plain.len() + 1..];
        Some(Some(plain.to_owned()))
    }

    /// The rest of a text, unit by unit, for only here can surrogates meet.
    fn escaped_text(&mut self) -> Option<Option<String>> {
        let mut units: Vec<u16> = Vec::new();
        loop {
            match self.next()? {
                '"' => return Some(String::from_utf16(&units).ok()),
                '\\' => units.push(self.escape()?),
                control if control < ' ' => return None,
                plain => units.extend_from_slice(plain.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let unit = match self.next()? {
            'b' => 0x8,
            'f' => 0xC,
            'n' => 0xA,
            'r' => 0xD,
            't' => 0x9,
            same @ ('"' | '\\' | '/') => same as u16,
            'u' => {
                let digits = self.rest.get(..4).filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
                self.rest = &self.rest[4..];
                u16::from_str_radix(digits, 16).ok()?
            }
            _ => return None,
        };
        Some(unit)
    }

    fn white_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.rest.starts_with(wanted);
        if there {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        there
    }

    fn expect(&mut self, wanted: char) -> Option<()> {
        self.take(wanted).then_some(())
    }
}
