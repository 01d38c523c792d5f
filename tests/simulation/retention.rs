//! Tables that days leave: what is kept is right at every moment, what follows from it once nothing else is left.

use dataflows::{Attributes, Day, DimensionKey, Model, RowKey, Value};

use super::naive::{Event, Tables, naive};
use super::store::{Stored, differences};
use super::topic::Log;

/// Whether an event of this day has expired, as the next one of a partition of which this is the newest day so far.
pub fn has_expired(log: &Log, day: i32, newest: &mut Option<Day>) -> bool {
    let Some(days) = log.retain else { return false };
    let has_expired = newest.is_some_and(|newest| day < newest.0 - days);
    if !has_expired {
        *newest = (*newest).max(Some(Day(day)));
    }
    has_expired
}

impl Stored {
    /// The first day that is kept.
    fn first_kept(&self, log: &Log) -> Option<Day> {
        let newest = self.progress.values().filter_map(|progress| progress.newest_day).max();
        newest.zip(log.retain).map(|(newest, days)| Day(newest.0 - days))
    }

    /// Whether there are rows of days that are to leave.
    pub fn has_leaving(&self, log: &Log) -> bool {
        self.first_kept(log).is_some_and(|first| self.tables.keys().any(|key| leaves(key, first)))
    }

    /// Compares the tables with the days that are kept of these events. What leaves may hold copies still.
    pub fn check_kept(&self, log: &Log, events: &[Event], copies: Vec<Event>) -> Result<(), String> {
        let Some(first) = self.first_kept(log) else { return Ok(()) };
        let kept = events.iter().filter(|event| event.day >= first.0).cloned();
        let all = naive(&events.iter().cloned().chain(copies).collect::<Vec<_>>());
        let expected = naive(&kept.collect::<Vec<_>>());
        let too_much = |(key, value): &(&RowKey, &Value)| match (value, all.get(*key)) {
            (Value::Total(total), Some(Value::Total(most))) => total > most || *total <= 0,
            (Value::Total(_), _) => true,
            _ => false,
        };
        if let Some((key, value)) = self.tables.iter().filter(|(key, _)| leaves(key, first)).find(too_much) {
            return Err(format!("{key:?} leaves, and is {value:?}"));
        }
        let has_leaving = self.has_leaving(log);
        let compared = |tables: &Tables| -> Tables {
            let rows = tables.iter().filter(|(key, _)| if has_leaving { is_of_day(key, first) } else { true });
            rows.filter_map(|(key, value)| Some((key.clone(), by_counts(key, value)?))).collect()
        };
        if let Some(first) = differences(&compared(&self.tables), &compared(&expected)) {
            return Err(format!("of {} events, days leave: {has_leaving}: {first}", events.len()));
        }
        // What is still to leave may tell of what is kept as well.
        match expected.iter().find(|(key, value)| !has_leaving && says_less(self.tables.get(*key), value)) {
            Some((key, value)) => Err(format!("{key:?} is {:?}, less than {value:?}", self.tables.get(key))),
            None => Ok(()),
        }
    }
}

/// The day of a row that has one.
fn day_of(key: &RowKey) -> Option<Day> {
    match key {
        RowKey::Count(key) => Model::builtin().counts[usize::from(key.count)].has_day.then_some(key.day),
        RowKey::Rank { group, .. } => Some(group.day),
        RowKey::Member(_) => None,
    }
}

fn leaves(key: &RowKey, first: Day) -> bool {
    day_of(key).is_some_and(|day| day < first)
}

fn is_of_day(key: &RowKey, first: Day) -> bool {
    day_of(key).is_some_and(|day| day >= first)
}

/// A row without what only records can say, which depends on when a member went and came back.
fn by_counts(key: &RowKey, value: &Value) -> Option<Value> {
    match (key, value) {
        (RowKey::Member(DimensionKey::PageHost(_) | DimensionKey::ProductName(_)), _) => None,
        (_, Value::Attributes(known)) => {
            Some(Value::Attributes(Box::new(Attributes { page: None, is_own: false, ..(**known).clone() })))
        }
        (_, value) => Some(value.clone()),
    }
}

/// Whether a row lacks something that records said of a member, as if no other records had ever been.
fn says_less(held: Option<&Value>, least: &Value) -> bool {
    let Value::Attributes(least) = least else { return false };
    let Some(Value::Attributes(held)) = held else { return true };
    let views = |known: &Attributes| known.page.as_ref().map_or(0, |page| page.views);
    (least.is_own && !held.is_own) || views(held) < views(least) || (least.page.is_some() && held.page.is_none())
}
