//! When events happen: spread over days with the rise and fall of a day and a week, or now; and some of them late.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike, Utc};
use rand::RngExt;

use super::Dice;

/// The time over which the events spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Evenly along the shops' local time, busier in the evening than at night.
    Days {
        /// The first day.
        start: NaiveDate,
        /// How many days.
        days: u32,
        /// How many events fill the days. Further ones begin at `start` again, so that an endless run never reaches the
        /// future.
        events: u64,
    },
    /// As if [`Span::Live`] had run for some days and the hours of today: in UTC, and more of them at weekends.
    Past {
        /// How many days before today.
        days: u32,
        /// Until when.
        until: DateTime<Utc>,
        /// How many events until then.
        events: u64,
    },
    /// Every event happens now, by this machine's clock in UTC.
    Live,
}

/// When one event happened, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// By the visitor's clock, as if that were UTC: the `local_time`.
    pub local: i64,
    /// In UTC: the `time_stamp`.
    pub utc: i64,
    /// When it is sent to Kafka: at once, unless it is late.
    pub sent: i64,
}

const DAY_SECONDS: i64 = 86_400;

/// How busy each hour of a day is, from midnight on: quiet before dawn, busiest at nine in the evening.
const HOURS: [u64; 24] = [30, 19, 12, 9, 8, 10, 18, 28, 38, 46, 52, 55, 57, 56, 56, 57, 58, 60, 64, 72, 80, 84, 74, 50];

/// How busy each day of a week is, from Monday on.
const WEEKDAYS: [u64; 7] = [10, 9, 9, 9, 10, 12, 14];

/// Gives every event its time.
pub(super) struct Clock {
    span: Span,
    /// How they spread; none if they happen now.
    timetable: Option<Timetable>,
}

impl Clock {
    pub fn new(span: Span) -> Self {
        let timetable = match span {
            Span::Days { start, days, events } => {
                let begin = since_1970(start);
                Some(Timetable::new(begin, begin + i64::from(days) * DAY_SECONDS, events, |_| 1))
            }
            Span::Past { days, until, events } => {
                let begin = since_1970(until.date_naive()) - i64::from(days) * DAY_SECONDS;
                // The first day since 1970 was a Thursday.
                let weekday = |time: i64| WEEKDAYS[((time / DAY_SECONDS + 3) % 7) as usize];
                Some(Timetable::new(begin, until.timestamp(), events, weekday))
            }
            Span::Live => None,
        };
        Self { span, timetable }
    }

    /// The first day, where the events begin with one.
    pub fn first_day(&self) -> Option<NaiveDate> {
        let begin = DateTime::from_timestamp(self.timetable.as_ref()?.begin, 0)?;
        Some(begin.date_naive())
    }

    /// The time of event number `sequence`, for a visitor whose clock is `utc_hours` ahead of UTC.
    pub fn moment(&self, sequence: u64, utc_hours: i64, dice: &mut Dice) -> Moment {
        let late = if dice.random_ratio(1, 100) { dice.random_range(1..=3 * DAY_SECONDS) } else { 0 };
        let Some(timetable) = &self.timetable else {
            // No shop's offset here: "now" is to mean the same for everyone who reads the event time as UTC.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs() as i64);
            return Moment { local: now - late, utc: now - late, sent: now };
        };
        let sent = timetable.time(sequence);
        let local = sent - late;
        match self.span {
            // The server's clock looks at the event a little later than the visitor's.
            Span::Days { .. } => Moment { local, utc: local - utc_hours * 3_600 + dice.random_range(0..6), sent },
            // Nothing is late there, as there is nothing before the first day.
            _ => {
                let utc = if local < timetable.begin { sent } else { local };
                Moment { local: utc, utc, sent }
            }
        }
    }
}

fn since_1970(date: NaiveDate) -> i64 {
    date.and_time(NaiveTime::MIN).and_utc().timestamp()
}

/// Events spread over hours, in proportion to how busy each is.
struct Timetable {
    begin: i64,
    hours: Vec<Hour>,
    /// The weight of all hours.
    whole: u64,
    events: u64,
}

/// An hour, or the part of the last one.
struct Hour {
    start: i64,
    /// The weight of each of its seconds.
    busy: u64,
    /// The weight of all hours before it.
    before: u64,
}

impl Timetable {
    /// From a midnight on; `day` says how busy each day is.
    fn new(begin: i64, end: i64, events: u64, day: impl Fn(i64) -> u64) -> Self {
        let (mut hours, mut whole) = (Vec::new(), 0);
        for start in (begin..end).step_by(3_600) {
            let busy = HOURS[((start - begin) / 3_600 % 24) as usize] * day(start);
            hours.push(Hour { start, busy, before: whole });
            whole += busy * (end - start).min(3_600).unsigned_abs();
        }
        Self { begin, hours, whole, events: events.max(1) }
    }

    /// When event `sequence` happens. Those after the last begin at the first hour again.
    fn time(&self, sequence: u64) -> i64 {
        let passed = u128::from(sequence % self.events) * u128::from(self.whole) / u128::from(self.events);
        let passed = passed as u64;
        let next = self.hours.partition_point(|hour| hour.before <= passed);
        match self.hours[..next].last() {
            Some(hour) => hour.start + ((passed - hour.before) / hour.busy) as i64,
            None => self.begin,
        }
    }
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
