//! Kafka: the topic, its partitions, and the bytes of its records; and what becomes of them ([`decode`]).
//!
//! ```text
//! consumer (poll) ► record ──► decode: envelope ► members ► plan (fields) ──► Outcome: events, ignored, or rejected with a Reason
//! ```
//!
//! Nothing here knows of the dataflow, of Postgres or of a report.

mod consumer;
mod context;
pub mod decode;
mod fetch_batch;
mod group_committer;
mod native;
pub mod offset_range;
mod read;
mod record;
mod settings;
mod topic;
pub mod window;

pub use consumer::{Consumer, Polled};
pub use context::PartitionStats;
pub use read::{Fetched, Item, Position, Source};
pub use record::Record;
pub use settings::{GROUP, Property, Settings};
pub use topic::{Presence, Topic, Watermarks, another_topic, is_away};
