//! Retention: takes back the counts of expired days, a slice at a time.
//!
//! The keys of such days are one range per count in the arrangement. They are looked up there and fed in again with
//! their counts negated, so all that follows from counts follows as usual. Then the texts that no key has any more
//! leave the interner.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::trace::cursor::cursor_list;
use differential_dataflow::trace::{Cursor, TraceReader};
use roaring::RoaringBitmap;
use timely::progress::frontier::AntichainRef;

use crate::admission::Admission;
use crate::count::{Arrangement, Texts};
use crate::key::PackedKey;
use crate::model::Model;
use crate::{Day, Epoch, Kept, Key};

/// The retention of one worker's counts.
pub struct Retention {
    model: Arc<Model>,
    kept: Kept,
    newest: Day,
    arrangement: Arrangement,
    texts: Texts,
    admission: Rc<RefCell<Admission>>,
    walk: Walk,
    /// Walks to wait for before unused texts are looked for, if they are to be: what leaves last causes a walk of its
    /// own.
    marking_in: Option<u8>,
}

/// The progress of a walk through the keys, one slice per turn.
enum Walk {
    /// Nothing to do.
    Done,
    /// Looking for the keys that are to leave.
    Leaving(Leaving),
    /// Waiting until all keys of this epoch are there: some of their texts may have been in flight.
    Waiting(Epoch),
    /// Looking for the texts that keys still have: where to continue, and the numbers so far.
    Texts { from: PackedKey, live: RoaringBitmap },
}

/// A walk through the keys that are to leave.
struct Leaving {
    /// Where to continue.
    from: PackedKey,
    /// Days before these are to leave, by count: as of its start.
    first_kept: Vec<Day>,
    /// The first day of which it found any.
    found: Option<Day>,
}

impl Retention {
    pub(crate) fn new(
        model: &Arc<Model>,
        kept: Kept,
        mut arrangement: Arrangement,
        texts: Texts,
        admission: Rc<RefCell<Admission>>,
    ) -> Self {
        arrangement.set_physical_compaction(AntichainRef::new(&[]));
        let newest = Day(i32::MIN);
        Retention {
            model: model.clone(),
            kept,
            newest,
            arrangement,
            texts,
            admission,
            walk: Walk::Done,
            marking_in: None,
        }
    }

    /// The first day of each count that is kept, if this is the newest day.
    pub fn first_days(&self, newest: Day) -> Vec<Day> {
        self.kept.first_days(newest)
    }

    /// Sets the newest day: days too long before it expire. Every worker must have forgotten what it reported of
    /// members of such days, see [`PreAggregator::keep_from`](crate::PreAggregator::keep_from), in all epochs after the
    /// open one.
    pub fn set_newest(&mut self, newest: Day) {
        if newest > self.newest {
            self.newest = newest;
            self.marking_in = Some(1);
            self.admission.borrow_mut().keep_from(self.kept.first_days(newest));
        }
    }

    /// The newest day.
    pub fn newest(&self) -> Day {
        self.newest
    }

    /// Whether there is something to do.
    pub fn is_due(&self) -> bool {
        !matches!(self.walk, Walk::Done) || self.admission.borrow().expired().is_some()
    }

    /// Whether there may be keys that are to leave.
    pub fn is_leaving(&self) -> bool {
        matches!(self.walk, Walk::Leaving(_)) || self.admission.borrow().expired().is_some()
    }

    /// What to take back in the open epoch, found by looking at `most` keys at most. All epochs before it must be
    /// through the dataflow, and so is what was taken back in them.
    pub fn slice(&mut self, open: Epoch, most: usize) -> Vec<(Key, i64)> {
        self.arrangement.set_logical_compaction(AntichainRef::new(&[open]));
        if matches!(self.walk, Walk::Done) && self.admission.borrow_mut().take_expired(open) {
            let first_kept = self.admission.borrow().first_kept().to_vec();
            self.walk = Walk::Leaving(Leaving { from: first_key(), first_kept, found: None });
        }
        match std::mem::replace(&mut self.walk, Walk::Done) {
            Walk::Done => Vec::new(),
            Walk::Leaving(walk) => self.leave(walk, most),
            Walk::Waiting(until) if until >= open => {
                self.walk = Walk::Waiting(until);
                Vec::new()
            }
            Walk::Waiting(_) => {
                self.mark(first_key(), RoaringBitmap::new(), most);
                Vec::new()
            }
            Walk::Texts { from, live } => {
                self.mark(from, live, most);
                Vec::new()
            }
        }
    }

    /// How many texts this worker has room for.
    pub fn texts(&self) -> usize {
        self.texts.borrow().len()
    }

    fn leave(&mut self, mut walk: Leaving, most: usize) -> Vec<(Key, i64)> {
        let falls = |id: &usize| walk.first_kept[*id] > Day(i32::MIN);
        let ranges = self.model.counted().filter(falls).map(|id| {
            let start = |day| *PackedKey::range(id as u16, day, None).start();
            (start(None), start(Some(walk.first_kept[id])))
        });
        let batches = self.arrangement.batches_through(AntichainRef::new(&[])).unwrap_or_default();
        let (mut cursor, batches) = cursor_list(batches);
        let (mut left, mut leaving) = (most, Vec::new());
        for (start, behind) in ranges.filter(|(_, behind)| *behind > walk.from) {
            cursor.seek_key(&batches, &start.max(walk.from));
            while let Some(key) = cursor.get_key(&batches).copied().filter(|key| *key < behind) {
                if left == 0 {
                    self.walk = Walk::Leaving(Leaving { from: key, ..walk });
                    return leaving;
                }
                left -= 1;
                let mut events = 0;
                cursor.map_times(&batches, |_, more| events += more);
                if events != 0 {
                    walk.found = Some(walk.found.map_or(key.day(), |found| found.min(key.day())));
                    leaving.push((key.unpacked(self.texts.borrow().resolve(key.member()).cloned()), events));
                }
                cursor.step_key(&batches);
            }
        }
        let mut admission = self.admission.borrow_mut();
        if let Some(day) = walk.found {
            // Once that is gone, its days are forgotten.
            admission.expect_expired(0, day);
        }
        // Days before these have no keys left, and none in flight.
        let on_its_way = admission.expired().unwrap_or(Day(i32::MAX));
        admission.forget_before(&walk.first_kept, on_its_way);
        match self.marking_in {
            Some(1..) if walk.found.is_some() => self.marking_in = Some(0),
            Some(_) => {
                self.marking_in = None;
                self.texts.borrow_mut().begin_marking();
                self.walk = Walk::Waiting(admission.latest());
            }
            None => {}
        }
        leaving
    }

    fn mark(&mut self, from: PackedKey, mut live: RoaringBitmap, most: usize) {
        let batches = self.arrangement.batches_through(AntichainRef::new(&[])).unwrap_or_default();
        let (mut cursor, batches) = cursor_list(batches);
        cursor.seek_key(&batches, &from);
        for _ in 0..LOOKS_PER_RETRACTION * most {
            let Some(key) = cursor.get_key(&batches).copied() else {
                live |= self.admission.borrow().numbers();
                self.texts.borrow_mut().keep_only(&live);
                return;
            };
            let mut events = 0;
            cursor.map_times(&batches, |_, more| events += more);
            if events != 0 {
                live.insert(key.member());
            }
            cursor.step_key(&batches);
        }
        if let Some(from) = cursor.get_key(&batches).copied() {
            self.walk = Walk::Texts { from, live };
        }
    }
}

/// Keys that can be looked at for their texts in the time that it takes to take one back.
const LOOKS_PER_RETRACTION: usize = 16;

/// Before all keys.
fn first_key() -> PackedKey {
    *PackedKey::range(0, None, None).start()
}
