//! When an event happened.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use clap::ValueEnum;
use dataflows::Day;
use dataflows::model::TimeFormat;

use super::members::{Members, Source};
use super::{Reason, Scalar};

const SECONDS_A_DAY: i64 = 86_400;
/// 2000-01-01, in seconds since 1970.
const FIRST_SECOND: i64 = 946_684_800;
/// 10000-01-01: no date of four digits lies after it.
const END_SECOND: i64 = 253_402_300_800;
/// 2100-01-01: without a Kafka timestamp no event lies after it.
const END_SECOND_WITHOUT_TIMESTAMP: i64 = 4_102_444_800;
/// A number above this, in absolute value, is in milliseconds: as seconds it would be the year 5138.
const SECONDS_MAX: u64 = 100_000_000_000;
/// Above this it is in microseconds, for the same reason.
const MILLISECONDS_MAX: u64 = 1_000 * SECONDS_MAX;

/// What the event time is read from.
///
/// Where an event has no local time, it is the time stamp in UTC; where it has no time stamp, the local time as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Clock {
    /// The member local_time, as written
    LocalTime,
    /// The member time_stamp, in --time-zone
    TimeStamp,
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

/// Which member said when an event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// That of the visitor's clock.
    LocalTime,
    /// That of the moment.
    TimeStamp,
}

/// The members that say when an event happened.
#[derive(Debug)]
pub(super) struct Times {
    pub local_time: Option<Source>,
    pub time_stamp: Option<Source>,
    pub format: TimeFormat,
}

/// A time as it is spelt.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// What the wall clock showed.
    wall: EventTime,
    /// How far it was ahead of UTC, in seconds, if that is said.
    offset: Option<i64>,
}

impl Clock {
    /// The event time, and which member says it. A time stamp is read in `zone`.
    pub(super) fn event_time(
        self,
        zone: Tz,
        times: &Times,
        members: &Members<'_, '_>,
    ) -> Result<(EventTime, TimeSource), Reason> {
        let Times { local_time, time_stamp, format } = times;
        let local = if let Some(source) = local_time { members.get(source)? } else { Scalar::Null };
        let stamp = if let Some(source) = time_stamp { members.get(source)? } else { Scalar::Null };
        let name = |source: &Option<Source>| source.as_ref().map(|source| source.name.clone());
        let bad = || Reason::BadTime { member: name(local_time).unwrap_or_default(), format: *format };
        let local = match local {
            Scalar::Null => None,
            Scalar::Text(text) if text.is_empty() => None,
            Scalar::Text(text) => Some(Moment::parse(&text, *format).ok_or_else(bad)),
            Scalar::Number(number) if *format != TimeFormat::Auto => {
                Some(Moment::number(number, *format).ok_or_else(bad))
            }
            _ => Some(Err(bad())),
        };
        let stamp = || match stamp {
            Scalar::Number(number) => Moment::number(number, *format),
            Scalar::Text(text) => Moment::parse(&text, *format),
            _ => None,
        };
        match (self, local.transpose()?) {
            (Clock::LocalTime, Some(local)) => Ok((local.wall, TimeSource::LocalTime)),
            (clock, local) => match (clock, stamp(), local) {
                (Clock::LocalTime, Some(stamp), _) => Ok((stamp.wall, TimeSource::TimeStamp)),
                (Clock::TimeStamp, Some(stamp), _) => Ok((stamp.in_zone(zone)?, TimeSource::TimeStamp)),
                (Clock::TimeStamp, None, Some(local @ Moment { offset: Some(_), .. })) => {
                    Ok((local.in_zone(zone)?, TimeSource::LocalTime))
                }
                (_, None, Some(local)) => Ok((local.wall, TimeSource::LocalTime)),
                (_, None, None) => Err(Reason::NoTime { local_time: name(local_time), time_stamp: name(time_stamp) }),
            },
        }
    }
}

impl EventTime {
    /// Refuses times that one wrong clock makes: before 2000, or more than `max_future` after the record's Kafka
    /// timestamp, in milliseconds; without that, after 2099. The event time is read as UTC.
    pub fn check(self, timestamp: Option<i64>, max_future: Duration) -> Result<(), Reason> {
        if self.seconds < FIRST_SECOND {
            return Err(Reason::TooOld);
        }
        let event = i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos);
        let latest = |millis: i64| i128::from(millis) * 1_000_000 + max_future.as_nanos() as i128;
        match timestamp {
            Some(millis) if event > latest(millis) && millis < FIRST_SECOND * 1_000 => Err(Reason::OldTimestamp),
            Some(millis) if event > latest(millis) => Err(Reason::TooNew),
            None if self.seconds >= END_SECOND_WITHOUT_TIMESTAMP => Err(Reason::TooNewForAny),
            _ if self.seconds >= END_SECOND => Err(Reason::TooNew),
            _ => Ok(()),
        }
    }

    /// Its day. Only of a checked time.
    pub fn day(self) -> Day {
        Day(self.seconds.div_euclid(SECONDS_A_DAY) as i32)
    }

    /// Its seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Its hour.
    pub fn hour(self) -> u8 {
        (self.seconds.rem_euclid(SECONDS_A_DAY) / 3_600) as u8
    }
}

impl Moment {
    /// The moment this many seconds after 1970 began.
    fn at(seconds: i64) -> Moment {
        Moment { wall: EventTime { seconds, nanos: 0 }, offset: Some(0) }
    }

    /// Reads a text.
    #[inline]
    fn parse(text: &str, format: TimeFormat) -> Option<Moment> {
        let dated = match format {
            TimeFormat::Auto | TimeFormat::DateTime | TimeFormat::Rfc3339 => date_time(text),
            _ => None,
        };
        match (format, dated) {
            (TimeFormat::Auto, Some(moment)) => Some(moment),
            (TimeFormat::DateTime, Some(moment)) => Some(moment).filter(|moment| moment.offset.is_none()),
            (TimeFormat::Rfc3339, Some(moment)) => Some(moment).filter(|moment| moment.offset.is_some()),
            _ => Moment::number(text, format),
        }
    }

    /// Reads a number of seconds or parts of them since 1970. What is less than a second is not kept.
    fn number(number: &str, format: TimeFormat) -> Option<Moment> {
        let count = whole_part(number)?;
        let unit = match format {
            TimeFormat::Seconds => 1,
            TimeFormat::Milliseconds => 1_000,
            TimeFormat::Microseconds => 1_000_000,
            TimeFormat::Auto if count.unsigned_abs() <= SECONDS_MAX => 1,
            TimeFormat::Auto if count.unsigned_abs() <= MILLISECONDS_MAX => 1_000,
            TimeFormat::Auto => 1_000_000,
            TimeFormat::DateTime | TimeFormat::Rfc3339 => return None,
        };
        Some(Moment::at(count.div_euclid(unit)))
    }

    /// What a wall clock in this zone showed at this moment. Without an offset it is UTC.
    fn in_zone(self, zone: Tz) -> Result<EventTime, Reason> {
        let EventTime { seconds, nanos } = self.wall;
        let seconds = seconds - self.offset.unwrap_or(0);
        let Some(moment) = DateTime::from_timestamp(seconds, 0) else {
            return Err(if seconds < 0 { Reason::TooOld } else { Reason::TooNew });
        };
        let offset = zone.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc();
        Ok(EventTime { seconds: seconds + i64::from(offset), nanos })
    }
}

/// The whole part of a decimal number.
fn whole_part(number: &str) -> Option<i64> {
    let whole = number.strip_prefix('-').unwrap_or(number);
    if !whole.starts_with(|digit: char| digit.is_ascii_digit()) {
        return None;
    }
    if whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return number.parse().ok();
    }
    let is_number = |byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    let value: f64 = Some(number).filter(|number| number.bytes().all(is_number))?.parse().ok()?;
    // Up to 2^53 every whole number is a double; what is larger lies beyond all times.
    (value.abs() <= 9_007_199_254_740_992.0).then_some(value.floor() as i64)
}

/// Reads `yyyy-MM-dd[ T]H[H]:mm:ss[.fraction]`, and perhaps `Z` or an offset behind it.
fn date_time(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    let (date, clock) = bytes.split_at_checked(11)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b' ' | b'T'] = date else { return None };
    let (hour, rest) = match clock {
        [h, b':', rest @ ..] => (digits([*h])?, rest),
        [h1, h2, b':', rest @ ..] => (digits([*h1, *h2])?, rest),
        _ => return None,
    };
    let [n1, n2, b':', s1, s2, rest @ ..] = rest else { return None };
    let (minute, second) = (digits([*n1, *n2])?, digits([*s1, *s2])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, offset) = if rest.is_empty() { (0, None) } else { nanos_and_offset(rest)? };
    let day = days_since_1970(digits([*y1, *y2, *y3, *y4])?, digits([*m1, *m2])?, digits([*d1, *d2])?)?;
    let seconds = day * SECONDS_A_DAY + i64::from(hour * 3_600 + minute * 60 + second);
    Some(Moment { wall: EventTime { seconds, nanos }, offset })
}

/// What may be behind the seconds.
fn nanos_and_offset(rest: &[u8]) -> Option<(u32, Option<i64>)> {
    let digits_of = |rest: &[u8]| rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction = if rest.first() == Some(&b'.') { 1 + digits_of(&rest[1..]) } else { 0 };
    let (fraction, zone) = rest.split_at(fraction);
    Some((nanos_of_fraction(fraction)?, if zone.is_empty() { None } else { Some(offset(zone)?) }))
}

/// Reads `Z`, `+hh:mm`, `+hhmm` or `+hh`, in seconds.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match zone {
        [b'Z' | b'z'] => return Some(0),
        [sign, h1, h2] => (sign, [*h1, *h2], *b"00"),
        [sign, h1, h2, b':', m1, m2] | [sign, h1, h2, m1, m2] => (sign, [*h1, *h2], [*m1, *m2]),
        _ => return None,
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    let seconds = (hours < 24 && minutes < 60).then_some(i64::from(hours * 3_600 + minutes * 60))?;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
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
