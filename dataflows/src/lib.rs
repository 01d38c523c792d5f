//! The reports that a [`Model`] declares, and the dimensions of their members, as one timely / differential dataflow.
//!
//! ```text
//! (key, ±n)  pre-aggregated events of one epoch              (member, attributes)  told by their records
//!    │  members as numbers                                              │
//!    └► count_total ──► counts ──┬──► concat ──► effects ──┬──► told ──► concat
//!       the one         rolled   │      ▲          │       │             │  by member
//!       arrangement:    up ──────┴──────┘          │       └► top_k ◄╌╌╌ ▼ ╌╌╌╌╌ arrangement, of groups where
//!       total per key                              ▼            ▼     dimensions   one of the best fell
//!                                               counts      rankings     │
//!                                                  └───────── concat ────┘
//!                                                               ▼
//!                                  changed rows: at most one per table row and epoch
//! ```
//!
//! Counts may fall, and nothing that grows pays for it. Of the pair that `count_total` gives for a changed key (the old count
//! retracted, the new one added) the new one says what a row holds, what is between them all that a sum needs, and a pair that
//! lacks the new one that there is no such row any more. A ranking changes only through keys whose own count changed, unless
//! one of its best fell behind the others: then it is rebuilt from the arrangement (see `top_k`). What is known of a member of
//! a dimension by its counts falls with them; what its records say of it only ever gets better.
//!
//! This crate knows nothing of Kafka, Postgres, JSON, settings or clocks: keys and facts come in, rows go out.

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

/// Dataflow time: the number of the short stretch in which the workers took a record in.
pub type Epoch = u64;

/// The last epoch of what the tables held at the start; its counts, and those of the epochs before it, are known to the
/// tables already. They are many so that a large state is taken in piece by piece, and none is in the way at once.
pub const SEED: Epoch = u32::MAX as Epoch;
