//! What is wrong with a model's file, where, and what would be right.

use std::fmt;
use std::ops::Range;

/// What is wrong in a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelError {
    file: String,
    /// Line and column, from 1; none if the file cannot be read.
    at: Option<(usize, usize)>,
    what: String,
}

impl ModelError {
    /// What is wrong with this span of a text.
    pub(super) fn at(file: &str, text: &str, span: Range<usize>, what: impl Into<String>) -> ModelError {
        let before = &text[..span.start.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        ModelError { file: file.into(), at: Some((line, column)), what: what.into() }
    }

    /// That there is neither a model nor a file of this name.
    pub(super) fn no_model<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> ModelError {
        ModelError {
            file: name.into(),
            at: None,
            what: format!("{}; or give the path of a file", unknown("model", name, known)),
        }
    }

    pub(super) fn unreadable(file: &str, error: &std::io::Error) -> ModelError {
        ModelError { file: file.into(), at: None, what: format!("cannot be read: {error}") }
    }
}

/// `FILE:LINE:COLUMN: what is wrong; what would be right`, so that an editor finds the place.
impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl std::error::Error for ModelError {}

/// The message for an unknown name, with the nearest known one, else all of them.
pub(super) fn unknown<'a>(sort: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.into_iter().collect();
    let distance = |it: &&&str| strsim::damerau_levenshtein(name, it);
    // As far off as a typo.
    let nearest = known.iter().min_by_key(distance).filter(|it| distance(it) <= name.len().max(3) / 3);
    match nearest {
        Some(nearest) => format!("there is no {sort} \"{name}\"; did you mean \"{nearest}\"?"),
        None if known.is_empty() => format!("there is no {sort} \"{name}\"; none is declared"),
        None => format!("there is no {sort} \"{name}\"; take one of {}", known.join(", ")),
    }
}
