//! A record of the topic, as it is looked at.

use dataflows::EventPosition;
use xxhash_rust::xxh3::xxh3_64;

use super::decode::{Decoder, Outcome};
use crate::batch::Fingerprint;

/// A record, borrowed from what fetched it.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The partition it stands in.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its Kafka timestamp in milliseconds, if it has one.
    pub timestamp: Option<i64>,
    /// The epoch of the leader that wrote it, if the broker says.
    pub leader_epoch: Option<i32>,
    /// Its value, if it has one.
    pub payload: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// What identifies it.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            offset: self.offset,
            timestamp: self.timestamp.unwrap_or(-1),
            hash: xxh3_64(self.payload.unwrap_or_default()).cast_signed(),
        }
    }

    /// The outcome of each event in it, and the event's position; none if that is out of range.
    pub fn decode(&self, decoder: &mut Decoder, mut each: impl FnMut(Outcome<'_>, Option<EventPosition>)) {
        let mut place = 0;
        decoder.decode(self.payload, self.timestamp, |outcome| {
            each(outcome, EventPosition::new(self.partition, self.offset, place));
            place += 1;
        });
    }
}
