//! `freshet explain`: the records behind one number.

use std::io::{self, BufWriter, Write};

use anyhow::{Context, Result, bail};
use chrono::{DateTime, SecondsFormat};
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind::{ArgumentConflict, MissingRequiredArgument};
use clap::{Args, Command};
use dataflows::model::{Dimension, Model, Table, TableRows};

use super::arguments::TablesArgs;
use super::dimensions::DimensionArgs;
use crate::audit::{Found, Number, Wanted, explain, explained_by};
use crate::sink::{Forgotten, Reader};
use crate::terminal::{self, grouped};

/// List the records behind one number of a table or a report, and compare their count.
///
/// The number is the views of all rows that the flags select: of a product in an hour, or without --hour in the whole day,
/// as in the rankings. Each line has partition, offset and Kafka timestamp of a record. Writes nothing.
#[derive(Args, Clone, Debug)]
pub struct Explain {
    /// Table or report
    pub table: String,
    /// Which tables, and what they follow from.
    #[command(flatten)]
    pub tables: TablesArgs,
    /// What is asked about.
    #[command(flatten)]
    pub dimensions: DimensionArgs,
}

/// The subcommand with a flag for each dimension of the model's tables, and their names.
pub fn with_dimensions(command: Command, model: &Model) -> Command {
    let numbers = || model.tables.iter().filter_map(|table| Some((table, explained_by(model, table)?.0)));
    let mut dimensions = Vec::new();
    for dimension in numbers().flat_map(|(_, dimensions)| dimensions) {
        if !dimensions.contains(&dimension) {
            dimensions.push(dimension);
        }
    }
    let tables = numbers().map(|(table, _)| table.name.clone());
    let names: Vec<_> = tables.chain(model.reports.iter().map(|report| report.name.clone())).collect();
    command
        .mut_arg("table", |table| table.value_parser(PossibleValuesParser::new(names)))
        .args(dimensions.into_iter().map(|dimension| DimensionArgs::flag(model, dimension)))
}

impl Explain {
    /// The table, and the values to select. Exits with a usage error if the table has no such dimension, or if one is missing:
    /// the day where the table has one, and every dimension of a ranking.
    fn wanted<'a>(&self, model: &'a Model) -> Result<(&'a Table, Vec<Wanted>)> {
        let of_report = model.report(&self.table).map(|report| &model.tables[report.table]);
        let table = of_report.or_else(|| model.tables.iter().find(|table| table.name == self.table));
        let table = table.context("no such table")?;
        let (by, _) = explained_by(model, table).context("no numbers are in this table")?;
        let flags = |by: &[Dimension]| {
            let flags = by.iter().map(|dimension| format!("--{}", model.dimension_label(*dimension)));
            flags.collect::<Vec<_>>().join(", ")
        };
        if let Some(other) = self.dimensions.others(model, &by).first() {
            let message = format!("--{other} says nothing about {}, whose flags are {}\n", self.table, flags(&by));
            clap::Error::raw(ArgumentConflict, message).exit();
        }
        let wanted = self.dimensions.values(model, &by);
        let is_ranking = matches!(table.rows, TableRows::Ranking(_));
        let is_missing = |by: &Dimension| wanted.iter().all(|(given, _)| given != by);
        let is_needed = |by: &Dimension| (is_ranking || *by == Dimension::Day) && is_missing(by);
        let missing: Vec<_> = by.iter().copied().filter(is_needed).collect();
        if !missing.is_empty() {
            let message = format!("{} needs {}, of its flags {}\n", self.table, flags(&missing), flags(&by));
            clap::Error::raw(MissingRequiredArgument, message).exit();
        }
        Ok((table, wanted))
    }
}

/// Lists the records. Succeeds only if there are as many as the table has views.
pub fn run(args: &Explain) -> Result<()> {
    match list(args) {
        // The reader of a pipe has seen enough.
        Err(error) if terminal::is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}

fn list(args: &Explain) -> Result<()> {
    let model = args.tables.reports.model();
    let (table, wanted) = args.wanted(&model)?;
    let (mut number, rules) = {
        let mut reader = Reader::open(&args.tables.database_url)?;
        let mut snapshot = reader.snapshot()?;
        let rules = args.tables.rules(&mut snapshot)?;
        let number = Number::read(&mut snapshot, &args.tables.topic.topic, &model, table, wanted, rules.retain)?;
        let Forgotten { key, ids } = snapshot.forgotten()?;
        (number, rules.decode.forgetting(key, ids))
    };
    let mut lines = BufWriter::new(io::stdout().lock());
    let mut records: i64 = 0;
    let unchecked = explain(&mut number, &args.tables.topic.kafka(), &rules, |found| {
        records += 1;
        writeln!(lines, "{}", line(found)).context(terminal::NOT_WRITTEN)
    })?;
    let (found, stored) = (grouped(records.cast_unsigned()), grouped(number.stored.cast_unsigned()));
    if let Some(first) = unchecked.first() {
        lines.flush()?;
        bail!("{first}; what is left has {found} of the {stored} views that the table has");
    }
    if records != number.stored {
        lines.flush()?;
        bail!("the table has {stored} views, and the topic {found}; `freshet verify` finds all rows that differ");
    }
    writeln!(lines, "{found} records, as many as the table has views").context(terminal::NOT_WRITTEN)?;
    lines.flush().context(terminal::NOT_WRITTEN)
}

fn line(Found { partition, offset, timestamp }: Found) -> String {
    let time = timestamp.and_then(DateTime::from_timestamp_millis);
    let time = time.map_or("-".to_owned(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true));
    format!("{partition}\t{offset}\t{time}")
}
