//! Records that break careless consumers. Each is one line in a table, with its expected fate.
//!
//! A case spoils an ordinary `view_product_detail` event: it sets one of the members, or rebuilds the bytes. The
//! fates hold for default settings (`--views view_product_detail`, `--clock local-time`, no `--dedup`).

mod draft;
mod links;
mod products;
mod shapes;
mod times;

use chrono::NaiveDate;

pub use draft::Draft;

/// How a record must be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Odd, but a view like every other.
    Counted,
    /// Not a view, so nothing else of it is read.
    Ignored,
    /// Unusable: rejected with a reason.
    Rejected,
    /// The contract leaves it open: counted or rejected, but nothing else, and no crash.
    Open,
}

/// How a case changes an event.
#[derive(Clone, Copy)]
enum Change {
    /// One member gets this JSON as its value.
    Set(&'static str, &'static str),
    /// The whole record is rebuilt.
    Build(fn(Draft) -> Option<Vec<u8>>),
}

/// One hostile case.
#[derive(Clone, Copy)]
pub struct Case {
    /// What is odd about it.
    pub name: &'static str,
    /// How it must be treated.
    pub fate: Fate,
    /// Whether it has a day long ago, whenever its event happened.
    pub is_old: bool,
    change: Change,
}

impl Case {
    /// The record that this case makes of an ordinary event; none is Kafka's null value.
    pub fn spoil(&self, event: &str) -> Option<Vec<u8>> {
        self.spoil_since(event, NaiveDate::MIN)
    }

    /// Like [`Case::spoil`], if there are no events before the day `first`.
    pub(super) fn spoil_since(&self, event: &str, first: NaiveDate) -> Option<Vec<u8>> {
        let draft = Draft::new(event);
        let eve = draft.eve(first);
        let mut record = match self.change {
            Change::Set(member, value) => draft.with(member, value).bytes(),
            Change::Build(build) => build(draft),
        };
        if let (Some(record), Some((date, stamp))) = (&mut record, eve) {
            replace(record, b"2020-06-04", date.as_bytes());
            replace(record, b"1591266092", stamp.as_bytes());
        }
        record
    }

    /// Marks a case of a day long ago.
    const fn old(self) -> Case {
        Case { is_old: true, ..self }
    }
}

/// The cases are written for a fixed time. A record has the day before its event instead, so that it is neither on a day
/// without other events nor in the future.
fn replace(record: &mut [u8], old: &[u8], new: &[u8]) {
    let mut from = 0;
    while let Some(at) = record[from..].windows(old.len()).position(|found| found == old) {
        from += at + old.len();
        if new.len() == old.len() {
            record[from - old.len()..from].copy_from_slice(new);
        }
    }
}

const fn set(name: &'static str, fate: Fate, member: &'static str, value: &'static str) -> Case {
    Case { name, fate, is_old: false, change: Change::Set(member, value) }
}

const fn build(name: &'static str, fate: Fate, build: fn(Draft) -> Option<Vec<u8>>) -> Case {
    Case { name, fate, is_old: false, change: Change::Build(build) }
}

const TABLES: [&[Case]; 4] = [shapes::CASES, times::CASES, products::CASES, links::CASES];

/// All cases, in a fixed order.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    TABLES.into_iter().flatten()
}

/// Case number `turn`; after the last one they begin again.
pub(super) fn case(turn: usize) -> &'static Case {
    let mut rest = turn % TABLES.iter().map(|table| table.len()).sum::<usize>();
    for table in TABLES {
        match table.get(rest) {
            Some(case) => return case,
            None => rest -= table.len(),
        }
    }
    &shapes::CASES[0]
}
