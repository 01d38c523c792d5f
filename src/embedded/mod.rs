//! Servers of our own, on free ports of 127.0.0.1: a real Postgres, a real pgbouncer before it, and a real Apache Kafka, in
//! temporary directories.
//!
//! The tests and `freshet bench` run on them, so that nothing needs to be set up by hand.
//! A server never outlives the program that started it, however that program ends (see `server`).
//! Nothing here knows a report, a table or a topic.

mod kafka;
mod pgbouncer;
mod postgres;
mod server;

pub use kafka::{Guard, Kafka};
pub use pgbouncer::{PgBouncer, PoolMode};
pub use postgres::Postgres;
pub use server::free_port;
