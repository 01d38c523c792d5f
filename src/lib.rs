//! Freshet keeps six report tables in Postgres fresh and exact from the web-behaviour events of a Kafka topic.
//!
//! ```text
//! Kafka partition p          worker p mod W (one thread each)                                Postgres
//!  ───────────────►  poll ► decode ► fold ──► differential: count, top-k ──► changed rows ─┐
//!                      │      │        (per epoch, per worker)                              ├─► durable ─► writer ─► ONE
//!                      │      └── rejected (partition, offset, reason) ─────────────────────┤   (worker 0,  (thread)   transaction
//!                      └── progress (partition, next offset, totals) ───────────────────────┘    holds epochs)  ◄─ack─ per group of epochs
//! ```
//!
//! | module | owns |
//! |---|---|
//! | [`source`] | Kafka: partitions, offsets, payloads, and what becomes of each record |
//! | [`dataflows`] (a crate) | the six reports, from counted views to changed rows |
//! | [`engine`] | the workers: take, fold, close an epoch, wait until it is durable |
//! | [`database`] | sessions with Postgres, and what its errors mean |
//! | [`schema`] | the DDL that follows from the reports |
//! | [`sink`] | Postgres: schema, lease, load, one transaction per group of closed epochs |
//! | [`check`] | a look at a topic before there are tables |
//! | [`cluster`] | several processes that are one engine: they find each other, and end together |
//! | [`clock`] | time: the system's, or the simulation's |
//! | `forget` | the events that are to be taken out for good, found in the topic |
//! | [`metrics`] | what a run tells of itself in numbers |
//! | [`rejected`] | the rejected records, listed for people |
//! | [`reports`] | the reports, read from the tables for people |
//! | [`verify`] | the audit: recounts the topic by itself and compares every table |
//! | [`notice`] | what each commit tells whoever listens |
//! | [`schema`] | the DDL that follows from a model |
//! | [`serve`] | the page and its JSON, over HTTP |
//! | [`status`] | how the tables are: owner, offsets, freshness, sizes |
//! | `freshet_generator` (a crate) | realistic events to try it with, and hostile ones |
//! | `freshet_embedded` (a crate) | private Postgres and Kafka servers, for tests, the demo and measurements |
//! | `freshet_bench` (a crate) | what the program costs, measured from outside |
//! | `demo` | all of it at once, on this machine |
//! | [`Pipeline`] | a run inside of another program |
//! | [`commands`] | what the program does for each subcommand: thin |

pub mod batch;
pub mod check;
pub mod clock;
pub mod cluster;
pub mod commands;
pub mod database;
#[cfg(feature = "demo")]
pub mod demo;
pub mod engine;
pub mod failure;
mod forget;
pub mod log;
pub mod metrics;
pub mod notice;
mod pipeline;
pub mod processes;
pub mod rejected;
pub mod reports;
pub mod schema;
pub mod serve;
pub mod sink;
pub mod source;
pub mod status;
pub mod terminal;
pub mod verify;

pub use dataflows::model::{self, Model, ModelError};
pub use failure::Failure;
pub use pipeline::Pipeline;
