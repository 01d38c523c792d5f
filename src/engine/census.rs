//! Notices that nothing is counted because the topic holds other collections than the ones that are counted.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::warn;

use crate::terminal::anonymous;

/// After so many records without a single view, a word is due.
const ENOUGH: u64 = 10_000;
/// So many collections are named, and kept apart at most, of all workers.
const NAMED: usize = 5;
const KEPT: usize = 1_000;
/// A name is data, and may be of a megabyte: this much of it is kept and shown.
const SHOWN: usize = 60;

/// What all workers together saw since the start, until the first view.
pub(super) struct Census {
    views: String,
    open: AtomicBool,
    seen: Mutex<Seen>,
}

/// Records seen, and how often each ignored collection was among them.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub records: u64,
    pub counted: bool,
    pub collections: HashMap<String, u64>,
}

impl Seen {
    /// One more record of a collection that is not counted.
    pub fn ignored(&mut self, collection: &str) {
        self.add(collection, 1);
    }

    fn add(&mut self, collection: &str, times: u64) {
        let collection = anonymous(collection);
        let end = collection.char_indices().nth(SHOWN).map_or(collection.len(), |(at, _)| at);
        let name = &collection[..end];
        if let Some(known) = self.collections.get_mut(name) {
            *known += times;
        } else if self.collections.len() < KEPT {
            self.collections.insert(name.to_owned(), times);
        }
    }
}

impl Census {
    /// Begins, for tables that count these views.
    pub fn new(views: String) -> Self {
        Census { views, open: AtomicBool::new(true), seen: Mutex::default() }
    }

    /// Whether anything is still to be found out.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Adds what one worker saw, and warns once when it is time.
    pub fn add(&self, part: Seen) {
        if !self.is_open() {
            return;
        }
        let Ok(mut seen) = self.seen.lock() else { return };
        seen.records += part.records;
        for (collection, times) in part.collections {
            seen.add(&collection, times);
        }
        if part.counted {
            self.open.store(false, Ordering::Relaxed);
        } else if seen.records >= ENOUGH && self.open.swap(false, Ordering::Relaxed) {
            warn!(
                "none of the first {} records was counted: --views is '{}', the most frequent collections are {}",
                seen.records,
                self.views,
                most_frequent(&seen.collections)
            );
        }
        if !self.is_open() {
            seen.collections = HashMap::new();
        }
    }
}

fn most_frequent(collections: &HashMap<String, u64>) -> String {
    let mut collections: Vec<_> = collections.iter().collect();
    collections.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let named = collections.iter().take(NAMED).map(|(name, times)| format!("{} ({times})", name.escape_debug()));
    let named: Vec<_> = named.collect();
    if named.is_empty() { "none at all".into() } else { named.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_many_forgotten() {
        let (mut seen, name) = (Seen::default(), "é".repeat(450_000));
        (0..4_000).for_each(|at| seen.ignored(&format!("{at}-{name}")));
        assert_eq!(seen.collections.len(), KEPT);
        assert!(seen.collections.keys().all(|name| name.capacity() <= SHOWN * 'é'.len_utf8()));
    }

    #[test]
    fn an_address_is_not_told() {
        let mut seen = Seen::default();
        for name in
            ["me@visitor.example", "mo%2540visitor.example", "checkout", &("x".repeat(100) + "@visitor.example")]
        {
            seen.ignored(name);
        }
        assert_eq!(
            most_frequent(&seen.collections),
            "checkout (1), m… (18 letters) (1), m… (22 letters) (1), x… (116 letters) (1)"
        );
    }
}
