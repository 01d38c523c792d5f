//! What the program does for each subcommand. Thin: each turns its flags into settings and calls the parts.

pub mod arguments;
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
pub mod program;
pub mod rebuild;
pub mod rejected;
pub mod report;
pub mod reports;
pub mod run;
pub mod schema;
pub mod status;
pub mod verify;
