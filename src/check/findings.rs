//! What a look at a topic found.

use serde::Serialize;

/// The findings. Numbers are of the records looked at, unless they say otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// The topic.
    pub topic: String,
    /// The collections that count as views, as `--views` has them.
    pub views: String,
    /// How many offsets the topic holds: its records, and what Kafka keeps among them.
    pub offsets: u64,
    /// How many records were looked at.
    pub looked_at: u64,
    /// Where each partition begins and ends.
    pub partitions: Vec<Partition>,
    /// What would become of the records.
    pub outcomes: Vec<Outcome>,
    /// Why records would be rejected, the most frequent reason first.
    pub reasons: Vec<Rejection>,
    /// The collections, the most frequent first.
    pub collections: Vec<Collection>,
    /// The days of what would be counted; none if nothing would be.
    pub days: Option<Days>,
    /// The countries of what would be counted, the most frequent first.
    pub countries: Vec<Country>,
    /// How many rows the counted tables would have.
    pub tables: Vec<Rows>,
    /// The sizes of the records' values in bytes; none if there are no records.
    pub bytes: Option<Sizes>,
    /// The members of the events that were looked at more closely.
    pub members: Vec<Member>,
    /// What the models that are built in would count, the best first.
    pub models: Vec<Fit>,
    /// A file of reports about these events, if one was wanted and one could be made.
    pub proposal: Option<Proposal>,
    /// What to change.
    pub hints: Vec<String>,
}

impl Findings {
    /// Whether there are records, and none would be counted.
    pub fn counts_nothing(&self) -> bool {
        self.looked_at > 0 && self.outcomes[0].records == 0
    }
}

/// A member of events.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    /// The way to it, as a file of reports has it.
    pub member: String,
    /// How many events have it.
    pub records: u64,
    /// Their share of all.
    pub share: f64,
    /// Its JSON types, the most frequent first.
    pub types: Vec<String>,
    /// Some values; if they may be personal, only their kind.
    pub examples: Vec<String>,
}

/// What a model would count.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Its name.
    pub model: String,
    /// How many records were tried.
    pub tried: u64,
    /// How many it would count.
    pub counted: u64,
    /// How many of all.
    pub share: f64,
}

/// A file of reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proposal {
    /// The file.
    pub toml: String,
    /// How many records were tried.
    pub tried: u64,
    /// How many it would count.
    pub counted: u64,
    /// How many of all.
    pub share: f64,
}

/// A partition as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Partition {
    pub partition: i32,
    pub first_offset: i64,
    pub next_offset: i64,
    pub offsets: u64,
    pub looked_at: u64,
}

/// What would become of how many records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    pub outcome: &'static str,
    pub records: u64,
    pub share: f64,
}

/// A reason of rejection, with one record that has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rejection {
    pub reason: String,
    pub records: u64,
    pub share: f64,
    pub partition: i32,
    pub offset: i64,
}

/// A collection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Collection {
    /// Its name, or the beginning of a very long one.
    pub collection: String,
    /// How many records are of it.
    pub records: u64,
    /// How many of all.
    pub share: f64,
    /// Whether `--views` has it.
    pub is_view: bool,
    /// How many of its records could be counted, if `--views` has it.
    pub countable: u64,
}

/// The days of the counted records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Days {
    /// The first.
    pub first: String,
    /// The last.
    pub last: String,
    /// How many there are.
    pub days: usize,
    /// The one with the most views.
    pub largest: String,
    /// Its views.
    pub largest_views: i64,
}

/// A country.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Country {
    pub country: String,
    pub views: i64,
    pub share: f64,
}

/// A counted table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rows {
    pub table: String,
    pub rows: u64,
}

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sizes {
    pub median: usize,
    pub p99: usize,
    pub max: usize,
}
