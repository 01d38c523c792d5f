//! Notices that nothing is counted: the topic holds other types of events than those that are counted, or other events.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tracing::warn;

use crate::terminal::anonymous;

/// Warn once after this many records with no counted view.
const WARN_AFTER_RECORDS: u64 = 10_000;
/// Collections and reasons that are named at most, and that are counted apart at most, over all workers.
const NAMES_SHOWN_MAX: usize = 5;
const NAMES_KEPT_MAX: usize = 1_000;
/// A name is data, and may be of a megabyte: this much of it is kept and shown.
const NAME_CHARS_SHOWN_MAX: usize = 60;

/// What all workers together saw since the start, until the first view.
pub(super) struct NoViewsWarning {
    views: String,
    open: AtomicBool,
    seen: Mutex<Outcomes>,
}

/// Records seen, how often each ignored collection was among them, and why others were rejected.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub records: u64,
    pub counted: bool,
    pub collections: HashMap<String, u64>,
    pub reasons: HashMap<String, Rejected>,
}

/// How many records were rejected for a reason, and where the first of them stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    pub records: u64,
    pub partition: i32,
    pub offset: i64,
}

impl Outcomes {
    /// One more record of a collection that is not counted.
    pub fn ignored(&mut self, collection: &str) {
        self.add(collection, 1);
    }

    /// One more record that was rejected.
    pub fn rejected(&mut self, reason: &str, partition: i32, offset: i64) {
        self.reject(reason, Rejected { records: 1, partition, offset });
    }

    fn reject(&mut self, reason: &str, rejected: Rejected) {
        if let Some(known) = self.reasons.get_mut(reason) {
            known.records += rejected.records;
        } else if self.reasons.len() < NAMES_KEPT_MAX {
            self.reasons.insert(reason.to_owned(), rejected);
        }
    }

    fn add(&mut self, collection: &str, times: u64) {
        let collection = anonymous(collection);
        let end = collection.char_indices().nth(NAME_CHARS_SHOWN_MAX).map_or(collection.len(), |(at, _)| at);
        let name = &collection[..end];
        if let Some(known) = self.collections.get_mut(name) {
            *known += times;
        } else if self.collections.len() < NAMES_KEPT_MAX {
            self.collections.insert(name.to_owned(), times);
        }
    }
}

impl NoViewsWarning {
    /// Begins, for tables that count these views.
    pub fn new(views: String) -> Self {
        NoViewsWarning { views, open: AtomicBool::new(true), seen: Mutex::default() }
    }

    /// Whether it is still undecided.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Adds what one worker saw, and warns once when it is time.
    pub fn add(&self, part: Outcomes) {
        if !self.is_open() {
            return;
        }
        let mut seen = self.seen.lock();
        seen.records += part.records;
        for (collection, times) in part.collections {
            seen.add(&collection, times);
        }
        for (reason, rejected) in part.reasons {
            seen.reject(&reason, rejected);
        }
        if part.counted {
            self.open.store(false, Ordering::Relaxed);
        } else if seen.records >= WARN_AFTER_RECORDS && self.open.swap(false, Ordering::Relaxed) {
            let NoViewsWarning { views, .. } = self;
            warn!(
                "none of the first {} records was counted: --views is '{views}', the most frequent types are {}; rejected were {}; \
                 `freshet check` shows what the events hold and proposes a file of reports",
                seen.records,
                most_frequent(&seen.collections),
                why(&seen.reasons)
            );
        }
        if !self.is_open() {
            *seen = Outcomes::default();
        }
    }
}

fn why(reasons: &HashMap<String, Rejected>) -> String {
    let mut reasons: Vec<_> = reasons.iter().collect();
    reasons.sort_by(|a, b| b.1.records.cmp(&a.1.records).then(a.0.cmp(b.0)));
    let reason = |(reason, it): &(&String, &Rejected)| {
        format!("{} because {reason} (partition {}, offset {})", it.records, it.partition, it.offset)
    };
    let named: Vec<_> = reasons.iter().take(NAMES_SHOWN_MAX).map(reason).collect();
    if named.is_empty() { "none".into() } else { named.join(", ") }
}

fn most_frequent(collections: &HashMap<String, u64>) -> String {
    let mut collections: Vec<_> = collections.iter().collect();
    collections.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let named =
        collections.iter().take(NAMES_SHOWN_MAX).map(|(name, times)| format!("{} ({times})", name.escape_debug()));
    let named: Vec<_> = named.collect();
    if named.is_empty() { "none at all".into() } else { named.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_many_forgotten() {
        let (mut seen, name) = (Outcomes::default(), "é".repeat(450_000));
        (0..4_000).for_each(|at| seen.ignored(&format!("{at}-{name}")));
        assert_eq!(seen.collections.len(), NAMES_KEPT_MAX);
        assert!(seen.collections.keys().all(|name| name.capacity() <= NAME_CHARS_SHOWN_MAX * 'é'.len_utf8()));
    }

    #[test]
    fn each_reason_comes_with_its_first_record() {
        let mut seen = Outcomes::default();
        for offset in 7..10 {
            seen.rejected("type is missing", 1, offset);
        }
        seen.rejected("the value is not JSON", 0, 3);
        assert_eq!(
            why(&seen.reasons),
            "3 because type is missing (partition 1, offset 7), 1 because the value is not JSON (partition 0, offset 3)"
        );
    }

    #[test]
    fn an_address_is_not_shown() {
        let mut seen = Outcomes::default();
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
