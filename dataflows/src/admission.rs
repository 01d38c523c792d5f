//! Which members are counted by themselves: those that come first, as many of a report and day as there is room for. All
//! others of that report and day are counted together, as [`OTHERS`], so that no visitor of the shop can fill the memory.
//!
//! A member is admitted at its first view or never, so the count of every row is exact, and that of the others is the exact
//! rest. Only which members are admitted depends on the order in which they came, and the tables remember that. A member whose
//! views are all taken back keeps its place as long as the process lives: so it is never counted by itself and among the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use roaring::{MultiOps, RoaringBitmap};
use xxhash_rust::xxh3::xxh3_64;

use crate::interner::Interner;
use crate::key::PackedKey;
use crate::model::{Count, Model};
use crate::{Day, Epoch, Key, SEED, Text};

/// What members that were not admitted are counted as. A member of that name is counted with them.
pub const OTHERS: &str = "(others)";

/// How many members of a report are admitted on a day.
///
/// The members are divided into shards by their texts, each shard with its share of the room, so that one worker alone
/// decides about a member, however many workers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberLimit {
    members: u32,
    shards: u32,
}

impl Default for MemberLimit {
    fn default() -> Self {
        MemberLimit::new(MemberLimit::DEFAULT)
    }
}

/// Enough to give each of the most workers there can be some, and so few that chance divides the members evenly.
const MOST_SHARDS: u32 = 256;
/// Of fewer members a shard has not.
const LEAST_OF_SHARD: u32 = 4_096;

impl MemberLimit {
    /// As many members of a report and day as any shop has.
    pub const DEFAULT: u32 = 1_000_000;

    /// So many members of each report and day.
    pub fn new(members: u32) -> Self {
        MemberLimit { members, shards: (members / LEAST_OF_SHARD).clamp(1, MOST_SHARDS) }
    }

    /// How many.
    pub fn members(self) -> u32 {
        self.members
    }

    /// The shard that a member with this text belongs to.
    pub fn shard<S: AsRef<str>>(self, text: &Text<S>) -> u32 {
        let hash = match text {
            Text::Number(number) => xxh3_64(&number.to_le_bytes()),
            Text::Other(text) => xxh3_64(text.as_ref().as_bytes()),
        };
        (hash % u64::from(self.shards)) as u32
    }

    /// How many members of a report and day a shard admits.
    pub fn room(self, shard: u32) -> u32 {
        self.members / self.shards + u32::from(shard < self.members % self.shards)
    }
}

/// What is left of the room for the members of one kind, on this worker.
pub(crate) struct Room {
    limit: MemberLimit,
    /// How many were admitted, by shard.
    taken: Vec<u32>,
}

impl Room {
    /// All of it.
    pub fn new(limit: MemberLimit) -> Self {
        Room { limit, taken: vec![0; limit.shards as usize] }
    }

    /// Whether a member with this text that comes for the first time is admitted. The tables hold what was seeded, so
    /// that is.
    pub fn admits<S: AsRef<str>>(&mut self, text: &Text<S>, epoch: Epoch) -> bool {
        let shard = self.limit.shard(text);
        let taken = &mut self.taken[shard as usize];
        let is_admitted = epoch <= SEED || *taken < self.limit.room(shard);
        *taken += u32::from(is_admitted);
        is_admitted
    }

    /// A member that was admitted leaves.
    pub fn leave<S: AsRef<str>>(&mut self, text: &Text<S>) {
        let taken = &mut self.taken[self.limit.shard(text) as usize];
        *taken = taken.saturating_sub(1);
    }
}

/// The members that were admitted on this worker.
pub(crate) struct Admission {
    model: Arc<Model>,
    limit: MemberLimit,
    /// By count and day.
    days: HashMap<(u16, Day), Admitted>,
    /// The first day of each count that is kept.
    first_kept: Vec<Day>,
    /// By epoch, the first of the days that are not kept of which something may have come.
    expired: BTreeMap<Epoch, Day>,
    /// The latest epoch of which something has come.
    latest: Epoch,
}

/// The members of a count and day.
struct Admitted {
    /// Their numbers in the interner.
    numbers: RoaringBitmap,
    room: Room,
}

impl Admission {
    /// Of none yet.
    pub fn new(model: Arc<Model>, limit: MemberLimit) -> Self {
        let first_kept = vec![Day(i32::MIN); model.counts.len()];
        Admission { model, limit, days: HashMap::new(), first_kept, expired: BTreeMap::new(), latest: 0 }
    }

    /// Days before these leave from now on, of each count.
    pub fn keep_from(&mut self, first: Vec<Day>) {
        let before = std::mem::replace(&mut self.first_kept, first);
        // What is on its way was of no day before these when it came.
        self.expect_expired(self.latest, before.into_iter().min().unwrap_or(Day(i32::MIN)));
    }

    /// The latest epoch of which something has come: what is on its way to the arrangement is of no later one.
    pub fn latest(&self) -> Epoch {
        self.latest
    }

    /// The first day of each count that is kept.
    pub fn first_kept(&self) -> &[Day] {
        &self.first_kept
    }

    /// The first of the days that are not kept of which something may have come since this was last taken note of.
    pub fn expired(&self) -> Option<Day> {
        self.expired.values().min().copied()
    }

    /// Whether there is such, which is taken note of now: as far as it is of epochs before this one.
    pub fn take_expired(&mut self, open: Epoch) -> bool {
        let later = self.expired.split_off(&open);
        !std::mem::replace(&mut self.expired, later).is_empty() || !self.expired.is_empty()
    }

    /// Notes that in an epoch something of this day, which is not kept, may have come.
    pub fn expect_expired(&mut self, epoch: Epoch, day: Day) {
        let first = self.expired.entry(epoch).or_insert(day);
        *first = day.min(*first);
    }

    /// Forgets whom it admitted on days before these, of each count, and before this one.
    pub fn forget_before(&mut self, first: &[Day], before: Day) {
        self.days.retain(|(count, day), _| *day >= before.min(first[usize::from(*count)]));
    }

    /// The numbers of all members that were admitted.
    pub fn numbers(&self) -> RoaringBitmap {
        self.days.values().map(|admitted| &admitted.numbers).union()
    }

    /// What a key is counted under, of which there are more events, or fewer.
    pub fn admit(&mut self, interner: &mut Interner, key: Key, epoch: Epoch) -> PackedKey {
        self.latest = self.latest.max(epoch);
        if key.day < self.first_kept[usize::from(key.count)] {
            self.expect_expired(epoch, key.day);
        }
        let Admission { model, limit, days, .. } = self;
        let count = &model.counts[usize::from(key.count)];
        if count.open.is_empty() {
            return PackedKey::new(key, |member| interner.intern(member));
        }
        let admitted = days
            .entry((key.count, key.day))
            .or_insert_with(|| Admitted { numbers: RoaringBitmap::new(), room: Room::new(*limit) });
        PackedKey::new(key, |member| admitted.number(count, interner, member, epoch))
    }
}

impl Admitted {
    /// The number of what a member is counted under.
    fn number(&mut self, count: &Count, interner: &mut Interner, member: Text, epoch: Epoch) -> u32 {
        let found = interner.find(&member);
        if let Ok(number) = found
            && self.numbers.contains(number)
        {
            return number;
        }
        if count.is_others(&member) {
            return interner.intern_others(member);
        }
        if !self.room.admits(&count.open_part(&member), epoch) {
            return interner.intern_others(count.others(&member));
        }
        let number = interner.intern_found(found, member);
        self.numbers.insert(number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_have_all_the_room() {
        for members in [0, 1, 5, 4_095, 8_191, 1_000_000, 1_048_577, u32::MAX] {
            let limit = MemberLimit::new(members);
            let room: u64 = (0..limit.shards).map(|shard| u64::from(limit.room(shard))).sum();
            assert_eq!(room, u64::from(members));
        }
    }

    #[test]
    fn a_text_is_always_of_one_shard() {
        // The tables remember which members were admitted, so this may not change from one build to another.
        let limit = MemberLimit::new(MemberLimit::DEFAULT);
        let shards = ["85", "https://shop.de/", "007"].map(|text| limit.shard(&Text::<&str>::from(text)));
        assert_eq!(shards, [91, 47, 190]);
    }
}
