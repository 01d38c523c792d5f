//! Freshet keeps six report tables in Postgres fresh and exact from the web-behaviour events of a Kafka topic.
//!
//! ```text
//! Kafka partition p          worker p mod W (one thread each)                                Postgres
//!  ───────────────►  poll ► decode ► combine ► differential: count, top-k ─► changed rows ─┐
//!                      │      │        (per epoch, per worker)                              ├─► durable ─► writer ─► ONE
//!                      │      └── rejected (partition, offset, reason) ─────────────────────┤   (worker 0,  (thread)   transaction
//!                      └── progress (partition, next offset, totals) ───────────────────────┘    holds epochs)  ◄─ack─ per group of epochs
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`cli`] | a subcommand each: flags to settings, calls to the parts; thin |
//! | [`pipeline`] | a run: its settings, what is decided before the first record, what is watched meanwhile; rebuilds |
//! | [`source`] | Kafka: partitions, offsets, payloads; [`source::decode`]: what becomes of each record |
//! | [`engine`] | the workers: ingest, pre-aggregate, close an epoch, hold it until it is durable |
//! | [`dataflows`] (a crate) | the reports, from counted events to changed rows |
//! | [`id_key`] | the key of the hashes by which ids of events are known again |
//! | [`batch`] | what goes from the engine to the sink |
//! | [`sink`] | Postgres: lease, load, one transaction for each group of closed epochs |
//! | [`notify`] | the notification of each commit: sent, and heard |
//! | [`reports`] | the reports, read from the tables for people |
//! | [`serve`] | the page and its JSON, over HTTP |
//! | [`audit`] | recounts the topic by itself and compares every table |
//! | [`schema`] | the DDL that follows from a model |
//! | [`database`] | sessions with Postgres, and what its errors mean |
//! | [`cluster`] | several processes that are one engine: they find each other, and end together |
//! | [`check`] | a look at a topic before there are tables |
//! | `forget` | the events that are to be taken out for good, found in the topic |
//! | [`rejected`] | the rejected records, listed for people |
//! | [`status`] | how the tables are: owner, offsets, freshness, sizes |
//! | [`metrics`] | a run's numbers |
//! | [`clock`] | time: the system's, or the simulation's |
//! | `demo` | all of it at once, on this machine |
//! | `freshet_generator` (a crate) | realistic events to try it with, and hostile ones |
//! | `freshet_embedded` (a crate) | private Postgres and Kafka servers, for tests, the demo and measurements |
//! | `freshet_bench` (a crate) | what the program costs, measured from outside |

pub mod audit;
pub mod batch;
pub mod check;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod database;
#[cfg(feature = "demo")]
pub mod demo;
pub mod engine;
pub mod failure;
mod forget;
pub mod id_key;
pub mod log;
pub mod metrics;
pub mod notify;
pub mod pipeline;
pub mod processes;
pub mod rejected;
pub mod reports;
pub mod schema;
pub mod serve;
pub mod sink;
pub mod source;
pub mod status;
pub mod terminal;

pub use dataflows::model::{self, Model, ModelError};
pub use failure::Failure;
pub use pipeline::Pipeline;
