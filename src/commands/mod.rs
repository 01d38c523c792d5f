//! What the program does for each subcommand. Thin: each turns its flags into settings and calls the parts.

pub mod arguments;
mod backfill;
#[cfg(feature = "demo")]
pub mod bench;
pub mod check;
pub mod cluster;
pub mod completions;
#[cfg(feature = "demo")]
pub mod demo;
pub mod dimensions;
pub mod environment;
pub mod explain;
pub mod forget;
#[cfg(feature = "demo")]
pub mod generate;
pub mod help;
pub mod man;
pub mod models;
mod plan;
pub mod program;
pub mod rebuild;
pub mod rejected;
pub mod report;
pub mod reports;
pub mod run;
pub mod schema;
pub mod start;
pub mod status;
pub mod stores;
pub mod verify;
mod watch;
