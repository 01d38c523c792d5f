//! A record of the topic, as it is looked at.

use rdkafka::message::{BorrowedMessage, Message as _};
use xxhash_rust::xxh3::xxh3_64;

use super::decode::{Decoder, Outcome};
use crate::batch::Fingerprint;

/// A record, lent by who has fetched it.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The partition it stands in.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its Kafka timestamp in milliseconds, if it has one.
    pub timestamp: Option<i64>,
    /// Its value, if it has one.
    pub payload: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// By what it is known again.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            offset: self.offset,
            timestamp: self.timestamp.unwrap_or(-1),
            hash: xxh3_64(self.payload.unwrap_or_default()).cast_signed(),
        }
    }

    /// What becomes of it.
    pub fn decode(&self, decoder: &'a mut Decoder) -> Outcome<'a> {
        decoder.decode(self.payload, self.timestamp)
    }
}

impl<'a> From<&'a BorrowedMessage<'_>> for Record<'a> {
    fn from(message: &'a BorrowedMessage<'_>) -> Self {
        Record {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            payload: message.payload(),
        }
    }
}
