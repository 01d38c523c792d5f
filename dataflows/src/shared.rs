//! A text that is kept once and held by many.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A text that costs no copy to clone. It hashes and is equal as the text itself.
///
/// Its order is one by length first. Keys are sorted and merged all the time, and it matters only that all agree on one
/// order: texts of different length, nearly all that meet, are told apart without fetching them from memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shared(Arc<str>);

impl Ord for Shared {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Shared {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl AsRef<str> for Shared {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Shared {
    fn from(text: &str) -> Self {
        Shared(text.into())
    }
}

impl From<String> for Shared {
    fn from(text: String) -> Self {
        Shared(text.into())
    }
}
