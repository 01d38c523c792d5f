//! All tests against the real parts, in one program: it is linked once, and its tests share a Kafka and a Postgres.

mod api;
mod bench;
mod check;
mod compose;
mod crowd;
mod decode;
mod demo;
mod end_to_end;
mod faults;
mod harness;
mod identity;
mod instruments;
mod limits;
mod page;
mod readme;
mod refusals;
mod report;
mod restarts;
mod schema;
mod soak;
mod support;
mod tidy;
mod tls;
mod user_agents;
mod verify;
mod warehouse;
