//! Views folded into counts, before the dataflow sees them.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, Equivalent, HashTable};

use crate::dimensions::{Fact, Told, Watch};
use crate::reports::{KINDS, keys};
use crate::{Key, View};

/// The views that one worker took in one epoch, counted by key, and what they tell of members.
///
/// Differential would sort every record to find equal ones; a hash map in front of it leaves one update per
/// distinct key and epoch, and allocates a text once for each.
#[derive(Debug, Default)]
pub struct Fold {
    /// A table for each of the kinds of keys, so that those of which there are few stay close together in the processor's cache.
    counts: [HashTable<Counted>; KINDS],
    hasher: DefaultHashBuilder,
    bytes: usize,
    told: Told,
}

/// A key with its views: half a line of the processor's cache, and never in two of them.
#[derive(Debug)]
#[repr(align(32))]
struct Counted {
    key: Key,
    tally: Tally,
}

/// How often a key was viewed, in 40 bits, and what else its views are looked at for.
#[derive(Clone, Copy, Debug)]
struct Tally(u64);

impl Tally {
    const ONE: u64 = 1 << Watch::BITS;

    fn new(watch: Watch) -> Self {
        Tally(u64::from(watch.number()))
    }

    fn views(self) -> i64 {
        (self.0 >> Watch::BITS) as i64
    }

    fn watch(self) -> Watch {
        Watch::from_number((self.0 % Tally::ONE) as u32)
    }

    fn set_watch(&mut self, watch: Watch) {
        self.0 = self.0 - self.0 % Tally::ONE + u64::from(watch.number());
    }
}

/// A table that was once large is let go when what it holds fills less than this share of it, as draining a table
/// costs its capacity.
const SPARSE: usize = 16;

impl Fold {
    /// Counts one view under every key that it has, and notes what it tells of members.
    pub fn add(&mut self, view: &View<'_>) {
        let Fold { counts, hasher, bytes, told } = self;
        for (counts, key) in counts.iter_mut().zip(keys(view)) {
            let Some(key) = key else { continue };
            let is_same = |counted: &Counted| key.equivalent(&counted.key);
            let entry = match counts.entry(hasher.hash_one(key), is_same, |counted| hasher.hash_one(&counted.key)) {
                Entry::Occupied(known) => known,
                Entry::Vacant(place) => {
                    let tally = Tally::new(told.watch(&key));
                    let key = Key::from(&key);
                    *bytes += size_of::<Counted>() + key.text_bytes();
                    place.insert(Counted { key, tally })
                }
            };
            let tally = &mut entry.into_mut().tally;
            tally.0 += Tally::ONE;
            let watch = tally.watch();
            if watch.is_on() {
                tally.set_watch(told.look(watch, view));
            }
        }
    }

    /// About how much memory what came since the last drain takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.told.fresh_bytes()
    }

    /// Takes what was counted, each key once, and what was told of members, and begins anew.
    pub fn drain(&mut self) -> (impl Iterator<Item = (Key, i64)>, Vec<Fact>) {
        let Fold { counts, hasher, bytes, told } = self;
        *bytes = 0;
        for counts in counts.iter_mut() {
            if counts.capacity() > SPARSE * counts.len() {
                counts.shrink_to_fit(|counted| hasher.hash_one(&counted.key));
            }
        }
        let counted = counts.each_mut().map(HashTable::drain).into_iter().flatten();
        (counted.map(|Counted { key, tally }| (key, tally.views())), told.drain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_key_stays_small() {
        assert_eq!(size_of::<Counted>(), 32);
    }
}
