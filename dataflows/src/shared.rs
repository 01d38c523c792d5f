//! A text that is kept once and held by many.

use std::borrow::Borrow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A text that costs no copy to clone. It hashes and is equal as the text itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Shared(Arc<str>);

impl AsRef<str> for Shared {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Shared {
    fn borrow(&self) -> &str {
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
