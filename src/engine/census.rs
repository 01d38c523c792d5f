//! Notices that nothing is counted because the topic holds other collections than the ones that are counted.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::warn;

/// After so many records without a single view, a word is due.
const ENOUGH: u64 = 10_000;
/// So many collections are named, and kept apart at most.
const NAMED: usize = 5;
const KEPT: usize = 1_000;
/// A name is data: this much of it is shown.
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
        if let Some(times) = self.collections.get_mut(collection) {
            *times += 1;
        } else if self.collections.len() < KEPT {
            self.collections.insert(collection.to_owned(), 1);
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
        let Ok(mut seen) = self.seen.lock() else { return };
        seen.records += part.records;
        for (collection, times) in part.collections {
            *seen.collections.entry(collection).or_default() += times;
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
    }
}

fn most_frequent(collections: &HashMap<String, u64>) -> String {
    let mut collections: Vec<_> = collections.iter().collect();
    collections.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let name = |name: &str| name.chars().take(SHOWN).flat_map(char::escape_debug).collect::<String>();
    let named = collections.iter().take(NAMED).map(|(collection, times)| format!("{} ({times})", name(collection)));
    let named: Vec<_> = named.collect();
    if named.is_empty() { "none at all".into() } else { named.join(", ") }
}
