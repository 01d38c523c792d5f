//! Views folded into counts, before the dataflow sees them.

use hashbrown::HashMap;

use crate::dimensions::{Fact, Told, Watch};
use crate::reports::{KINDS, keys};
use crate::{Key, View};

/// The views that one worker took in one epoch, counted by key, and what they tell of members.
///
/// Differential would sort every record to find equal ones; a hash map in front of it leaves one update per
/// distinct key and epoch, and allocates a text once for each.
#[derive(Debug, Default)]
pub struct Fold {
    /// A map for each of the kinds of keys, so that those of which there are few stay close together in the processor's cache.
    counts: [HashMap<Key, Tally>; KINDS],
    bytes: usize,
    told: Told,
}

/// How often a key was viewed, in 40 bits, and what else its views are looked at for. In one number, so that it takes half a
/// line of the processor's cache with its key.
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

/// A map that was once large is let go when what it holds fills less than this share of it, as draining a map
/// costs its capacity.
const SPARSE: usize = 16;

impl Fold {
    /// Counts one view under every key that it has, and notes what it tells of members.
    pub fn add(&mut self, view: &View<'_>) {
        for (counts, key) in self.counts.iter_mut().zip(keys(view)) {
            let Some(key) = key else { continue };
            let tally = match counts.get_mut(&key) {
                Some(tally) => tally,
                None => {
                    let watch = self.told.watch(&key);
                    let key = Key::from(&key);
                    self.bytes += size_of::<(Key, Tally)>() + key.text_bytes();
                    counts.entry(key).or_insert(Tally::new(watch))
                }
            };
            tally.0 += Tally::ONE;
            let watch = tally.watch();
            if watch.is_on() {
                tally.set_watch(self.told.look(watch, view));
            }
        }
    }

    /// About how much memory what came since the last drain takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.told.fresh_bytes()
    }

    /// Takes what was counted, each key once, and what was told of members, and begins anew.
    pub fn drain(&mut self) -> (impl Iterator<Item = (Key, i64)>, Vec<Fact>) {
        self.bytes = 0;
        for counts in &mut self.counts {
            if counts.capacity() > SPARSE * counts.len() {
                counts.shrink_to_fit();
            }
        }
        let counts = self.counts.each_mut().map(HashMap::drain).into_iter().flatten();
        (counts.map(|(key, tally)| (key, tally.views())), self.told.drain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_key_stays_small() {
        assert_eq!(size_of::<(Key, Tally)>(), 32);
    }
}
