//! The key of the hashes that identify event ids.

use std::fmt::{self, Formatter};

use dataflows::EventId;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};

/// The key of the hashes. With a key that nobody else knows, nobody can make up ids that collide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdKey([u8; 16]);

impl IdKey {
    /// This key.
    pub fn new(key: [u8; 16]) -> Self {
        IdKey(key)
    }

    /// Its bytes, to be kept as safe as the ids themselves.
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
}

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("IdKey(…)")
    }
}
