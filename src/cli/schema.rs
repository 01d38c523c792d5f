//! `freshet schema`: the tables that follow from the reports.

use anyhow::Result;
use clap::Args;

use super::reports::ReportsArgs;
use crate::{schema, terminal};

/// Print the DDL of the tables and views that follow from the reports.
///
/// `freshet run` makes them by itself where they are missing. Needs neither Kafka nor Postgres.
#[derive(Args, Clone, Debug)]
pub struct Schema {
    /// The reports.
    #[command(flatten)]
    pub reports: ReportsArgs,
}

/// Prints it.
pub fn run(args: &Schema) -> Result<()> {
    terminal::print(schema::ddl(&args.reports.model()).trim_end())
}
