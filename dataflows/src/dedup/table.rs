//! The events that later ones may still be copies of.

use std::time::Duration;

use smallvec::SmallVec;

use super::{EventId, EventPosition, Occurrence};

/// Events by id: those that are no copies, and those that are. An id has at most one of the former in each span, so
/// even an id that all events share costs no more.
pub(super) struct IdTable {
    firsts: Entries,
    /// Copies that another event may still be a copy of.
    copies: Entries,
    span: u64,
}

/// Events by id and time, 22 bytes each with little overhead: sorted in many small buckets, which grow by a few entries
/// at a time.
///
/// Linear hashing (Litwin, 1980): one bucket is split whenever they get too full on average, so no growth takes long,
/// and none doubles the memory.
struct Entries {
    buckets: Vec<Vec<Entry>>,
    /// The number of buckets, a power of two, when this round of splits began.
    round: usize,
    entries: usize,
    /// The bucket that was last swept of entries no longer needed.
    swept: usize,
}

/// Entries per bucket, on average, beyond which a bucket is split.
const BUCKET_ENTRIES: usize = 64;
/// Entries that a full bucket grows by; a large one grows by this share of what it has.
const GROWTH_ENTRIES: usize = 4;
const GROWTH_SHARE: usize = 16;
/// Epochs that it takes to sweep all buckets.
const SWEEP_EPOCHS: usize = 128;

/// An id of ten bytes, a time of four and a position of eight, all big-endian: so entries of an id are adjacent, in the
/// order of their times.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry([u8; Entry::BYTES]);

impl Entry {
    const ID: usize = 10;
    const TIME: usize = Entry::ID + 4;
    const BYTES: usize = Entry::TIME + 8;

    fn new(occurrence: &Occurrence) -> Self {
        let mut bytes = [0; Entry::BYTES];
        bytes[..Entry::ID].copy_from_slice(&id(occurrence.id));
        bytes[Entry::ID..Entry::TIME].copy_from_slice(&seconds(occurrence.time).to_be_bytes());
        bytes[Entry::TIME..].copy_from_slice(&occurrence.position.0.to_be_bytes());
        Entry(bytes)
    }

    fn id(&self) -> &[u8] {
        &self.0[..Entry::ID]
    }

    fn time(&self) -> u32 {
        u32::from_be_bytes(self.0[Entry::ID..Entry::TIME].try_into().expect("four bytes"))
    }

    fn position(&self) -> EventPosition {
        EventPosition(u64::from_be_bytes(self.0[Entry::TIME..].try_into().expect("eight bytes")))
    }
}

fn id(EventId(hash): EventId) -> [u8; Entry::ID] {
    hash.to_be_bytes()[..Entry::ID].try_into().expect("ten of sixteen bytes")
}

/// Clamped to the year 2106: all later times count as one.
fn seconds(time: i64) -> u32 {
    time.clamp(0, u32::MAX.into()) as u32
}

impl IdTable {
    /// An empty table, for copies less than `span` apart.
    pub fn new(span: Duration) -> Self {
        IdTable { firsts: Entries::new(), copies: Entries::new(), span: span.as_secs() }
    }

    /// Adds an event. Calls `copy` for each event that thereby turns out to be one: this or others.
    pub fn add(&mut self, occurrence: &Occurrence, mut copy: impl FnMut(EventPosition)) {
        let IdTable { firsts, copies, span } = self;
        let entry = Entry::new(occurrence);
        let is_before = |other: &Entry| other.position() < entry.position();
        let near: SmallVec<[Entry; 2]> = firsts.near(&entry, *span).iter().copied().collect();
        let is_copy = near.iter().any(is_before) || copies.near(&entry, *span).iter().any(is_before);
        for first in near.iter().filter(|first| first.position() > entry.position()) {
            copy(first.position());
            firsts.remove(first);
            // If their times are equal, this event is near to all that the other is near to.
            if first.time() != entry.time() {
                copies.add(*first);
            }
        }
        if !is_copy {
            return firsts.add(entry);
        }
        copy(entry.position());
        if !near.iter().any(|first| first.time() == entry.time() && is_before(first)) {
            copies.add(entry);
        }
    }

    /// Continues to forget events before this time, a share of the buckets per call.
    pub fn forget(&mut self, before: i64) {
        self.firsts.forget(before);
        self.copies.forget(before);
    }
}

impl Entries {
    fn new() -> Self {
        Entries { buckets: vec![Vec::new()], round: 1, entries: 0, swept: 0 }
    }

    /// The entries of the same id that are less than the span away, ordered by time.
    fn near(&self, entry: &Entry, span: u64) -> &[Entry] {
        let entries = &self.buckets[self.bucket(entry.id())];
        let time = u64::from(entry.time());
        let is_earlier = |other: &Entry| (other.id(), u64::from(other.time()) + span) <= (entry.id(), time);
        let begin = entries.partition_point(is_earlier);
        let is_near = |other: &Entry| (other.id(), u64::from(other.time())) < (entry.id(), time + span);
        let near = entries[begin..].partition_point(is_near);
        &entries[begin..begin + near]
    }

    /// Adds one; of several with the same id and time, the first in the topic is kept.
    fn add(&mut self, entry: Entry) {
        let bucket = self.bucket(entry.id());
        let entries = &mut self.buckets[bucket];
        let place = entries.partition_point(|other| (other.id(), other.time()) < (entry.id(), entry.time()));
        match entries.get_mut(place) {
            Some(same) if (same.id(), same.time()) == (entry.id(), entry.time()) => *same = entry.min(*same),
            _ => self.insert(bucket, place, entry),
        }
    }

    fn insert(&mut self, bucket: usize, place: usize, entry: Entry) {
        let entries = &mut self.buckets[bucket];
        if entries.len() == entries.capacity() {
            entries.reserve_exact(GROWTH_ENTRIES.max(entries.len() / GROWTH_SHARE));
        }
        entries.insert(place, entry);
        self.entries += 1;
        if self.entries > BUCKET_ENTRIES * self.buckets.len() {
            self.split();
        }
    }

    fn remove(&mut self, entry: &Entry) {
        let bucket = self.bucket(entry.id());
        if let Ok(place) = self.buckets[bucket].binary_search(entry) {
            self.buckets[bucket].remove(place);
            self.entries -= 1;
        }
    }

    /// Divides the next bucket in two.
    fn split(&mut self) {
        let split = self.buckets.len() - self.round;
        let bit = self.round as u32;
        let (stay, go): (Vec<_>, Vec<_>) = self.buckets[split].iter().partition(|entry| number(entry.id()) & bit == 0);
        self.buckets[split] = stay;
        self.buckets.push(go);
        if self.buckets.len() == 2 * self.round {
            self.round *= 2;
        }
        for bucket in [split, self.buckets.len() - 1] {
            self.buckets[bucket].shrink_to_fit();
        }
    }

    fn bucket(&self, id: &[u8]) -> usize {
        let number = number(id) as usize;
        let bucket = number & (2 * self.round - 1);
        if bucket < self.buckets.len() { bucket } else { number & (self.round - 1) }
    }

    fn forget(&mut self, before: i64) {
        let before = seconds(before);
        for _ in 0..self.buckets.len().div_ceil(SWEEP_EPOCHS) {
            self.swept = (self.swept + 1) % self.buckets.len();
            let bucket = &mut self.buckets[self.swept];
            let held = bucket.len();
            bucket.retain(|entry| entry.time() >= before);
            self.entries -= held - bucket.len();
            if bucket.capacity() > bucket.len() + 2 * GROWTH_ENTRIES {
                bucket.shrink_to_fit();
            }
        }
    }
}

/// The part of an id that selects its bucket.
fn number(id: &[u8]) -> u32 {
    u32::from_be_bytes(id[..4].try_into().expect("four of ten bytes"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    /// The rule itself, of all events at once.
    fn naive(occurrences: &[Occurrence], span: u64) -> BTreeSet<EventPosition> {
        let is_copy = |it: &&Occurrence| {
            occurrences
                .iter()
                .any(|other| other.id == it.id && other.position < it.position && other.time.abs_diff(it.time) < span)
        };
        occurrences.iter().filter(is_copy).map(|it| it.position).collect()
    }

    fn occurrence(id: u128, time: i64, place: usize) -> Occurrence {
        let position = EventPosition::new(place as i32 % 3, place as i64, 0).expect("a small offset");
        Occurrence { id: EventId(id.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834)), time, position }
    }

    proptest! {
        #[test]
        fn copies_are_the_same_in_any_order(
            events in prop::collection::vec((0..200_u128, 0..40_i64), 0..2_000),
            span in 1..20_u64,
            order in any::<u64>(),
        ) {
            let mut occurrences: Vec<_> =
                (0..).zip(&events).map(|(place, (id, time))| occurrence(*id, *time, place)).collect();
            occurrences.sort_by_key(|it| it.position.0.wrapping_mul(order | 1));
            let mut ids = IdTable::new(Duration::from_secs(span));
            let mut found = BTreeSet::new();
            for occurrence in &occurrences {
                ids.add(occurrence, |copy| assert!(found.insert(copy), "{copy:?} is said twice"));
            }
            prop_assert_eq!(found, naive(&occurrences, span));
        }
    }

    #[test]
    fn an_id_takes_24_bytes_at_most() {
        let mut ids = IdTable::new(Duration::from_secs(60));
        for place in 0..1_500_000 {
            ids.add(&occurrence(place as u128, place as i64 / 100, place), |_| ());
            if place % 100_000 == 99_999 {
                let entries: usize = ids.firsts.buckets.iter().map(|bucket| bucket.capacity() * Entry::BYTES).sum();
                let bytes = entries + ids.firsts.buckets.capacity() * size_of::<Vec<Entry>>();
                assert!(
                    bytes <= 24 * (place + 1),
                    "{} bytes for each of {}",
                    bytes as f64 / (place + 1) as f64,
                    place + 1
                );
            }
        }
        (0..2 * SWEEP_EPOCHS).for_each(|_| ids.forget(i64::MAX));
        assert_eq!(ids.firsts.entries + ids.copies.entries, 0);
        assert!(ids.firsts.buckets.iter().all(|bucket| bucket.capacity() <= 2 * GROWTH_ENTRIES));
    }

    /// As where a page says `"id": "undefined"`: each looked at all others before.
    #[test]
    fn an_id_of_all_events_costs_no_more() {
        let mut ids = IdTable::new(Duration::from_secs(86_400));
        let (mut copies, begun) = (0, Instant::now());
        for place in 0..200_000 {
            ids.add(&occurrence(1, place as i64, place), |_| copies += 1);
        }
        assert_eq!((copies, ids.firsts.entries), (199_999, 1));
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_position_is_what_it_was_made_of() {
        let ends = [(0, 0, 0), (7, 1_234_567, 3), (4_095, EventPosition::OFFSET_END - 1, 8_191)];
        for (partition, offset, place) in ends {
            let position = EventPosition::new(partition, offset, place).expect("within the bounds");
            assert_eq!((position.partition(), position.offset(), position.place()), (partition, offset, place));
        }
        assert_eq!(EventPosition::new(EventPosition::PARTITIONS_MAX, 0, 0), None);
        assert_eq!(EventPosition::new(0, EventPosition::OFFSET_END, 0), None);
    }
}
