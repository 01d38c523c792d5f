//! When an event happened.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use dataflows::Day;
use dataflows::model::{EventShape, Member};

use super::members::Value;
use super::{Reason, Scalar};

const SECONDS_A_DAY: i64 = 86_400;
/// 2000-01-01, in seconds since 1970.
const EARLIEST: i64 = 946_684_800;
/// 10000-01-01: no date of four digits lies after it.
const END: i64 = 253_402_300_800;
/// A time stamp above this, in absolute value, is in milliseconds: as seconds it would be the year 5138.
const LARGEST_SECONDS: u64 = 100_000_000_000;

/// What the event time is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The member with the local time as it stands; where there is none, the time stamp in UTC.
    LocalTime,
    /// The time stamp in this time zone; where there is none, the local time as it stands.
    TimeStamp(Tz),
}

/// The date of a day.
pub fn date(Day(day): Day) -> NaiveDate {
    let distance = TimeDelta::days(i64::from(day));
    // Days of events lie between the years 1999 and 9999.
    DateTime::UNIX_EPOCH.date_naive().checked_add_signed(distance).unwrap_or(NaiveDate::MAX)
}

/// A date and time of day without a zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct EventTime {
    /// Since 1970-01-01 00:00:00.
    seconds: i64,
    nanos: u32,
}

impl Clock {
    /// The event time, from the members that say it in events of this shape.
    pub(super) fn event_time(
        self,
        shape: &EventShape,
        local_time: Option<Value<'_>>,
        time_stamp: Option<Value<'_>>,
    ) -> Result<EventTime, Reason> {
        let bad = || Reason::BadLocalTime { member: named(&shape.local_time).unwrap_or_default() };
        let local = match Scalar::of(local_time)? {
            Scalar::Null => None,
            Scalar::Text(text) if text.is_empty() => None,
            Scalar::Text(text) => Some(parse_local(&text).ok_or_else(bad)),
            _ => Some(Err(bad())),
        };
        let stamp = Scalar::of(time_stamp)?;
        match (self, local) {
            (Clock::LocalTime, Some(local)) | (_, Some(local @ Err(_))) => local,
            (clock, local) => match (clock, seconds(stamp)) {
                (Clock::TimeStamp(zone), Some(seconds)) => in_zone(seconds, zone),
                (Clock::LocalTime, Some(seconds)) => Ok(EventTime { seconds, nanos: 0 }),
                (_, None) => local.unwrap_or_else(|| {
                    let (local_time, time_stamp) = (named(&shape.local_time), named(&shape.time_stamp));
                    Err(Reason::NoTime { local_time, time_stamp })
                }),
            },
        }
    }
}

impl EventTime {
    /// Refuses times that one wrong clock makes: before 2000, or more than `max_future` after the record's Kafka
    /// timestamp, in milliseconds. The event time is read as UTC.
    pub fn check(self, timestamp: Option<i64>, max_future: Duration) -> Result<(), Reason> {
        if self.seconds < EARLIEST {
            return Err(Reason::TooOld);
        }
        let event = i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos);
        let latest = timestamp.map(|millis| i128::from(millis) * 1_000_000 + max_future.as_nanos() as i128);
        if self.seconds >= END || latest.is_some_and(|latest| event > latest) {
            return Err(Reason::TooNew);
        }
        Ok(())
    }

    /// Its day. Only of a checked time.
    pub fn day(self) -> Day {
        Day(self.seconds.div_euclid(SECONDS_A_DAY) as i32)
    }

    /// Its hour.
    pub fn hour(self) -> u8 {
        (self.seconds.rem_euclid(SECONDS_A_DAY) / 3_600) as u8
    }
}

fn named(member: &Option<Member>) -> Option<String> {
    member.as_ref().map(ToString::to_string)
}

/// The seconds since 1970 of a time stamp.
fn seconds(stamp: Scalar<'_>) -> Option<i64> {
    let Scalar::Number(stamp) = stamp else { return None };
    let stamp: i64 = stamp.parse().ok()?;
    Some(if stamp.unsigned_abs() > LARGEST_SECONDS { stamp.div_euclid(1_000) } else { stamp })
}

/// What a clock on the wall of this zone showed at this moment.
fn in_zone(seconds: i64, zone: Tz) -> Result<EventTime, Reason> {
    let Some(moment) = DateTime::from_timestamp(seconds, 0) else {
        return Err(if seconds < 0 { Reason::TooOld } else { Reason::TooNew });
    };
    let offset = zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc();
    Ok(EventTime { seconds: seconds + i64::from(offset), nanos: 0 })
}

/// Reads `yyyy-MM-dd[ T]H[H]:mm:ss[.fraction]`.
fn parse_local(text: &str) -> Option<EventTime> {
    let bytes = text.as_bytes();
    let (date, clock) = bytes.split_at_checked(11)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b' ' | b'T'] = date else { return None };
    let (hour, rest) = match clock {
        [h, b':', rest @ ..] => (digits([*h])?, rest),
        [h1, h2, b':', rest @ ..] => (digits([*h1, *h2])?, rest),
        _ => return None,
    };
    let [n1, n2, b':', s1, s2, fraction @ ..] = rest else { return None };
    let (minute, second) = (digits([*n1, *n2])?, digits([*s1, *s2])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos = nanos_of_fraction(fraction)?;
    let day = days_since_1970(digits([*y1, *y2, *y3, *y4])?, digits([*m1, *m2])?, digits([*d1, *d2])?)?;
    Some(EventTime { seconds: day * SECONDS_A_DAY + i64::from(hour * 3_600 + minute * 60 + second), nanos })
}

fn days_since_1970(year: u32, month: u32, day: u32) -> Option<i64> {
    let date = NaiveDate::from_ymd_opt(year as i32, month, day)?;
    Some(date.signed_duration_since(NaiveDate::default()).num_days())
}

/// Nothing, or a point and at least one digit; beyond nanoseconds nothing is kept.
fn nanos_of_fraction(fraction: &[u8]) -> Option<u32> {
    match fraction {
        [] => Some(0),
        [b'.', first, rest @ ..] if first.is_ascii_digit() && rest.iter().all(u8::is_ascii_digit) => {
            let nine = fraction[1..].iter().chain(std::iter::repeat(&b'0')).take(9);
            Some(nine.fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
        }
        _ => None,
    }
}

/// The number that these ASCII digits spell.
fn digits<const N: usize>(digits: [u8; N]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}
