//! `freshet rejected`: the records that could not be counted.

use std::time::SystemTime;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use clap::Args;

use crate::database::Target;
use crate::pipeline::CountRules;
use crate::rejected::{Rejections, Wanted};
use crate::sink::Reader;
use crate::source::{self, Property};
use crate::terminal;

/// List rejected records, the newest first.
#[derive(Args, Clone, Debug)]
pub struct Rejected {
    /// Postgres database of the tables: postgres://user:password@host:port/database
    #[arg(long, env = "FRESHET_DATABASE_URL", hide_env_values = true)]
    pub database_url: Target,
    /// Only those whose reason contains this text
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub reason: String,
    /// Only those rejected since then: 2h, 2026-11-28 or 2026-11-28T08:00:00Z [default: any time]
    #[arg(long, default_value = "1970-01-01", hide_default_value = true, value_name = "TIME", value_parser = since)]
    pub since: DateTime<Utc>,
    /// Maximum number of records
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: u32,
    /// Show what they hold; what the tables do not keep is read from the topic
    #[arg(long)]
    pub show: bool,
    /// Kafka brokers: comma-separated host:port pairs, for --show
    #[arg(long, env = "FRESHET_BROKERS")]
    pub brokers: Option<String>,
    /// librdkafka property; can be repeated, in the environment one per line
    #[arg(short = 'X', env = "FRESHET_X", hide_env_values = true, value_name = "NAME=VALUE", value_delimiter = '\n')]
    pub properties: Vec<Property>,
}

/// A time span before now, or a moment.
fn since(text: &str) -> Result<DateTime<Utc>, String> {
    let moment = match humantime::parse_duration(text) {
        Ok(ago) => SystemTime::now().checked_sub(ago),
        Err(_) => humantime::parse_rfc3339_weak(text)
            .or_else(|_| humantime::parse_rfc3339_weak(&format!("{text}T00:00:00Z")))
            .ok(),
    };
    let moment = moment.filter(|moment| *moment >= SystemTime::UNIX_EPOCH);
    moment.map(DateTime::from).ok_or_else(|| "expected a time span like 2h, or a time like 2026-11-28 08:00:00".into())
}

/// Prints them.
pub fn run(args: &Rejected) -> Result<()> {
    let wanted = Wanted { reason: args.reason.clone(), since: args.since, limit: args.limit };
    let (mut rejections, settings, topic) = {
        let mut reader = Reader::open(&args.database_url)?;
        let mut snapshot = reader.snapshot()?;
        let settings = snapshot.settings()?;
        let topic = settings.get("topic").context("these tables do not say of which topic they are")?.clone();
        (Rejections::read(&mut snapshot, &topic, &wanted)?, settings, topic)
    };
    if args.show && rejections.lack_payloads() {
        let brokers = args.brokers.as_deref().context(
            "the tables do not keep what these records hold (--keep-rejected-payload); --show reads it from the topic with \
             --brokers",
        )?;
        let rules = CountRules::stored(&settings, None)?.decode;
        rejections.fetch(&source::Settings::new(brokers, &topic, &args.properties), rules)?;
    }
    terminal::print(&rejections.text(args.show))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_may_be_given_in_several_ways() {
        let parsed = |text: &str| since(text).map(|moment| moment.to_rfc3339());
        for text in ["2026-11-28", "2026-11-28 00:00:00", "2026-11-28T00:00:00Z"] {
            assert_eq!(parsed(text), Ok("2026-11-28T00:00:00+00:00".into()), "{text}");
        }
        let hours = since("2h").map(|moment| (Utc::now() - moment).num_minutes());
        assert_eq!(hours, Ok(120));
        for text in ["", "yesterday", "1000y", "1969-12-31"] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}
