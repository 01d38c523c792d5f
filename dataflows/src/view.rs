//! The counted event, and what its parts are.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{SharedStr, Text};

/// One counted view, reduced to what the reports use. Texts borrow from the record where they can.
#[derive(Clone, Debug, PartialEq)]
pub struct View<'a> {
    /// The day of the event.
    pub day: Day,
    /// Its hour, 0 to 23.
    pub hour: u8,
    /// The product seen, if any.
    pub product_id: Option<Text<Cow<'a, str>>>,
    /// The shop, if known.
    pub store_id: Option<Text<Cow<'a, str>>>,
    /// Where the visitor came from; none for direct traffic.
    pub referrer_url: Option<Text<Cow<'a, str>>>,
    /// The page seen, as the record spells it; it may be no URL at all.
    pub current_url: Option<Cow<'a, str>>,
    /// The country of the shop's domain.
    pub country: Country,
    /// What the visitor looked with.
    pub browser_os: BrowserOs<&'a str>,
}

/// A day, as the number of days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(pub i32);

/// A country: its ISO 3166-1 alpha-2 code in capitals, `EU`, or `ZZ` where it is not known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Country([u8; 2]);

impl Country {
    /// `ZZ`, which ISO 3166-1 leaves to its users.
    pub const UNKNOWN: Country = Country(*b"ZZ");

    /// The country of a code of two capital letters; none for anything else.
    pub fn new(code: &str) -> Option<Country> {
        Country::of(code.as_bytes().try_into().ok()?)
    }

    /// The country of these two capital letters; none for anything else.
    pub fn of(code: [u8; 2]) -> Option<Country> {
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

/// A browser and an operating system, kept as one text to keep the key that holds them small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BrowserOs<S = SharedStr>(S);

/// ASCII's unit separator: it parts browser from operating system, and stands in neither.
const SEPARATOR: char = '\u{1f}';

impl<S: From<String>> BrowserOs<S> {
    /// Joins the two names.
    pub fn new(browser: &str, os: &str) -> Self {
        BrowserOs(S::from(format!("{browser}{SEPARATOR}{os}")))
    }
}

impl<S: AsRef<str>> BrowserOs<S> {
    /// The same pair, borrowed.
    pub fn borrowed(&self) -> BrowserOs<&str> {
        BrowserOs(self.0.as_ref())
    }

    /// The browser's name and the operating system's.
    pub fn names(&self) -> (&str, &str) {
        split(self.0.as_ref())
    }
}

fn split(text: &str) -> (&str, &str) {
    text.split_once(SEPARATOR).unwrap_or((text, ""))
}
