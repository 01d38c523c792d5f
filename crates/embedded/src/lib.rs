//! Servers of our own: a real Postgres, a real pgbouncer before it, and a real Apache Kafka, in temporary directories that
//! nobody else may enter. Postgres and pgbouncer listen at sockets there. Kafka supports none: it listens on 127.0.0.1, where
//! any user of this machine may read and write its topics while it runs.
//!
//! The tests, `freshet demo` and `freshet bench` run on them, so that nothing needs to be set up by hand.
//! A server never outlives the program that started it, however that program ends (see `home`).
//! Nothing here knows about reports, tables or topics.

mod home;
mod kafka;
mod pgbouncer;
mod postgres;
mod server;

pub use kafka::{Guard, Kafka};
pub use pgbouncer::{PgBouncer, PoolMode};
pub use postgres::Postgres;
pub use server::free_port;
