//! Views folded into counts, before the dataflow sees them.

use hashbrown::HashMap;

use crate::dimensions::{Fact, Told};
use crate::reports::keys;
use crate::{Key, View};

/// The views that one worker took in one epoch, counted by key.
///
/// Differential would sort every record to find equal ones; a hash map in front of it leaves one update per
/// distinct key and epoch, and allocates a text once for each.
#[derive(Debug, Default)]
pub struct Fold {
    counts: HashMap<Key, i64>,
    bytes: usize,
    told: Told,
}

/// A map that was once large is let go when what it holds fills less than this share of it, as draining a map
/// costs its capacity.
const SPARSE: usize = 16;

impl Fold {
    /// Counts one view under every key that it has, and notes what it tells of members.
    pub fn add(&mut self, view: &View<'_>) {
        for key in keys(view).into_iter().flatten() {
            match self.counts.get_mut(&key) {
                Some(views) => *views += 1,
                None => {
                    let key = Key::from(&key);
                    self.bytes += size_of::<(Key, i64)>() + key.text_bytes();
                    self.counts.insert(key, 1);
                }
            }
        }
        self.told.look(view);
    }

    /// About how much memory what came since the last drain takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.told.fresh_bytes()
    }

    /// Takes what the views told of members since the last time.
    pub fn drain_facts(&mut self) -> Vec<Fact> {
        self.told.drain()
    }

    /// Takes what was counted, each key once, and begins to count anew.
    pub fn drain(&mut self) -> impl Iterator<Item = (Key, i64)> {
        self.bytes = 0;
        if self.counts.capacity() > SPARSE * self.counts.len() {
            self.counts.shrink_to_fit();
        }
        self.counts.drain()
    }
}
