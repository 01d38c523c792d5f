//! `freshet check`: what would be counted of a topic.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum, ValueHint};
use tracing::info;

use super::arguments::{RuleArgs, TopicArgs};
use crate::check::{self, Proposal};
use crate::terminal::{self, grouped};

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
    /// Write a file of reports that counts these events; without FILE to standard output, and nothing else
    ///
    /// It is a model that is built in, if one counts at least 95 % of them, or made of the members found. Edit it, then give it
    /// as --reports.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, num_args = 0..=1, default_missing_value = STDOUT)]
    pub propose: Option<PathBuf>,
}

/// The file name that means standard output.
const STDOUT: &str = "-";

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables, for a person
    Table,
    /// One JSON object, for a program
    Json,
}

/// Prints the findings. An error if nothing would be counted, neither with these reports nor with the proposal.
pub fn run(args: &Check) -> Result<()> {
    let findings =
        check::look(&args.topic.kafka(), &args.rules.settings().decode, args.sample, args.propose.is_some())?;
    let is_piped = args.propose.as_ref().is_some_and(|file| file.as_os_str() == STDOUT);
    if !is_piped {
        terminal::print(&match args.format {
            Format::Table => check::tables(&findings),
            Format::Json => terminal::safe_json(&serde_json::to_string_pretty(&findings)?),
        })?;
    }
    match (&args.propose, &findings.proposal) {
        (Some(file), Some(proposal)) => write(file, proposal),
        (Some(_), None) => bail!("no file of reports fits these events: no member says when they happened"),
        (None, _) if findings.counts_nothing() => bail!("nothing of topic '{}' would be counted", findings.topic),
        (None, _) => Ok(()),
    }
}

/// Writes a proposal to a file that must not exist yet.
fn write(file: &Path, proposal: &Proposal) -> Result<()> {
    if file.as_os_str() == STDOUT {
        return terminal::print(proposal.toml.trim_end());
    }
    let at = file.display();
    let mut new = File::create_new(file).with_context(|| format!("--propose {at} cannot be created"))?;
    new.write_all(proposal.toml.as_bytes()).with_context(|| format!("--propose {at} cannot be written"))?;
    let (counted, tried, share) = (grouped(proposal.counted), grouped(proposal.tried), 100.0 * proposal.share);
    info!("wrote {at}: with --reports {at} {counted} of {tried} records would be counted ({share:.1} %)");
    Ok(())
}
