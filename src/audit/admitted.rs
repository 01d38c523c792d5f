//! Which members the tables count one by one, and whether others were left out only because there was no room.
//!
//! The topic does not say which members come first, as workers read its partitions in parallel; so the audit trusts the tables
//! in which members they admitted. The rest follows and is checked: who the others are, and that there was no room for them.

use std::collections::BTreeSet;

use dataflows::model::{Count, Dimension, Model};
use dataflows::{MemberLimit, OTHERS, Text};
use hashbrown::{HashMap, HashSet};

use super::ledger::{Key, Rows, Views, cell, join, place};
use super::texts::Texts;

/// What was admitted on the days on which members were left out.
#[derive(Default)]
pub struct Admitted {
    limit: MemberLimit,
    /// By count and day; a count without a day has the day "".
    days: Vec<HashMap<String, Day>>,
}

#[derive(Default)]
struct Day {
    /// The admitted members, by the texts of their fields.
    members: HashSet<Key>,
    /// How many members are admitted, by shard.
    taken: HashMap<u32, u32>,
    /// The shards of members that were left out.
    left_out: BTreeSet<u32>,
}

/// A member of a count, by the texts of its fields.
struct Member<'a> {
    day: &'a str,
    fields: Vec<&'a str>,
    /// Those of them whose values visitors can make up.
    open: Vec<&'a str>,
}

impl<'a> Member<'a> {
    /// The member of a key or an event, by its texts.
    fn new(count: &Count, text: impl Fn(Dimension) -> &'a str) -> Member<'a> {
        let fields: Vec<_> = count.members.iter().map(|field| text(Dimension::Field(*field))).collect();
        let open = count.open.iter().map(|place| fields[*place]).collect();
        Member { day: if count.has_day { text(Dimension::Day) } else { "" }, fields, open }
    }

    fn is_others(&self) -> bool {
        is_others(self.open.iter().copied())
    }

    fn key(&self) -> Key {
        joined(&self.fields)
    }

    fn shard(&self, limit: MemberLimit) -> u32 {
        limit.shard(&Text::<&str>::from(joined(&self.open).as_str()))
    }
}

/// Whether the texts that visitors can make up stand for the members that were left out.
pub fn is_others<'a>(open: impl IntoIterator<Item = &'a str>) -> bool {
    let mut open = open.into_iter().peekable();
    open.peek().is_some() && open.all(|text| text == OTHERS)
}

fn joined(texts: &[&str]) -> String {
    let mut joined = String::new();
    join(texts.iter().copied(), &mut joined);
    joined
}

impl Admitted {
    /// The members that the stored counts admitted.
    pub fn new(model: &Model, counted: &[HashMap<Key, Views>], limit: MemberLimit) -> Admitted {
        let days = model.counts.iter().zip(counted).map(|(count, rows)| {
            let mut days: HashMap<String, Day> = HashMap::new();
            if count.open.is_empty() || count.from.is_some() {
                return days;
            }
            for key in rows.keys().filter(|key| key.contains(OTHERS)) {
                let member = Member::new(count, |dimension| cell(key, place(&count.by, dimension)));
                if member.is_others() {
                    days.entry_ref(member.day).or_default();
                }
            }
            // On most days of most counts there is room for all.
            for key in rows.keys().take(if days.is_empty() { 0 } else { usize::MAX }) {
                let member = Member::new(count, |dimension| cell(key, place(&count.by, dimension)));
                if let Some(day) = days.get_mut(member.day).filter(|_| !member.is_others())
                    && day.members.insert(member.key())
                {
                    *day.taken.entry(member.shard(limit)).or_default() += 1;
                }
            }
            days
        });
        Admitted { limit, days: days.collect() }
    }

    /// Whether an event that has all dimensions of the count counts there as one of the others.
    pub fn is_left_out(&mut self, place: usize, count: &Count, texts: &Texts<'_>) -> bool {
        if self.days[place].is_empty() {
            return false;
        }
        let member = Member::new(count, |dimension| texts.get(dimension).unwrap_or_default());
        let Some(day) = self.days[place].get_mut(member.day) else { return false };
        if day.members.contains(&member.key()) {
            return false;
        }
        if !member.is_others() {
            day.left_out.insert(member.shard(self.limit));
        }
        true
    }

    /// The days of a count on which members were left out though there was room, or admitted though there was none.
    pub fn differences(&self, count: usize) -> Vec<String> {
        let mut differences = Vec::new();
        for (name, day) in &self.days[count] {
            let when = if name.is_empty() { String::new() } else { format!("day {name}: ") };
            let taken = |shard| day.taken.get(&shard).copied().unwrap_or_default();
            if day.left_out.iter().any(|shard| taken(*shard) < self.limit.room(*shard)) {
                differences.push(format!("{when}members are counted as {OTHERS} though there was room for them"));
            }
            if day.taken.iter().any(|(shard, taken)| *taken > self.limit.room(*shard)) {
                let limit = self.limit.members();
                differences.push(format!("{when}more members than --max-members {limit} are counted by themselves"));
            }
        }
        differences
    }

    /// Removes the members of a dimension that were left out: those that the table lacks where it has no room. `text` is the
    /// part of a key that its shard depends on.
    pub fn of_dimension(&self, stored: &Rows, mut recounted: Rows, text: impl Fn(&str) -> &str) -> Rows {
        let shard = |key: &str| self.limit.shard(&Text::<&str>::from(text(key)));
        let mut taken: HashMap<u32, u32> = HashMap::new();
        stored.keys().for_each(|key| *taken.entry(shard(key)).or_default() += 1);
        let has_room = |shard| taken.get(&shard).is_none_or(|taken| *taken < self.limit.room(shard));
        recounted.retain(|key, _| stored.contains_key(key) || has_room(shard(key)));
        recounted
    }
}
