//! What becomes of one record, written straight from the contract (§2 and §3), with no regard for speed.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;
use woothee::parser::Parser;

use super::countries::COUNTRIES;
use super::json::Json;
use super::urls::{Referrers, masked, without_query};

/// Which records count.
#[derive(Debug, Clone)]
pub enum Views {
    Only(BTreeSet<String>),
    All,
}

/// Where the event time comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Clock {
    LocalTime,
    TimeStamp,
}

/// The settings that decide what becomes of a record.
#[derive(Debug, Clone)]
pub struct Rules {
    pub views: Views,
    pub clock: Clock,
    pub time_zone: Tz,
    pub max_future: Duration,
    /// The lines of `--countries`: a host, or a domain with a dot before it, and a code.
    pub countries: Vec<(&'static str, &'static str)>,
    pub referrers: Referrers,
    pub mask_emails: bool,
    pub skip_bots: bool,
    /// `--retain`, in days.
    pub retain: Option<i64>,
}

impl Default for Rules {
    fn default() -> Rules {
        let views = Views::Only(BTreeSet::from(["view_product_detail".to_owned()]));
        Rules {
            views,
            clock: Clock::LocalTime,
            time_zone: Tz::UTC,
            max_future: Duration::from_secs(24 * 3600),
            countries: Vec::new(),
            referrers: Referrers::Full,
            mask_emails: false,
            skip_bots: false,
            retain: None,
        }
    }
}

/// What is taken from a counted record.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub time: NaiveDateTime,
    pub product: Option<String>,
    pub store: Option<String>,
    pub referrer: Option<String>,
    /// The text of `current_url`, if it is one.
    pub url: Option<String>,
    pub country: String,
    pub browser: String,
    pub os: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Counted(Event),
    Ignored,
    /// With the rule's number.
    Rejected(u8),
}

/// Judges a record by its value and the timestamp, in ms, that Kafka has for it.
pub fn judge(rules: &Rules, timestamp: Option<i64>, value: Option<&[u8]>) -> Verdict {
    match examine(rules, timestamp, value) {
        Ok(Some(event)) => Verdict::Counted(event),
        Ok(None) => Verdict::Ignored,
        Err(rule) => Verdict::Rejected(rule),
    }
}

fn examine(rules: &Rules, timestamp: Option<i64>, value: Option<&[u8]>) -> Result<Option<Event>, u8> {
    let value = match value {
        // A schema registry's.
        Some([0, _, _, _, _, json @ ..]) if !json.is_empty() => Some(json),
        value => value,
    };
    let text = value.and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or(1)?;
    let record = Json::parse(text).filter(|json| matches!(json, Json::Object(_))).ok_or(1)?;
    let record = record.in_payload().unwrap_or(&record);
    let collection = match record.member("collection") {
        Some(Json::Text(text)) if !text.is_empty() => text,
        Some(Json::LoneSurrogate) => return Err(1),
        _ => return Err(2),
    };
    if let Views::Only(views) = &rules.views
        && !views.contains(collection)
    {
        return Ok(None);
    }
    let used = ["local_time", "time_stamp", "product_id", "store_id", "referrer_url", "current_url", "user_agent"];
    if used.iter().any(|name| record.member(name) == Some(&Json::LoneSurrogate)) {
        return Err(1);
    }
    let time = event_time(rules, record)?;
    check_time(rules, time, timestamp)?;
    let product = id(record.member("product_id"))?;
    let store = id(record.member("store_id"))?;
    let referrer = referrer(record.member("referrer_url"))?;
    if [&product, &store, &referrer].into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(7);
    }
    let shown = |text: String| if rules.mask_emails { masked(&text) } else { text };
    let (product, store) = (product.map(shown), store.map(shown));
    let referrer = referrer.and_then(|url| rules.referrers.kept(&url)).map(shown);
    let country = country(rules, record.member("current_url")).ok_or(1)?;
    let url = match record.member("current_url") {
        Some(Json::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let (browser, os) = browser_and_os(record.member("user_agent")).ok_or(1)?;
    Ok(Some(Event { time, product, store, referrer, url, country, browser, os }))
}

/// Rules 3 and 4. A `local_time` that is there must be right, whichever clock is asked for.
fn event_time(rules: &Rules, record: &Json) -> Result<NaiveDateTime, u8> {
    let local_time = match record.member("local_time") {
        None | Some(Json::Null) => None,
        Some(Json::Text(text)) if text.is_empty() => None,
        Some(Json::Text(text)) => Some(moment(text).ok_or(4)?),
        Some(_) => return Err(4),
    };
    let time_stamp = match record.member("time_stamp") {
        Some(Json::Number(literal)) => number(literal),
        Some(Json::Text(text)) => moment(text),
        _ => None,
    };
    match (rules.clock, local_time, time_stamp) {
        (_, None, None) => Err(3),
        (Clock::LocalTime, Some(said), _) | (Clock::LocalTime, None, Some(said)) => said.wall(),
        (Clock::TimeStamp, _, Some(said)) => said.in_zone(rules.time_zone),
        (Clock::TimeStamp, Some(said @ Said::Wall(_, None)), None) => said.wall(),
        (Clock::TimeStamp, Some(said), None) => said.in_zone(rules.time_zone),
    }
}

/// A time as it is said.
#[derive(Debug, Clone, Copy)]
enum Said {
    /// What a clock showed, and how far that was before UTC, in seconds, if it is said.
    Wall(NaiveDateTime, Option<i64>),
    /// Seconds since 1970.
    Seconds(i64),
}

impl Said {
    /// As it stands; a number is read as UTC.
    fn wall(self) -> Result<NaiveDateTime, u8> {
        match self {
            Said::Wall(wall, _) => Ok(wall),
            Said::Seconds(_) => self.in_zone(Tz::UTC),
        }
    }

    /// What no calendar can show is far outside of rule 5.
    fn in_zone(self, zone: Tz) -> Result<NaiveDateTime, u8> {
        let instant = match self {
            Said::Wall(wall, offset) => Some(wall.and_utc() - chrono::TimeDelta::seconds(offset.unwrap_or(0))),
            Said::Seconds(seconds) => DateTime::from_timestamp(seconds, 0),
        };
        // Years that chrono can hold but that an offset would carry over the edge are far outside as well.
        let plausible = instant.filter(|instant| instant.timestamp().abs() < 1_000_000_000_000).ok_or(5)?;
        Ok(plausible.with_timezone(&zone).naive_local())
    }
}

fn moment(text: &str) -> Option<Said> {
    if let Some(wall) = parse_local_time(text) {
        return Some(Said::Wall(wall, None));
    }
    if let Some(wall) = text.strip_suffix(['Z', 'z']) {
        return Some(Said::Wall(parse_local_time(wall)?, Some(0)));
    }
    match text.rfind(['+', '-']).filter(|at| *at > 10) {
        Some(at) => {
            let zone = &text.as_bytes()[at + 1..];
            let digits: String = text[at + 1..].chars().filter(char::is_ascii_digit).collect();
            let is_right = digits.len() == zone.len() || zone.len() == 5 && zone[2] == b':' && digits.len() == 4;
            let (hours, minutes): (i64, i64) = match digits.len() {
                2 if is_right => (digits.parse().ok()?, 0),
                4 if is_right => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
                _ => return number(text),
            };
            let seconds = (hours < 24 && minutes < 60).then_some(hours * 3_600 + minutes * 60)?;
            let offset = if text.as_bytes()[at] == b'-' { -seconds } else { seconds };
            Some(Said::Wall(parse_local_time(&text[..at])?, Some(offset)))
        }
        None => number(text),
    }
}

/// A number of seconds since 1970, of milliseconds from 10^11 up, of microseconds from 10^14 up.
fn number(literal: &str) -> Option<Said> {
    let digits = literal.strip_prefix('-').unwrap_or(literal);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || !digits.chars().all(|c| "0123456789.eE+-".contains(c)) {
        return None;
    }
    let count: i64 = if digits.chars().all(|c| c.is_ascii_digit()) {
        literal.parse().ok()?
    } else {
        let double: f64 = literal.parse().ok()?;
        (double.abs() <= 2_f64.powi(53)).then_some(double.floor() as i64)?
    };
    Some(Said::Seconds(match count.unsigned_abs() {
        0..=100_000_000_000 => count,
        100_000_000_001..=100_000_000_000_000 => count.div_euclid(1_000),
        _ => count.div_euclid(1_000_000),
    }))
}

/// `yyyy-MM-dd[ T]H[H]:mm:ss[.fraction]`, a real date and time.
fn parse_local_time(text: &str) -> Option<NaiveDateTime> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let (clock, fraction) = match time.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (time, None),
    };
    let [year, month, day] = numbers(date, '-', &[4..=4, 2..=2, 2..=2])?;
    let [hour, minute, second] = numbers(clock, ':', &[1..=2, 2..=2, 2..=2])?;
    let nanos = fraction.map_or(Some(0), |digits| {
        let padded: String = digits.chars().chain("000000000".chars()).take(9).collect();
        (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| padded.parse().ok())?
    })?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some(date.and_time(NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)?))
}

/// Three numbers, each of as many digits as is said.
fn numbers(text: &str, separator: char, widths: &[std::ops::RangeInclusive<usize>; 3]) -> Option<[u32; 3]> {
    let parts: Vec<&str> = text.split(separator).collect();
    let right = |(part, width): (&&str, &std::ops::RangeInclusive<usize>)| {
        width.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if parts.len() != 3 || !parts.iter().zip(widths).all(right) {
        return None;
    }
    Some([parts[0].parse().ok()?, parts[1].parse().ok()?, parts[2].parse().ok()?])
}

/// Rule 5; a record without a timestamp of Kafka's may be of any time before 2100.
fn check_time(rules: &Rules, time: NaiveDateTime, timestamp: Option<i64>) -> Result<(), u8> {
    let first = NaiveDate::from_ymd_opt(2000, 1, 1).and_then(|day| day.and_hms_opt(0, 0, 0)).ok_or(5)?;
    let nanos = |time: NaiveDateTime| {
        i128::from(time.and_utc().timestamp()) * 1_000_000_000 + i128::from(time.and_utc().timestamp_subsec_nanos())
    };
    let latest = timestamp.map(|ms| i128::from(ms) * 1_000_000 + rules.max_future.as_nanos() as i128);
    let is_before_2100 = time.and_utc().timestamp() < 4_102_444_800;
    let right = time >= first && latest.map_or(is_before_2100, |latest| nanos(time) <= latest);
    if right { Ok(()) } else { Err(5) }
}

/// Rule 6 for `product_id` and `store_id`.
fn id(member: Option<&Json>) -> Result<Option<String>, u8> {
    match member {
        None | Some(Json::Null | Json::Bool(false)) => Ok(None),
        Some(Json::Text(text)) if text.is_empty() => Ok(None),
        Some(Json::Text(text)) if text.len() <= 1024 => Ok(Some(text.clone())),
        Some(Json::Number(literal)) => Ok(Some(integral(literal).ok_or(6)?.to_string())),
        Some(_) => Err(6),
    }
}

/// The value of an integer, or of a double that is integral, if it has 64 bits, signed or not.
fn integral(literal: &str) -> Option<i128> {
    let value = if literal.contains(['.', 'e', 'E']) {
        let double: f64 = literal.parse().ok()?;
        (double.fract() == 0.0 && double.abs() < 1e30).then_some(double as i128)?
    } else {
        literal.parse().ok()?
    };
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(value)
}

/// Rule 6 for `referrer_url`.
fn referrer(member: Option<&Json>) -> Result<Option<String>, u8> {
    match member {
        None | Some(Json::Null | Json::Bool(false)) => Ok(None),
        Some(Json::Text(text)) if text.is_empty() => Ok(None),
        Some(Json::Text(text)) if text.len() <= 2_048 => Ok(Some(text.clone())),
        Some(Json::Text(text)) => {
            let start = without_query(text);
            match start.len() {
                1..=2_048 if text.contains('\0') => Err(7),
                1..=2_048 => Ok(Some(start)),
                _ => Err(6),
            }
        }
        Some(_) => Err(6),
    }
}

/// The country of a URL; nothing if the crate panics on it, which rejects the record.
fn country(rules: &Rules, member: Option<&Json>) -> Option<String> {
    let Some(Json::Text(text)) = member else { return Some("ZZ".to_owned()) };
    let url = catch_unwind(|| url::Url::parse(text)).ok()?;
    let host = url.ok().and_then(|url| {
        let domain = url.domain().filter(|_| ["http", "https"].contains(&url.scheme()))?;
        let host = domain.strip_suffix('.').unwrap_or(domain);
        let right = host.contains('.') && host.split('.').all(|label| !label.is_empty());
        right.then(|| host.to_owned())
    });
    let Some(host) = host else { return Some("ZZ".to_owned()) };
    if let Some(code) = told(&rules.countries, &host) {
        return Some(code.to_owned());
    }
    let label = host.rsplit('.').next().map(str::to_ascii_uppercase);
    let code = match label.as_deref() {
        Some("UK") => "GB",
        Some("EU") => "EU",
        Some(code) if COUNTRIES.split(' ').any(|country| country == code) => code,
        _ => "ZZ",
    };
    Some(code.to_owned())
}

/// What the longest line says that is this host, or a domain that it belongs to.
fn told(countries: &[(&str, &'static str)], host: &str) -> Option<&'static str> {
    let belongs = |domain: &str| domain == format!(".{host}") || domain.starts_with('.') && host.ends_with(domain);
    let matching = countries.iter().filter(|(name, _)| *name == host || belongs(name));
    let exact = |name: &str| (name.trim_start_matches('.').len(), !name.starts_with('.'));
    matching.max_by_key(|(name, _)| exact(name)).map(|(_, code)| *code)
}

/// Made once, as it takes longer than all else here.
static PARSER: LazyLock<Parser> = LazyLock::new(Parser::new);

/// Browser and operating system; nothing if the crate panics, which rejects the record.
fn browser_and_os(member: Option<&Json>) -> Option<(String, String)> {
    let Some(Json::Text(agent)) = member else { return Some(("Unknown".to_owned(), "Unknown".to_owned())) };
    let known = |name: &str| if ["", "UNKNOWN"].contains(&name) { "Unknown".to_owned() } else { name.to_owned() };
    let parsed = catch_unwind(|| {
        let result = PARSER.parse(agent);
        result.map(|result| (known(result.name), known(result.os)))
    });
    Some(parsed.ok()?.unwrap_or_else(|| (known(""), known(""))))
}
