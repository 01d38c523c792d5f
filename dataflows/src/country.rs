//! Countries.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A country: its ISO 3166-1 alpha-2 code in capitals, `EU`, or `ZZ` where it is not known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Country([u8; 2]);

impl Country {
    /// `ZZ`, which ISO 3166-1 leaves to its users.
    pub const UNKNOWN: Country = Country(*b"ZZ");

    /// The country of a code of two capital letters; none for anything else.
    pub fn new(code: &str) -> Option<Country> {
        Country::from_code(code.as_bytes().try_into().ok()?)
    }

    /// The country of these two capital letters; none for anything else.
    pub fn from_code(code: [u8; 2]) -> Option<Country> {
        code.iter().all(u8::is_ascii_uppercase).then_some(Country(code))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("ZZ")
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
