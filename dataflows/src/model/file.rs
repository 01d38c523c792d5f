//! A model as its file spells it, before it is checked: TOML, where every value knows its place.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

/// What is wrong in a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelError {
    file: String,
    /// Line and column, from 1; none if the file cannot be read.
    at: Option<(usize, usize)>,
    what: String,
}

impl ModelError {
    /// What is wrong with this stretch of a text.
    pub(super) fn at(file: &str, text: &str, span: Range<usize>, what: impl Into<String>) -> ModelError {
        let before = &text[..span.start.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        ModelError { file: file.into(), at: Some((line, column)), what: what.into() }
    }

    pub(super) fn unreadable(file: &str, error: &std::io::Error) -> ModelError {
        ModelError { file: file.into(), at: None, what: format!("cannot be read: {error}") }
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl std::error::Error for ModelError {}

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub event: Event,
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
    pub kind: Spanned<String>,
    pub views: Spanned<Vec<String>>,
    pub local_time: Option<Spanned<String>>,
    pub time_stamp: Option<Spanned<String>>,
    pub page: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Field {
    pub path: Spanned<String>,
    pub kind: Spanned<String>,
    pub parameter: Option<Spanned<String>>,
    pub label: Option<Spanned<String>>,
    pub about: Option<String>,
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
    pub title: Option<String>,
    pub about: Option<String>,
    pub table: Spanned<String>,
    pub by: Option<Spanned<Vec<Spanned<String>>>>,
    pub top: Option<Spanned<Top>>,
    pub limit: Option<Spanned<u8>>,
    pub days: Option<Spanned<String>>,
    pub daily: Option<Spanned<String>>,
    #[serde(default, rename = "where")]
    pub filter: BTreeMap<Spanned<String>, Spanned<Values>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Top {
    pub count: Spanned<u8>,
    pub of: Spanned<String>,
    pub by: Spanned<Vec<Spanned<String>>>,
}

/// One value or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Values {
    One(String),
    Several(Vec<String>),
}

/// The file of this text.
pub(super) fn parse(text: &str, file: &str) -> Result<File, ModelError> {
    toml::from_str(text).map_err(|error| {
        let what = error.message().to_owned();
        ModelError::at(file, text, error.span().unwrap_or(0..0), what)
    })
}
