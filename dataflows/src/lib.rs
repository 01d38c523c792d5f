//! The reports that a [`Model`] declares, and the dimensions of their members, as one timely / differential dataflow.
//!
//! ```text
//! (key, ±n)  pre-aggregated events of one epoch              (member, attributes)  from their records
//!    │  members as numbers                                              │
//!    └► count_total ──► counts ──┬──► concat ──► effects ──┬► members ► concat
//!       the one         rolled   │      ▲          │       │             │  by member
//!       arrangement:    up ──────┴──────┘          │       └► top_k ◄╌╌╌ ▼ ╌╌╌╌╌ arrangement, of groups where
//!       total per key                              ▼            ▼     dimensions   one of the best fell
//!                                               counts      rankings     │
//!                                                  └───────── concat ────┘
//!                                                               ▼
//!                                  changed rows: at most one per table row and epoch
//! ```
//!
//! Counts may fall, at no cost to those that only grow. `count_total` emits a pair for each changed key: the old count
//! retracted, the new one added. The new count is what the row holds, their difference is all that a sum needs, and a
//! retraction alone deletes the row. A ranking changes only through keys whose own count changed, unless one of its
//! best fell behind the others: then it is rebuilt from the arrangement (see `top_k`). What counts say of a dimension
//! member falls with them; what records say of it only ever improves.
//!
//! This crate knows nothing of Kafka, Postgres, JSON, settings or clocks: keys and dimension updates come in, rows go
//! out.

mod admission;
mod cell;
mod count;
mod country;
mod day;
mod dedup;
mod dimensions;
mod event;
mod interner;
mod kept;
mod key;
pub mod model;
mod per_epoch;
mod pre_aggregator;
mod reports;
mod retention;
mod row;
mod shared_str;
mod text;
mod top_k;
mod visitor;

pub use admission::{MemberLimit, OTHERS};
pub use cell::{Cell, RowReader};
pub use count::configure;
pub use country::Country;
pub use day::Day;
pub use dedup::{EventId, EventPosition, Occurrence, Occurrences, copies};
pub use dimensions::browser_os::category;
pub use dimensions::host;
pub use dimensions::product::without_query;
pub use dimensions::referrer::known_kind;
pub use dimensions::{Attributes, DimensionKey, DimensionUpdate, DimensionUpdates, Hosted, Page, Seen, Sighting};
pub use dimensions::{Lookup, LookupColumn, NameTable, STORE_NAMES, Sites};
pub use event::{Event, FieldText};
pub use kept::{DaysKept, Kept};
pub use key::{Key, join};
pub use model::Model;
pub use pre_aggregator::PreAggregator;
pub use reports::{Events, Group, Rows, falling_reports, reports, retaining_reports, worker};
pub use retention::Retention;
pub use row::{Row, RowKey, Value};
pub use shared_str::SharedStr;
pub use text::Text;
pub use top_k::{Counted, Item, Place, Ranked, top_k};
pub use visitor::{holds_at_sign, without_emails};

/// Dataflow time: the number of the short interval in which the workers ingested a record.
pub type Epoch = u64;

/// The last epoch of the state loaded at the start: the tables already hold the counts of this and all earlier epochs.
/// There are many, so that a large state is loaded in pieces, not all at once.
pub const SEED: Epoch = u32::MAX as Epoch;
