//! Why a record was rejected.

use dataflows::model::TimeFormat;
use thiserror::Error;

/// A reason that a person understands, and can count by. It never repeats what the record holds: that may be
/// personal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Reason {
    #[error("the value is empty")]
    Empty,
    #[error("the value is not UTF-8")]
    NotUtf8,
    #[error("the value is not JSON")]
    NotJson,
    #[error("the value is not a JSON object")]
    NotAnObject,
    #[error("the value is nested deeper than {} levels", super::members::DEPTH_MAX)]
    TooDeep,
    #[error("the value does not begin with the five bytes that a schema registry puts there")]
    NoRegistry,
    #[error("there is no object in the member payload")]
    NoPayload,
    #[error("there is no array of events{}", in_member(member.as_deref()))]
    NoArray { member: Option<String> },
    /// The reason of the first of them; without its place, as records are counted by their reasons.
    #[error("an event of the array: {reason}")]
    InArray { rejected: i64, reason: Box<Reason> },
    #[error("{member} holds half of a surrogate pair")]
    LoneSurrogate { member: String },
    #[error("{member} is not there: a member on the way to it is neither an object nor nothing")]
    NoWay { member: String },
    #[error("{member} is missing, empty or not a text")]
    NoType { member: String },
    #[error("there is no event time{}", no_time(local_time.as_deref(), time_stamp.as_deref()))]
    NoTime { local_time: Option<String>, time_stamp: Option<String> },
    #[error("{member} is not {}", of_format(*format))]
    BadTime { member: String, format: TimeFormat },
    #[error("the event time is before the year 2000")]
    TooOld,
    #[error("the event time is too far after the Kafka timestamp of the record")]
    TooNew,
    #[error("the Kafka timestamp of the record is before the year 2000: it must be in milliseconds")]
    OldTimestamp,
    #[error("the event time is after the year 2099, and the record has no Kafka timestamp")]
    TooNewForAny,
    #[error("{field} is neither a text nor a whole number of 64 bits")]
    BadId { field: String },
    #[error("{field} is not a text")]
    BadText { field: String },
    #[error("{field} is neither true nor false")]
    BadBoolean { field: String },
    #[error("{field} is longer than {limit} bytes")]
    TooLong { field: String, limit: usize },
    #[error(
        "{field} is longer than {} bytes, and nothing or still longer without its query",
        super::scalar::URL_BYTES_MAX
    )]
    LongUrl { field: String },
    #[error("{field} holds the character U+0000, which Postgres cannot store")]
    Nul { field: String },
    #[error("decoding failed in a way that is a bug in Freshet or one of its parsers")]
    Panicked,
}

/// What is wrong with the members that may say when it was.
fn no_time(local_time: Option<&str>, time_stamp: Option<&str>) -> String {
    let local_time = local_time.map(|member| format!("{member} is empty"));
    let time_stamp = time_stamp.map(|member| format!("{member} is no time"));
    let wrong: Vec<_> = local_time.into_iter().chain(time_stamp).collect();
    if wrong.is_empty() { String::new() } else { format!(": {}", wrong.join(" and ")) }
}

fn in_member(member: Option<&str>) -> String {
    member.map_or(String::new(), |member| format!(" in {member}"))
}

fn of_format(format: TimeFormat) -> &'static str {
    match format {
        TimeFormat::Auto | TimeFormat::DateTime => "a date and time like 2020-06-04 08:15:27",
        TimeFormat::Rfc3339 => "a date and time with an offset, like 2020-06-04T08:15:27Z",
        TimeFormat::Seconds => "a number of seconds since 1970",
        TimeFormat::Milliseconds => "a number of milliseconds since 1970",
        TimeFormat::Microseconds => "a number of microseconds since 1970",
    }
}

impl Reason {
    /// How many events of the record it is about.
    pub fn events(&self) -> i64 {
        if let Reason::InArray { rejected, .. } = self { *rejected } else { 1 }
    }
}
