//! Why a record was rejected.

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
    #[error("the value is nested deeper than {} levels", super::members::MAX_DEPTH)]
    TooDeep,
    #[error("a text that is used holds half of a surrogate pair")]
    LoneSurrogate,
    #[error("{member} is missing, empty or not a text")]
    NoType { member: String },
    #[error("there is no event time{}", no_time(local_time.as_deref(), time_stamp.as_deref()))]
    NoTime { local_time: Option<String>, time_stamp: Option<String> },
    #[error("{member} is not a date and time like 2020-06-04 08:15:27")]
    BadLocalTime { member: String },
    #[error("the event time is before the year 2000")]
    TooOld,
    #[error("the event time is too far after the Kafka timestamp of the record")]
    TooNew,
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
        super::scalar::LONGEST_URL
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
    let time_stamp = time_stamp.map(|member| format!("{member} is not a whole number"));
    let wrong: Vec<_> = local_time.into_iter().chain(time_stamp).collect();
    if wrong.is_empty() { String::new() } else { format!(": {}", wrong.join(" and ")) }
}
