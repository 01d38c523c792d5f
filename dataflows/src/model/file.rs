//! A model as its file spells it, before it is checked: TOML, where every value knows its place.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use toml::Spanned;

use super::error::{ModelError, unknown};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub event: Spanned<Event>,
    #[serde(default)]
    pub fields: BTreeMap<Spanned<String>, Field>,
    #[serde(default)]
    pub dimensions: Dimensions,
    #[serde(default)]
    pub report: Vec<Spanned<Report>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub kind: Option<Spanned<Ways>>,
    pub views: Option<Spanned<Vec<Spanned<String>>>>,
    pub local_time: Option<Spanned<Ways>>,
    pub time_stamp: Option<Spanned<Ways>>,
    pub page: Option<Spanned<Ways>>,
    pub id: Option<Spanned<Ways>>,
    pub time_format: Option<Spanned<String>>,
    pub envelope: Option<Spanned<String>>,
    pub array: Option<Spanned<Ways>>,
}

/// The same text in other languages, by their codes.
pub(super) type ByLanguage = BTreeMap<Spanned<String>, Spanned<String>>;

/// The way to a member, or several to try.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected the way to a member, like \"page.url\", or a list of such ways")]
pub(super) enum Ways {
    // Tried first: serde also takes a list of two texts for a pair.
    Several(Vec<Way>),
    One(Way),
}

/// Names with dots between them, or in an array of pairs the pair with a key.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Way {
    Names(String),
    Pair(Pair),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    pub path: String,
    pub key: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Field {
    pub path: Spanned<Ways>,
    pub key: Option<Spanned<String>>,
    pub kind: Spanned<String>,
    pub parameter: Option<Spanned<String>>,
    pub lower: Option<Spanned<bool>>,
    pub or: Option<Spanned<String>>,
    pub label: Option<Spanned<String>>,
    #[serde(default)]
    pub labels: ByLanguage,
    pub about: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dimensions {
    pub product: Option<Spanned<Product>>,
    pub store: Option<Spanned<Store>>,
    pub referrer: Option<Spanned<Referrer>>,
    pub browser_os: Option<Spanned<BrowserOs>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Product {
    pub id: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub id: Spanned<String>,
    pub country: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Referrer {
    pub url: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BrowserOs {
    pub browser: Spanned<String>,
    pub os: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    pub name: Option<Spanned<String>>,
    pub title: Option<Spanned<String>>,
    #[serde(default)]
    pub titles: ByLanguage,
    pub about: Option<Spanned<String>>,
    pub table: Spanned<String>,
    pub by: Option<Spanned<Vec<Spanned<String>>>>,
    pub top: Option<Spanned<Top>>,
    pub limit: Option<Spanned<i64>>,
    pub days: Option<Spanned<String>>,
    pub daily: Option<Spanned<String>>,
    pub retain: Option<Spanned<String>>,
    #[serde(default, rename = "where")]
    pub filter: BTreeMap<Spanned<String>, Spanned<Values>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Top {
    pub count: Spanned<i64>,
    pub of: Spanned<String>,
    pub by: Spanned<Vec<Spanned<String>>>,
}

/// One value or several.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text, a whole number, true or false, or a list of them")]
pub(super) enum Values {
    One(Value),
    Several(Vec<Value>),
}

/// A value as the decoder's fields have it: a text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Value {
    Text(String),
    Whole(i64),
    Boolean(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Whole(number) => number.fmt(f),
            Value::Boolean(value) => value.fmt(f),
        }
    }
}

impl Values {
    /// All of them, as texts.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Values::One(value) => vec![value.to_string()],
            Values::Several(values) => values.iter().map(Value::to_string).collect(),
        }
    }
}

/// The file of this text.
pub(super) fn parse(text: &str, file: &str) -> Result<File, ModelError> {
    toml::from_str(text).map_err(|error| {
        let what = said(error.message());
        ModelError::at(file, text, error.span().unwrap_or(0..0), what)
    })
}

/// What serde says of a key, as this file says it: ``unknown field `tabel`, expected one of `name`, `table` `` and
/// ``missing field `table` ``.
fn said(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let first = quoted.next().unwrap_or_default();
    if message.starts_with("unknown field") {
        unknown("key", first, quoted)
    } else if message.starts_with("missing field") {
        format!("the key \"{first}\" is missing; add it")
    } else {
        message.trim_end().replace('\n', "; ")
    }
}
