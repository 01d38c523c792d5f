//! Which days a report is about.

use std::fmt;

use anyhow::{Result, bail};
use chrono::{Datelike, Days, NaiveDate, TimeDelta};
use clap::ValueEnum;
use serde::Serialize;

use super::{NoData, Snapshot};

/// Days of a range: nobody looks at more, and summing them up would take too long.
pub const DAYS_MAX: i64 = 400;
/// Days up to which an hourly report stays hourly; over more it is daily.
pub const HOURLY_DAYS_MAX: i64 = 2;

/// Which days are asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Period {
    /// The current or latest one; for the hours of a member, the last day that it has.
    #[default]
    Latest,
    /// This one.
    Day(NaiveDate),
    /// All of these together.
    Range(DayRange),
}

/// Days from one to another, both included; if open, until the current or latest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DayRange {
    from: NaiveDate,
    to: Option<NaiveDate>,
}

/// What days are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Comparison {
    /// As many days, right before
    Previous,
    /// The same days of the week, as few weeks before as are needed
    Weekday,
}

impl Comparison {
    /// The names that a request uses.
    pub const NAMES: [(&str, Comparison); 2] = [("previous", Comparison::Previous), ("weekday", Comparison::Weekday)];
}

/// Why a report cannot be given for these days, whatever was counted.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongPeriod(pub String);

impl Period {
    /// The same as a range, which may be of one day; none if the current day decides.
    pub fn as_range(self) -> Option<DayRange> {
        match self {
            Period::Latest => None,
            Period::Day(day) => Some(DayRange { from: day, to: Some(day) }),
            Period::Range(range) => Some(range),
        }
    }

    /// The period of a day, or of the first and the last day of a range, as far as they are given.
    pub fn new(day: Option<NaiveDate>, from: Option<NaiveDate>, to: Option<NaiveDate>) -> Result<Period, WrongPeriod> {
        match (day, from, to) {
            (None, None, None) => Ok(Period::Latest),
            (Some(day), None, None) => Ok(Period::Day(day)),
            (Some(_), ..) => Err(WrongPeriod("day is one day, from and to are several; give one or the other".into())),
            (None, None, Some(_)) => {
                Err(WrongPeriod("to is the last of several days; give the first one as from".into()))
            }
            (None, Some(from), to) => {
                let span = Span { from, to: to.unwrap_or(from) };
                span.check().map(|()| Period::Range(DayRange { from, to }))
            }
        }
    }
}

impl Period {
    /// Whether an hourly report stays hourly. `today` is the current day.
    pub(super) fn is_hourly(self, today: Option<NaiveDate>) -> bool {
        match self {
            Period::Latest | Period::Day(_) => true,
            Period::Range(DayRange { from, to }) => to.or(today).is_none_or(|to| Span { from, to }.is_hourly()),
        }
    }
}

impl DayRange {
    /// The days of the range at this moment.
    pub(super) fn span(self, tables: &mut Snapshot<'_>) -> Result<Span> {
        let to = match self.to {
            Some(to) => to,
            None => tables.current_day()?.ok_or_else(super::query::nothing)?,
        };
        let span = Span { from: self.from, to };
        if self.to.is_none() && self.from > to {
            bail!(NoData::new(format!("there is nothing from {} on", self.from), format!("the current day is {to}")));
        }
        span.check()?;
        Ok(span)
    }
}

/// The first and the last of some days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The first.
    pub from: NaiveDate,
    /// The last.
    pub to: NaiveDate,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span { from, to } = self;
        if from == to { write!(f, "{from}") } else { write!(f, "{from} to {to}") }
    }
}

impl Span {
    fn check(self) -> Result<(), WrongPeriod> {
        let Span { from, to } = self;
        if from > to {
            return Err(WrongPeriod(format!("from is {from}, which is after to, {to}; give the earlier day as from")));
        }
        if self.days() > DAYS_MAX {
            let last = from.checked_add_days(Days::new(DAYS_MAX as u64 - 1)).unwrap_or(to);
            let what = format!("from {from} to {to} are {} days", self.days());
            return Err(WrongPeriod(format!("{what}; a range has at most {DAYS_MAX}, as until {last}")));
        }
        Ok(())
    }

    /// A single day.
    pub(super) fn day(day: NaiveDate) -> Span {
        Span { from: day, to: day }
    }

    /// The days to compare with: as many, and all earlier.
    pub(super) fn before(self, comparison: Comparison) -> Result<Span, WrongPeriod> {
        let by = match comparison {
            Comparison::Previous => self.days(),
            Comparison::Weekday => (self.days() + 6) / 7 * 7,
        };
        let earlier = |day: NaiveDate| day.checked_sub_days(Days::new(by as u64)).filter(|day| day.year() >= 1);
        match (earlier(self.from), earlier(self.to)) {
            (Some(from), Some(to)) => Ok(Span { from, to }),
            _ => Err(WrongPeriod(format!("there are no days to compare {} with", self.from))),
        }
    }

    /// How many days it is after an earlier one.
    pub(super) fn since(self, before: Span) -> i32 {
        (self.from - before.from).num_days() as i32
    }

    fn days(self) -> i64 {
        (self.to - self.from + TimeDelta::days(1)).num_days()
    }

    /// Whether an hourly report stays hourly.
    pub(super) fn is_hourly(self) -> bool {
        self.days() <= HOURLY_DAYS_MAX
    }
}
