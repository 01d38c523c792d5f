//! `freshet check`: what would become of a topic.

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::arguments::{RuleArgs, TopicArgs};
use crate::{check, terminal};

/// Look at a topic before there are tables: what would be counted, ignored and rejected, and why.
///
/// It looks at a sample that is spread over all partitions, from the oldest records to the newest. It changes nothing
/// anywhere and needs no database.
#[derive(Args, Clone, Debug)]
pub struct Check {
    /// The topic.
    #[command(flatten)]
    pub topic: TopicArgs,
    /// What decides about its records.
    #[command(flatten)]
    pub rules: RuleArgs,
    /// How many records to look at
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub sample: u64,
    /// How to print what was found
    #[arg(long, default_value = "table")]
    pub format: Format,
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables, for a person
    Table,
    /// One JSON object, for a program
    Json,
}

/// Looks, and prints what was found.
pub fn run(args: &Check) -> Result<()> {
    let findings = check::look(&args.topic.kafka(), &args.rules.rules(), args.sample)?;
    let text = match args.format {
        Format::Table => check::tables(&findings),
        Format::Json => terminal::safe_json(&serde_json::to_string_pretty(&findings)?),
    };
    terminal::print(&text)
}
