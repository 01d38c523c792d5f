//! When events happen: spread over days with a day's rise and fall, or now; and some of them late.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike};
use rand::RngExt;

use super::Dice;

/// Over which time the events spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Evenly along the shops' local time, busier in the evening than at night.
    Days {
        /// The first day.
        start: NaiveDate,
        /// How many days.
        days: u32,
        /// After how many events the days are over. Events beyond that begin at `start` again, so that an endless
        /// run never reaches the future.
        events: u64,
    },
    /// Every event happens now, by this machine's clock in UTC.
    Live,
}

/// When one event happened, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// By the visitor's clock, as if that were UTC: what `local_time` says.
    pub local: i64,
    /// Really: what `time_stamp` says.
    pub utc: i64,
}

const DAY: i64 = 86_400;

/// How busy each hour of a day is, from midnight on: quiet before dawn, busiest at nine in the evening.
const HOURS: [u64; 24] = [30, 19, 12, 9, 8, 10, 18, 28, 38, 46, 52, 55, 57, 56, 56, 57, 58, 60, 64, 72, 80, 84, 74, 50];

/// Gives every event its time.
pub(super) struct Clock {
    span: Span,
}

impl Clock {
    pub fn new(span: Span) -> Self {
        Self { span }
    }

    /// The time of event number `sequence`, for a visitor whose clock is `utc_hours` ahead of UTC.
    pub fn moment(&self, sequence: u64, utc_hours: i64, dice: &mut Dice) -> Moment {
        let late = if dice.random_ratio(1, 100) { dice.random_range(1..=3 * DAY) } else { 0 };
        match self.span {
            Span::Days { start, days, events } => {
                let local = since_1970(start) + spread(sequence, events, days) - late;
                // The server's clock looks at the event a little later than the visitor's.
                Moment { local, utc: local - utc_hours * 3_600 + dice.random_range(0..6) }
            }
            Span::Live => {
                // No shop's offset here: "now" is to mean the same for everyone who reads the event time as UTC.
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs() as i64);
                Moment { local: now - late, utc: now - late }
            }
        }
    }
}

fn since_1970(date: NaiveDate) -> i64 {
    date.and_time(NaiveTime::MIN).and_utc().timestamp()
}

/// Seconds from the first midnight to event `sequence` of `events`, with each hour as full as [`HOURS`] says.
fn spread(sequence: u64, events: u64, days: u32) -> i64 {
    let whole_day = HOURS.iter().sum::<u64>() * 3_600;
    let passed = u128::from(sequence % events.max(1)) * u128::from(whole_day) * u128::from(days);
    let passed = (passed / u128::from(events.max(1))) as u64;
    let mut rest = passed % whole_day;
    let mut hour = 0;
    while rest >= HOURS[hour] * 3_600 {
        rest -= HOURS[hour] * 3_600;
        hour += 1;
    }
    (passed / whole_day) as i64 * DAY + hour as i64 * 3_600 + (rest / HOURS[hour]) as i64
}

/// Appends `yyyy-MM-dd HH:mm:ss`, or with `short_hour` the form of old records: `yyyy-MM-dd H:mm:ss`.
pub(super) fn push_local_time(out: &mut String, local: i64, short_hour: bool) {
    let time = DateTime::from_timestamp(local, 0).unwrap_or_default();
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    // Writing to a String cannot fail.
    let _ = if short_hour {
        write!(out, "{year:04}-{month:02}-{day:02} {hour}:{minute:02}:{second:02}")
    } else {
        write!(out, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    };
}
