//! Where in a record a value is found.

use std::fmt;

/// The most names on the way to a member.
const NAMES_MAX: usize = 16;

/// A member of a record: the ways to it, of which the first at whose end there is something decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// At least one.
    pub ways: Vec<Way>,
}

/// The way to a member through objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// The names of members, each inside of the one before; at least one.
    pub names: Vec<String>,
    /// At the end is an array of pairs of `key` and `value`: the key of the one that is meant.
    pub key: Option<String>,
}

impl Way {
    /// The way that a file spells: names with dots between them. A name that has dots itself stands in quotes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(spelling: &str, key: Option<&str>) -> Result<Way, String> {
        let wrong = |what: &str| {
            Err(format!("{spelling:?} {what}; take the names of members, like \"url\" or \"context.page.url\""))
        };
        let (mut names, mut rest) = (Vec::new(), spelling);
        loop {
            let (name, behind) = match rest.strip_prefix('"') {
                Some(quoted) => match quoted.split_once('"') {
                    Some(split) => split,
                    None => return wrong("has a quote that does not end"),
                },
                None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            if name.is_empty() || name.contains(char::is_control) {
                return wrong("is no way to a member of a record");
            }
            names.push(name.to_owned());
            match behind.strip_prefix('.') {
                Some(more) => rest = more,
                None if behind.is_empty() => break,
                None => return wrong("has something behind a quoted name"),
            }
        }
        if names.len() > NAMES_MAX {
            return Err(format!("a way through {} members; it may have {NAMES_MAX}", names.len()));
        }
        if key.is_some_and(|key| key.is_empty() || key.contains(char::is_control)) {
            return Err("the key of a pair is expected, like \"page_location\"".into());
        }
        Ok(Way { names, key: key.map(str::to_owned) })
    }

    /// The names, as a file spells them.
    pub fn path(&self) -> String {
        let quote = |name: &String| if name.contains('.') { format!("\"{name}\"") } else { name.clone() };
        self.names.iter().map(quote).collect::<Vec<_>>().join(".")
    }
}

/// As a file spells it.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())?;
        self.key.as_ref().map_or(Ok(()), |key| write!(f, "[{key}]"))
    }
}

/// All ways, the first tried first.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, way) in self.ways.iter().enumerate() {
            write!(f, "{}{way}", if place == 0 { "" } else { " or " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_spelt_as_it_is_parsed() {
        let cases: [(&str, &[&str]); 5] = [
            ("url", &["url"]),
            ("context.page.url", &["context", "page", "url"]),
            ("properties.\"utm.source\".$x y", &["properties", "utm.source", "$x y"]),
            ("\"a.b\"", &["a.b"]),
            ("a\"b", &["a\"b"]),
        ];
        for (spelling, names) in cases {
            let way = Way::parse(spelling, None).expect(spelling);
            assert_eq!(
                (way.names.iter().map(String::as_str).collect::<Vec<_>>(), way.to_string().as_str()),
                (names.to_vec(), spelling)
            );
        }
        for wrong in ["", ".", "a.", ".a", "a..b", "\"a", "\"a\"b", "\"\"", "a\nb"] {
            assert!(Way::parse(wrong, None).is_err(), "{wrong}");
        }
        assert!(Way::parse("a", Some("")).is_err());
        assert!(Way::parse(&["a"; 17].join("."), None).is_err());
    }
}
