//! `freshet explain`: the records behind one number.

use std::io::{self, BufWriter, Write};

use anyhow::{Context, Result, bail};
use chrono::{DateTime, NaiveDate, SecondsFormat};
use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind::ArgumentConflict;

use super::arguments::{RuleArgs, TopicArgs};
use super::reports::ReportsArgs;
use crate::database::Target;
use crate::sink::Reader;
use crate::terminal::{self, grouped};
use crate::verify::{COUNTED, Found, Number, Wanted, explain};

/// List the records behind one number of a table, and compare their count.
///
/// The number is the views of all rows that the flags select: of a product in an hour, or without --hour in the whole day,
/// as in the rankings. Each line has partition, offset and Kafka timestamp of a record. Writes nothing.
#[derive(Args, Clone, Debug)]
pub struct Explain {
    /// Table
    #[arg(value_parser = PossibleValuesParser::new(COUNTED.map(|table| table.name)))]
    pub table: String,
    /// The topic.
    #[command(flatten)]
    pub topic: TopicArgs,
    /// Postgres database of the tables: postgres://user:password@host:port/database
    #[arg(long, env = "FRESHET_DATABASE_URL", hide_env_values = true)]
    pub database_url: Target,
    /// The reports that the tables were built with.
    #[command(flatten)]
    pub reports: ReportsArgs,
    /// Day, as 2020-06-04
    #[arg(long)]
    pub day: NaiveDate,
    /// Hour, 0 to 23
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..24))]
    pub hour: Option<u8>,
    /// product_id
    #[arg(long)]
    pub product: Option<String>,
    /// Country code, as DE
    #[arg(long)]
    pub country: Option<String>,
    /// referrer_url
    #[arg(long)]
    pub referrer: Option<String>,
    /// store_id
    #[arg(long)]
    pub store: Option<String>,
    /// Browser
    #[arg(long)]
    pub browser: Option<String>,
    /// Operating system
    #[arg(long)]
    pub os: Option<String>,
}

impl Explain {
    /// What is asked for. Ends the program, as for any wrong usage, if the table has no such column.
    fn wanted(&self, columns: &[&str]) -> Vec<Wanted> {
        let given = [
            ("day", "--day", Some(self.day.to_string())),
            ("hour", "--hour", self.hour.map(|hour| hour.to_string())),
            ("product_id", "--product", self.product.clone()),
            ("country", "--country", self.country.clone()),
            ("referrer_url", "--referrer", self.referrer.clone()),
            ("store_id", "--store", self.store.clone()),
            ("browser", "--browser", self.browser.clone()),
            ("os", "--os", self.os.clone()),
        ];
        let mut wanted = Vec::new();
        for (column, flag, text) in given {
            let Some(text) = text else { continue };
            if !columns.contains(&column) {
                let message =
                    format!("{flag} says nothing about {}, whose key is {}\n", self.table, columns.join(", "));
                clap::Error::raw(ArgumentConflict, message).exit();
            }
            wanted.push((column, text));
        }
        wanted
    }
}

/// Lists the records. Succeeds only if there are as many as the table has views.
pub fn run(args: &Explain) -> Result<()> {
    match list(args) {
        // Whoever read our lines has seen enough.
        Err(error) if terminal::is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}

fn list(args: &Explain) -> Result<()> {
    let place = COUNTED.iter().position(|table| table.name == args.table).context("no such table")?;
    let wanted = args.wanted(COUNTED[place].columns);
    let (mut number, rules) = {
        let mut reader = Reader::open(&args.database_url)?;
        let mut snapshot = reader.snapshot()?;
        let rules = RuleArgs::of_tables(&snapshot.settings_of(&args.topic.topic)?, &args.reports)?;
        (Number::read(&mut snapshot, &args.topic.topic, place, wanted)?, rules)
    };
    let mut lines = BufWriter::new(io::stdout().lock());
    let mut records: i64 = 0;
    let unchecked = explain(&mut number, &args.topic.kafka(), &rules.rules(), |found| {
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
