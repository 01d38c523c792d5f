//! Views folded into counts, before the dataflow sees them.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use indexmap::IndexMap;
use indexmap::map::raw_entry_v1::{RawEntryApiV1, RawEntryMut};

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
    ///
    /// In the order in which the keys came, in which their texts stand in memory too: so whoever goes through them reads on
    /// where he was, all the way to the database.
    counts: [IndexMap<Key, Tally, DefaultHashBuilder>; KINDS],
    bytes: usize,
    told: Told,
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

/// A map that was once large is let go when what it holds fills less than this share of it, as clearing a map
/// costs its capacity.
const SPARSE: usize = 16;

impl Fold {
    /// Holds nothing yet, for one of so many workers, which share the memory for what was told.
    pub fn sharing(workers: usize) -> Self {
        Fold { told: Told::sharing(workers), ..Fold::default() }
    }

    /// Counts one view under every key that it has, and notes what it tells of members.
    pub fn add(&mut self, view: &View<'_>) {
        let Fold { counts, bytes, told } = self;
        for (counts, key) in counts.iter_mut().zip(keys(view)) {
            let Some(key) = key else { continue };
            let hash = counts.hasher().hash_one(key);
            let tally = match counts.raw_entry_mut_v1().from_key_hashed_nocheck(hash, &key) {
                RawEntryMut::Occupied(known) => known.into_mut(),
                RawEntryMut::Vacant(place) => {
                    let tally = Tally::new(told.watch(&key));
                    let key = Key::from(&key);
                    *bytes += size_of::<(u64, Key, Tally)>() + key.text_bytes();
                    place.insert_hashed_nocheck(hash, key, tally).1
                }
            };
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
        self.bytes = 0;
        for counts in &mut self.counts {
            if counts.capacity() > SPARSE * counts.len() {
                counts.shrink_to_fit();
            }
        }
        let counts = self.counts.each_mut().map(|counts| counts.drain(..)).into_iter().flatten();
        (counts.map(|(key, tally)| (key, tally.views())), self.told.drain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BrowserOs, Country, Day, Text};

    #[test]
    fn keys_come_out_once_and_in_the_order_in_which_they_came() {
        let browser_os: BrowserOs = BrowserOs::new("Chrome", "Android");
        let mut fold = Fold::default();
        let numbers = (0..1_000_u64).map(|n| n * 7_919 % 1_000);
        for number in numbers.clone().chain(numbers.clone()) {
            fold.add(&View {
                day: Day(0),
                hour: 0,
                product_id: Some(Text::Number(number)),
                store_id: None,
                referrer_url: None,
                current_url: None,
                country: Country::UNKNOWN,
                browser_os: browser_os.borrowed(),
            });
        }
        let counts = fold.drain().0.filter_map(|(key, views)| match key {
            Key::ProductHour { product_id: Text::Number(number), .. } => Some((number, views)),
            _ => None,
        });
        assert!(counts.eq(numbers.map(|number| (number, 2))));
    }
}
