//! `freshet status`: the state of the tables.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::database::Target;
use crate::sink::Reader;
use crate::source::{self, Property, Topic};
use crate::status::{add_ends, read, text};
use crate::terminal;

/// Print owner, progress, freshness and sizes of the tables.
#[derive(Args, Clone, Debug)]
pub struct Status {
    /// Postgres database of the tables: postgres://user:password@host:port/database
    #[arg(long, env = "FRESHET_DATABASE_URL", hide_env_values = true)]
    pub database_url: Target,
    /// Kafka brokers: comma-separated host:port pairs; without them there is no lag
    #[arg(long, env = "FRESHET_BROKERS")]
    pub brokers: Option<String>,
    /// Topic that the tables must be of [default: any]
    #[arg(long)]
    pub topic: Option<String>,
    /// librdkafka property; can be repeated, in the environment one per line
    #[arg(short = 'X', env = "FRESHET_X", hide_env_values = true, value_name = "NAME=VALUE", value_delimiter = '\n')]
    pub properties: Vec<Property>,
    /// Output format
    #[arg(long, default_value = "table")]
    pub format: Format,
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables, for a person
    Table,
    /// A JSON object
    Json,
}

/// Prints it.
pub fn run(args: &Status) -> Result<()> {
    let mut status = read(&mut Reader::open(&args.database_url)?, args.topic.as_deref())?;
    if let Some(brokers) = &args.brokers {
        // The status of the tables is worth printing even if Kafka does not answer.
        let kafka = source::Settings::new(brokers, &status.topic, &args.properties);
        let added = Topic::connect(&kafka).and_then(|topic| add_ends(&mut status, &topic));
        status.kafka_error = added.err().map(|error| format!("{error:#}"));
    }
    terminal::print(&match args.format {
        Format::Table => text(&status),
        Format::Json => terminal::safe_json(&serde_json::to_string_pretty(&status)?),
    })
}
