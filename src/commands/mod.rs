//! What the program does for each subcommand. Thin: each turns its flags into settings and calls the parts.

pub mod bench;
pub mod generate;
pub mod run;
