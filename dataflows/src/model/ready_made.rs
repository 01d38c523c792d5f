//! The models that are built in.

use std::path::Path;

use super::{Model, ModelError};

/// A model that is built in, as its file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyMade {
    /// Its name, which is that of its file.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

macro_rules! ready_made {
    ($name:literal) => {
        ReadyMade { name: $name, text: include_str!(concat!("../../reports/", $name, ".toml")) }
    };
}

impl ReadyMade {
    /// All of them; the first is the default.
    pub const ALL: [ReadyMade; 6] = [
        ready_made!("glamira"),
        ready_made!("segment"),
        ready_made!("snowplow"),
        ready_made!("posthog"),
        ready_made!("ga4"),
        ready_made!("nginx"),
    ];

    /// The one of this name.
    pub fn find(name: &str) -> Option<ReadyMade> {
        ReadyMade::ALL.into_iter().find(|model| model.name == name)
    }

    /// The one that a path names: a name without folder and suffix. None if it is the path of a file.
    ///
    /// # Errors
    /// If there is neither a model nor a file of that name.
    pub fn named(path: &Path) -> Option<Result<ReadyMade, ModelError>> {
        let name = path.to_str().filter(|name| !name.contains(['/', '.']))?;
        match ReadyMade::find(name) {
            Some(model) => Some(Ok(model)),
            None if path.exists() => None,
            None => Some(Err(ModelError::no_model(name, ReadyMade::ALL.map(|model| model.name)))),
        }
    }

    /// The one that a model was parsed from.
    pub fn with_text_of(model: &Model) -> Option<ReadyMade> {
        ReadyMade::ALL.into_iter().find(|ready_made| ready_made.text == model.text)
    }

    /// Whose events it is about: the first sentence of its file.
    pub fn about(self) -> String {
        let comment = self.text.lines().map_while(|line| line.strip_prefix("# ")).collect::<Vec<_>>().join(" ");
        comment.split_once(". ").map_or(comment.as_str(), |(first, _)| first).to_owned()
    }

    /// The model.
    ///
    /// # Errors
    /// None: a test parses all of them.
    pub fn model(self) -> Result<Model, ModelError> {
        Model::parse(self.text, &format!("{}.toml", self.name))
    }
}
