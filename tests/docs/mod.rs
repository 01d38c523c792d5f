//! README.md and docs/ against the program: links lead somewhere, what is generated is up to date, every command and every
//! statement runs.

mod commands;
mod diagram;
mod elsewhere;
mod generated;
mod links;
mod markdown;
mod messages;
#[path = "../../crates/bench/examples/scale.rs"]
mod scale;
mod settings;
mod shell;
mod small_tables;
mod tables;
mod world;
