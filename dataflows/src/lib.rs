//! The six reports, and the dimensions of their keys, as one timely / differential dataflow.
//!
//! ```text
//! (key, +n)  folded views of one epoch                                           (member, attributes)  told by
//!    │  texts as numbers                                                                  │         their records
//!    └► count_total ────┬────────────────────────────────────┬► concat                    │
//!       the one         ├ product hours ► product days ──────┤  │                         │
//!       arrangement:    ├ countries' days ► countries ───────┤  │                         │
//!       views per key   └ stores' days ► stores' countries ──┘  │                         │
//!         ┌─────────────┬────────────┬───────────────┬──────────┴────┬───────────────┐    │
//!    product days   countries    referrers        stores       product hours    browsers  │
//!         │             │            │               │               │            + OS    │
//!         ├─────────────┼────────────│───────────────┼───────────────│───────────────┼──► concat
//!         │             │            │               │               │               │    │  of what is new
//!      top_k(10)    ├ top_k(10)  ├ top_k(5)          │               │               │  joined by member
//!         ▼             ▼            ▼               ▼               ▼               ▼    ▼
//!    top_products  top_countries  top_referrers  store_views  product_hours  browsers…  dimensions
//!         └─────────────┴────────────┴──── concat ───┴───────────────┴───────────────┴────┘
//!                                             ▼
//!                        changed rows: at most one per table row and epoch
//! ```
//!
//! A view is never taken back, so counts only grow. Three things rest on that: of the pair that `count_total`
//! gives for a changed key (the old count retracted, the new one added) the new one says what a row holds, and what is
//! between them all that a sum needs; a ranking changes only through keys whose own count changed (see `top_k`); and what is known of a member of a
//! dimension only ever gets better.
//!
//! This crate knows nothing of Kafka, Postgres, JSON, settings or clocks: keys and facts come in, rows go out.

mod admission;
mod cell;
mod count;
mod country;
mod day;
mod dimensions;
mod event;
mod interner;
mod key;
pub mod model;
mod per_epoch;
mod pre_aggregator;
mod reports;
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
pub use dimensions::browser_os::category;
pub use dimensions::host;
pub use dimensions::product::without_query;
pub use dimensions::referrer::known_kind;
pub use dimensions::{Attributes, DimensionKey, DimensionUpdate, DimensionUpdates, Home, Hosted, Page, Seen, Sighting};
pub use dimensions::{Lookup, LookupColumn};
pub use event::{Event, FieldText};
pub use key::{Key, join};
pub use model::Model;
pub use pre_aggregator::PreAggregator;
pub use reports::{Events, Group, Rows, reports, worker};
pub use row::{Row, RowKey, Value};
pub use shared_str::SharedStr;
pub use text::Text;
pub use top_k::{Ranked, top_k};
pub use visitor::{holds_at_sign, without_emails};

/// Dataflow time: the number of the short stretch in which the workers took a record in.
pub type Epoch = u64;

/// The last epoch of what the tables held at the start; its counts, and those of the epochs before it, are known to the
/// tables already. They are many so that a large state is taken in piece by piece, and none is in the way at once.
pub const SEED: Epoch = u32::MAX as Epoch;
