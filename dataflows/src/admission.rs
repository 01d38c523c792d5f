//! Which members get a count of their own: the first to come, up to a limit per report and day. All others of that
//! report and day are counted together, as [`OTHERS`], so that visitors cannot exhaust the memory.
//!
//! A member is admitted at its first view or never, so the count of every row is exact, and that of the others is the exact
//! rest. Only which members are admitted depends on the order in which they came, and the tables remember that. A member whose
//! views are all taken back keeps its place as long as the process lives, so it is never counted both by itself and
//! among the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use roaring::{MultiOps, RoaringBitmap};
use xxhash_rust::xxh3::xxh3_64;

use crate::interner::Interner;
use crate::key::PackedKey;
use crate::model::{Count, Model};
use crate::{Day, Epoch, Key, SEED, Text};

/// The name that members which were not admitted are counted under. A member of that name is counted with them.
pub const OTHERS: &str = "(others)";

/// How many members of a report are admitted on a day.
///
/// The members are divided into shards by their texts, each shard with its share of the limit, so that a single worker
/// decides about a member, however many there are.
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

/// Shards at most: enough that every worker gets some, few enough that hashing divides the members evenly.
const SHARDS_MAX: u32 = 256;
/// Members that each shard admits at least, unless there is only one.
const SHARD_MEMBERS_MIN: u32 = 4_096;

impl MemberLimit {
    /// Members per report and day: as many as any shop has.
    pub const DEFAULT: u32 = 1_000_000;

    /// A limit of this many members per report and day.
    pub fn new(members: u32) -> Self {
        MemberLimit { members, shards: (members / SHARD_MEMBERS_MIN).clamp(1, SHARDS_MAX) }
    }

    /// Members per report and day.
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
    /// The whole limit.
    pub fn new(limit: MemberLimit) -> Self {
        Room { limit, taken: vec![0; limit.shards as usize] }
    }

    /// Whether a member with this text that comes for the first time is admitted. A seeded one is: the tables hold it.
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
    /// By epoch, the earliest expired day that keys may have come of.
    expired: BTreeMap<Epoch, Day>,
    /// The latest epoch in which a key came.
    latest: Epoch,
}

/// The members of a count and day.
struct Admitted {
    /// Their numbers in the interner.
    numbers: RoaringBitmap,
    room: Room,
}

impl Admission {
    /// Nothing is admitted yet.
    pub fn new(model: Arc<Model>, limit: MemberLimit) -> Self {
        let first_kept = vec![Day(i32::MIN); model.counts.len()];
        Admission { model, limit, days: HashMap::new(), first_kept, expired: BTreeMap::new(), latest: 0 }
    }

    /// From now on, days before these expire, by count.
    pub fn keep_from(&mut self, first: Vec<Day>) {
        let before = std::mem::replace(&mut self.first_kept, first);
        // Keys in flight came while `before` held, so none is of an earlier day.
        self.expect_expired(self.latest, before.into_iter().min().unwrap_or(Day(i32::MIN)));
    }

    /// The latest epoch in which a key came: what is in flight to the arrangement is no later.
    pub fn latest(&self) -> Epoch {
        self.latest
    }

    /// The first day of each count that is kept.
    pub fn first_kept(&self) -> &[Day] {
        &self.first_kept
    }

    /// The earliest expired day that keys may have come of and that `take_expired` has not taken.
    pub fn expired(&self) -> Option<Day> {
        self.expired.values().min().copied()
    }

    /// Whether there is such a day; takes those of epochs before `open`.
    pub fn take_expired(&mut self, open: Epoch) -> bool {
        let later = self.expired.split_off(&open);
        !std::mem::replace(&mut self.expired, later).is_empty() || !self.expired.is_empty()
    }

    /// Notes that keys of this expired day may have come in an epoch.
    pub fn expect_expired(&mut self, epoch: Epoch, day: Day) {
        let first = self.expired.entry(epoch).or_insert(day);
        *first = day.min(*first);
    }

    /// Forgets the members admitted on days before both `first`, by count, and `before`.
    pub fn forget_before(&mut self, first: &[Day], before: Day) {
        self.days.retain(|(count, day), _| *day >= before.min(first[usize::from(*count)]));
    }

    /// The numbers of all members that were admitted.
    pub fn numbers(&self) -> RoaringBitmap {
        self.days.values().map(|admitted| &admitted.numbers).union()
    }

    /// What a key is counted under, when events of it are added or taken back.
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
