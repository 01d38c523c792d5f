//! `freshet check`: what would become of a topic.

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::arguments::{RuleArgs, TopicArgs};
use crate::{check, terminal};

/// Show what would be counted, ignored and rejected of a topic, and why.
///
/// Looks at a sample of all partitions, from the oldest records to the newest. Changes nothing, and needs no database.
#[derive(Args, Clone, Debug)]
pub struct Check {
    /// The topic.
    #[command(flatten)]
    pub topic: TopicArgs,
    /// What decides about its records.
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Records to look at
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub sample: u64,
    /// Output format
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
