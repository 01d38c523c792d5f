//! Messages on a link: a length of four bytes, and a JSON value of that length.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Farewell, Terms};
use crate::batch::Progress;
use crate::engine::News;
use crate::metrics::Heard;

/// Bytes of a message at most, whatever length it announces: the hashes of a million forgotten events.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The messages between processes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// A heartbeat. The owner's says for how long epochs have been counted.
    Beat { age: Option<Duration> },
    /// The watermarks of partitions that this process reads.
    Heard(Vec<PartitionHeard>),
    /// As [`Notice::Terms`](super::Notice::Terms).
    Terms(Box<Terms>),
    /// As [`Notice::Assign`](super::Notice::Assign).
    Assign(Progress, i64),
    /// As [`Notice::Begin`](super::Notice::Begin).
    Begin,
    /// What the workers of this process know.
    News(News),
    /// All must stop.
    Stop,
    /// This process ends.
    Farewell(Farewell),
}

/// As [`Heard`], with its age in the place of a moment.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct PartitionHeard {
    pub partition: i32,
    end: i64,
    uncommitted: i64,
    is_answered: bool,
    age: Duration,
}

impl PartitionHeard {
    pub fn new(partition: i32, heard: Heard) -> Self {
        let Heard { end, uncommitted, is_answered, at } = heard;
        PartitionHeard { partition, end, uncommitted, is_answered, age: at.elapsed() }
    }

    pub fn heard(&self) -> Heard {
        let PartitionHeard { end, uncommitted, is_answered, age, .. } = *self;
        let now = Instant::now();
        Heard { end, uncommitted, is_answered, at: now.checked_sub(age).unwrap_or(now) }
    }
}

/// Writes a frame.
pub(super) fn write(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).ok().filter(|_| text.len() <= MESSAGE_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::other("a message is too long"))?;
    // In one piece, so that it is one packet.
    to.write_all(&[&length.to_be_bytes()[..], &text].concat())
}

/// Reads a frame of at most `bytes_max` bytes.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl Read, bytes_max: usize) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"));
    }
    let mut text = vec![0; length];
    from.read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}
