//! The set of collections that are counted.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Which collections are views. Parsed from `all`, in any case of letters, or from names separated by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collections {
    /// Every record that has a collection.
    All,
    /// These.
    Named(BTreeSet<String>),
}

impl Collections {
    /// Those that a model names; it has checked the names.
    pub fn new(names: &[String]) -> Collections {
        match names {
            [name] if name.eq_ignore_ascii_case("all") => Collections::All,
            names => Collections::Named(names.iter().cloned().collect()),
        }
    }

    /// Whether records of this collection are counted.
    pub fn contain(&self, collection: &str) -> bool {
        match self {
            Collections::All => true,
            Collections::Named(names) => names.contains(collection),
        }
    }
}

impl FromStr for Collections {
    type Err = &'static str;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let is_all = |name: &str| name.eq_ignore_ascii_case("all");
        if is_all(list.trim()) {
            return Ok(Collections::All);
        }
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names: BTreeSet<_> = names.map(str::to_owned).collect();
        if names.iter().any(|name| is_all(name)) {
            return Err("all stands alone: it takes every collection");
        }
        if names.is_empty() { Err("name at least one collection, or all") } else { Ok(Collections::Named(names)) }
    }
}

/// As it is parsed, in one spelling for one set.
impl fmt::Display for Collections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Collections::All => f.write_str("all"),
            Collections::Named(names) => f.write_str(&names.iter().map(String::as_str).collect::<Vec<_>>().join(",")),
        }
    }
}
