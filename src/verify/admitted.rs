//! Which members the tables count by themselves, and whether others were left out for want of room alone.
//!
//! Which members come first the topic does not say, as workers read its partitions side by side; so the tables are believed
//! in which they admitted. All else follows: what others there are, and that no place was free when one was left out.

use std::collections::BTreeSet;

use dataflows::{MemberLimit, OTHERS, Text};
use hashbrown::{HashMap, HashSet};

use super::ledger::{COUNTED, Key, PARTED_BY, PRODUCTS, REFERRERS, Rows, STORES, Views};
use super::texts::Texts;

/// The columns that identify a member of a report on a day, the last of them what visitors can make up.
fn columns(table: usize) -> &'static [&'static str] {
    match table {
        PRODUCTS => &["product_id"],
        REFERRERS => &["referrer_url"],
        STORES => &["country", "store_id"],
        _ => &[],
    }
}

/// What was admitted on the days on which members were left out.
#[derive(Default)]
pub struct Admitted {
    limit: MemberLimit,
    /// By table, in the order of [`COUNTED`], and day.
    days: [HashMap<String, Day>; COUNTED.len()],
}

#[derive(Default)]
struct Day {
    /// The texts of their [`columns`].
    members: HashSet<Key>,
    /// How many they are, by shard.
    taken: HashMap<u32, u32>,
    /// The shards of those that were left out.
    left_out: BTreeSet<u32>,
}

impl Admitted {
    /// What the stored counts say.
    pub fn of(counted: &[HashMap<Key, Views>; COUNTED.len()], limit: MemberLimit) -> Admitted {
        let mut admitted = Admitted { limit, ..Admitted::default() };
        for (table, rows) in counted.iter().enumerate().filter(|(table, _)| !columns(*table).is_empty()) {
            let days = &mut admitted.days[table];
            for (day, _, text) in rows.keys().filter_map(|key| member(table, key)) {
                if text == OTHERS {
                    days.entry_ref(day).or_default();
                }
            }
            for (day, member, text) in rows.keys().filter_map(|key| member(table, key)) {
                if let Some(day) = days.get_mut(day).filter(|_| text != OTHERS)
                    && day.members.insert(member)
                {
                    *day.taken.entry(limit.shard(&Text::<&str>::from(text))).or_default() += 1;
                }
            }
        }
        admitted
    }

    /// The column of a view that is one of the others in a table; none where it counts as what it is.
    pub fn left_out(&mut self, table: usize, texts: &Texts<'_>) -> Option<&'static str> {
        let day = self.days[table].get_mut(texts.get("day")?)?;
        let member: Vec<_> = columns(table).iter().filter_map(|column| texts.get(column)).collect();
        let text = *member.last()?;
        if day.members.contains(member.join(SEPARATOR).as_str()) {
            return None;
        }
        if text != OTHERS {
            day.left_out.insert(self.limit.shard(&Text::<&str>::from(text)));
        }
        columns(table).last().copied()
    }

    /// The days of a table on which members were left out though there was room, or admitted though there was none.
    pub fn differences(&self, table: usize) -> Vec<String> {
        let mut differences = Vec::new();
        for (name, day) in &self.days[table] {
            let taken = |shard| day.taken.get(&shard).copied().unwrap_or_default();
            if day.left_out.iter().any(|shard| taken(*shard) < self.limit.room(*shard)) {
                differences.push(format!("day {name}: members are counted as {OTHERS} though there was room for them"));
            }
            if day.taken.iter().any(|(shard, taken)| *taken > self.limit.room(*shard)) {
                let limit = self.limit.members();
                differences
                    .push(format!("day {name}: more members than --max-members {limit} are counted by themselves"));
            }
        }
        differences
    }

    /// Without the members of a dimension that were left out, which is those that the table lacks where it has no room.
    /// `text` gives of a key what decides about its shard.
    pub fn of_dimension(&self, stored: &Rows, mut recounted: Rows, text: impl Fn(&str) -> &str) -> Rows {
        let shard = |key: &str| self.limit.shard(&Text::<&str>::from(text(key)));
        let mut taken: HashMap<u32, u32> = HashMap::new();
        stored.keys().for_each(|key| *taken.entry(shard(key)).or_default() += 1);
        let has_room = |shard| taken.get(&shard).is_none_or(|taken| *taken < self.limit.room(shard));
        recounted.retain(|key, _| stored.contains_key(key) || has_room(shard(key)));
        recounted
    }
}

const SEPARATOR: &str = "\0";

/// The day, the member and its text of a key.
fn member(table: usize, key: &str) -> Option<(&str, Key, &str)> {
    let cell = |column: &str| {
        let place = COUNTED[table].columns.iter().position(|it| *it == column)?;
        key.split(PARTED_BY).nth(place)
    };
    let cells: Vec<_> = columns(table).iter().filter_map(|column| cell(column)).collect();
    Some((cell("day")?, cells.join(SEPARATOR), cells.last()?))
}
