//! How many days before the newest are kept: of all reports, and of each.

use std::fmt;
use std::str::FromStr;

use crate::Day;
use crate::model::Model;

/// How many days before the newest are kept. Fewer days order first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DaysKept {
    /// This many.
    Days(u32),
    /// All.
    All,
}

/// More days than there are from the year 0 to the year 9999: all.
const DAYS_MAX: u32 = 4_000_000;

impl FromStr for DaysKept {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days = || text.strip_suffix('d')?.parse().ok().filter(|days| (1..=DAYS_MAX).contains(days));
        match text {
            "off" => Ok(DaysKept::All),
            _ => days().map(DaysKept::Days).ok_or_else(|| "expected whole days, at least 1d, like 400d, or off".into()),
        }
    }
}

impl fmt::Display for DaysKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DaysKept::Days(days) => write!(f, "{days}d"),
            DaysKept::All => f.write_str("off"),
        }
    }
}

impl DaysKept {
    /// The first day that is kept if this is the newest.
    pub fn first(self, newest: Day) -> Day {
        match self {
            DaysKept::Days(days) => Day(newest.0.saturating_sub(days as i32)),
            DaysKept::All => Day(i32::MIN),
        }
    }
}

/// How many days of each count are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// By the places of [`Model::counts`]; all of a count without days.
    counts: Vec<DaysKept>,
    /// The most of any count.
    longest: DaysKept,
}

impl Kept {
    /// Those of a model; reports that do not declare their own keep `unless_declared`.
    ///
    /// A count is kept as long as any report needs it, and what is rolled up from it falls with it.
    pub fn new(model: &Model, unless_declared: DaysKept) -> Kept {
        let of_count = |id: usize| {
            let finest = &model.counts[model.counts[id].from.unwrap_or(id)];
            let declared = finest.kept.iter().map(|kept| kept.unwrap_or(unless_declared)).max();
            declared.filter(|_| finest.has_day).unwrap_or(DaysKept::All)
        };
        let with_day = model.counted().filter(|id| model.counts[*id].has_day);
        Kept {
            longest: with_day.map(of_count).max().unwrap_or(DaysKept::All),
            counts: (0..model.counts.len()).map(of_count).collect(),
        }
    }

    /// Whether no day ever leaves.
    pub fn is_all(&self) -> bool {
        self.counts.iter().all(|kept| *kept == DaysKept::All)
    }

    /// The most days that any count keeps: an event before these counts nowhere.
    pub fn longest(&self) -> DaysKept {
        self.longest
    }

    /// The first day of each count that is kept if this is the newest.
    pub fn first_days(&self, newest: Day) -> Vec<Day> {
        self.counts.iter().map(|kept| kept.first(newest)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_stays_while_a_report_needs_it() {
        let head = "[event]\ntime_stamp = 'at'\n[fields]\nitem = { path = 'item', kind = 'id' }\n";
        let reports = [
            ("by = ['day', 'hour', 'item']", "retain = '3d'"),
            ("top = { count = 3, of = 'item', by = ['day'] }", "retain = '30d'"),
            ("by = ['day']", ""),
            ("by = ['item']\nwhere = { item = '1' }", ""),
        ];
        let report =
            |(at, (by, retain)): (usize, &(&str, &str))| format!("[[report]]\ntable = 't{at}'\n{retain}\n{by}\n");
        let text = reports.iter().enumerate().map(report).fold(head.to_owned(), |text, report| text + &report);
        let model = Model::parse(&text, "test").expect("a model");
        let of = |table: &str, kept: &Kept| {
            let of_table = model.counts.iter().position(|it| it.table.is_some_and(|it| model.tables[it].name == table));
            kept.counts[of_table.expect("a count of that table")]
        };
        for (unless_declared, by_day, longest) in [
            (DaysKept::All, DaysKept::All, DaysKept::All),
            (DaysKept::Days(7), DaysKept::Days(7), DaysKept::Days(30)),
            (DaysKept::Days(90), DaysKept::Days(90), DaysKept::Days(90)),
        ] {
            let kept = Kept::new(&model, unless_declared);
            assert_eq!(
                [of("t0", &kept), of("t2", &kept), of("t3", &kept)],
                [DaysKept::Days(30), by_day, DaysKept::All]
            );
            assert_eq!((kept.longest(), kept.is_all()), (longest, false));
        }
        assert!(Kept::new(&Model::builtin(), DaysKept::All).is_all());
    }

    #[test]
    fn days_are_whole_and_at_least_one() {
        for (text, days) in [("1d", DaysKept::Days(1)), ("400d", DaysKept::Days(400)), ("off", DaysKept::All)] {
            assert_eq!(text.parse(), Ok(days));
            assert_eq!(days.to_string(), text);
        }
        for text in ["", "d", "0d", "-1d", "1.5d", "24h", "400", "4000001d", "on", " 1d", "30days"] {
            assert!(text.parse::<DaysKept>().is_err(), "{text}");
        }
        assert!(DaysKept::Days(u32::MAX) < DaysKept::All);
    }
}
