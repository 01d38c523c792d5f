//! The ids by which events are known again, as keyed hashes.

use std::fmt::{self, Formatter};

use dataflows::EventId;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::Scalar;
use super::scalar::whole_number;

/// The key of the hashes. With a key that nobody else knows, no one can make up ids that are taken for another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdKey([u8; 16]);

impl IdKey {
    /// This key.
    pub fn new(key: [u8; 16]) -> Self {
        IdKey(key)
    }

    /// Its bytes, to be kept as well as the ids would have to be.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// A key that was never used.
    pub fn random() -> Self {
        IdKey(rand::random())
    }

    /// The hash of an id, spelled as a text.
    pub fn hash(self, id: &str) -> EventId {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        std::hash::Hasher::write(&mut hasher, id.as_bytes());
        EventId(hasher.finish128().as_u128())
    }

    /// The hash of the id in a member: a text, or a whole number, which is spelled in decimal. None for anything else.
    pub(super) fn extract(self, value: &Scalar<'_>) -> Option<EventId> {
        match value {
            Scalar::Text(text) if !text.is_empty() => Some(self.hash(text)),
            Scalar::Number(number) => whole_number(number).map(|number| self.hash(&number.to_string())),
            _ => None,
        }
    }
}

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("IdKey(…)")
    }
}
