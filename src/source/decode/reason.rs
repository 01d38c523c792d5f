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
    #[error("collection is missing, empty or not a text")]
    NoCollection,
    #[error("there is no event time: local_time is empty and time_stamp is not a whole number")]
    NoTime,
    #[error("local_time is not a date and time like 2020-06-04 08:15:27")]
    BadLocalTime,
    #[error("the event time is before the year 2000")]
    TooOld,
    #[error("the event time is too far after the Kafka timestamp of the record")]
    TooNew,
    #[error("{member} is neither a text nor a whole number of 64 bits")]
    BadId { member: &'static str },
    #[error("{member} is longer than {limit} bytes")]
    TooLong { member: &'static str, limit: usize },
    #[error("referrer_url is not a text")]
    BadReferrer,
    #[error(
        "referrer_url is longer than {} bytes, and nothing or still longer without its query",
        super::scalar::LONGEST_REFERRER
    )]
    LongReferrer,
    #[error("{member} holds the character U+0000, which Postgres cannot store")]
    Nul { member: &'static str },
    #[error("decoding failed in a way that is a bug in Freshet or one of its parsers")]
    Panicked,
}
