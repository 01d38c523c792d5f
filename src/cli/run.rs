//! `freshet run`: keeps the tables fresh.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;
use bytesize::ByteSize;
use clap::builder::Resettable;
use clap::{Args, CommandFactory, FromArgMatches, Parser, ValueEnum, ValueHint};
use dataflows::model::Model;

use super::arguments::{HttpArgs, RuleArgs, TopicArgs};
use super::cluster::ClusterArgs;
use super::help::heading;
use super::reports::ReportsArgs;
use crate::database::Target;
use crate::pipeline::{self, Pipeline, Policy, Settings, StoreNames};
use crate::serve::{self, Address};
use crate::sink::RejectedLimits;
use crate::source;

/// Read a topic and keep the report tables fresh.
#[derive(Args, Clone, Debug)]
pub struct Run {
    /// The topic.
    #[command(flatten)]
    pub topic: TopicArgs,
    /// Postgres database to write: postgres://user:password@host:port/database.
    #[arg(long, help_heading = heading::POSTGRES, env = "FRESHET_DATABASE_URL", hide_env_values = true)]
    pub database_url: Target,
    /// What decides about its records.
    #[command(flatten)]
    pub rules: RuleArgs,
    /// Worker threads.
    #[arg(long, short, help_heading = heading::PACE, env = "FRESHET_WORKERS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// Time between commits while Postgres keeps up, 1ms to 60s.
    #[arg(long, help_heading = heading::PACE, env = "FRESHET_TICK", default_value = "25ms", value_parser = tick)]
    pub tick: Duration,
    /// Where to begin in a topic that is new to the tables.
    #[arg(long, help_heading = heading::KAFKA, env = "FRESHET_FROM", default_value = "earliest")]
    pub from: From,
    /// What to do if records are gone from Kafka before they were read.
    #[arg(long, help_heading = heading::KAFKA, env = "FRESHET_ON_LOST_OFFSETS", default_value = "stop")]
    pub on_lost_offsets: OnLostOffsets,
    /// Wait while another instance owns the tables, then take over.
    #[arg(long, help_heading = heading::POSTGRES, env = "FRESHET_STANDBY")]
    pub standby: bool,
    /// Wait at the start for Kafka, the topic and Postgres instead of exiting.
    #[arg(long, help_heading = heading::PACE, env = "FRESHET_WAIT")]
    pub wait: bool,
    /// In how many processes.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Exit if nothing commits for this long while Postgres responds.
    #[arg(long, help_heading = heading::PACE, env = "FRESHET_STALL_TIMEOUT", default_value = "5m", value_parser = humantime::parse_duration)]
    pub stall_timeout: Duration,
    /// Exit with status 7 above this much memory, as 4GiB; by default 95 % of the container's limit.
    #[arg(long, help_heading = heading::PACE, env = "FRESHET_MEMORY_LIMIT", value_name = "SIZE")]
    pub memory_limit: Option<ByteSize>,
    /// Where it is looked at.
    #[command(flatten)]
    pub http: HttpArgs,
    /// Consumer group to commit offsets to, for monitoring tools.
    #[arg(long, help_heading = heading::KAFKA, env = "FRESHET_GROUP", default_value = source::GROUP)]
    pub group: String,
    /// Lag up to which /readyz answers ready.
    #[arg(long, help_heading = heading::PAGE, env = "FRESHET_READY_LAG", default_value = "1m", value_parser = humantime::parse_duration)]
    pub ready_lag: Duration,
    /// Stop once everything that is in the topic now is committed.
    #[arg(long, help_heading = heading::PACE, env = "FRESHET_UNTIL_END")]
    pub until_end: bool,
    /// Drop the tables of reports that are no longer in the file of --reports; by default they are kept as they were.
    #[arg(long, help_heading = heading::POSTGRES, env = "FRESHET_DROP_REMOVED")]
    pub drop_removed: bool,
    /// CSV file with the names of stores: a line with the headings of the two columns, then a store and its name on each.
    #[arg(long, help_heading = heading::POSTGRES, env = "FRESHET_STORES", value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = StoreNames::read)]
    pub stores: Option<StoreNames>,
    /// Keep the payload of rejected records, which may hold personal data.
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_KEEP_REJECTED_PAYLOAD")]
    pub keep_rejected_payload: bool,
    /// How long to keep rejected records, or off; after that they are only counted.
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_RETAIN_REJECTED", default_value = "30d", value_name = "TIME")]
    pub retain_rejected: Retain,
    /// How many rejected records to keep; further ones are only counted.
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_REJECTED_MAX_ROWS", default_value_t = RejectedLimits::default().rows_max, value_name = "ROWS")]
    pub rejected_max_rows: u32,
}

/// How long something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retain {
    /// For ever.
    Always,
    /// For this long.
    For(Duration),
}

impl FromStr for Retain {
    type Err = String;

    fn from_str(text: &str) -> Result<Retain, String> {
        match humantime::parse_duration(text) {
            _ if text == "off" => Ok(Retain::Always),
            Ok(time) if time >= Duration::from_secs(1) => Ok(Retain::For(time)),
            _ => Err("expected a time of at least 1s, like 30d, or off".into()),
        }
    }
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// The earliest record
    Earliest,
    /// The first record produced after the start
    Latest,
}

/// What to do about records that were to be read and are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnLostOffsets {
    /// Stop with exit status 5
    Stop,
    /// Resume at the earliest record (at the end of a truncated log) and record the gap in the table gaps
    Earliest,
}

fn tick(text: &str) -> Result<Duration, String> {
    let tick = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let allowed = Duration::from_millis(1)..=Duration::from_secs(60);
    if allowed.contains(&tick) { Ok(tick) } else { Err("expected 1ms to 60s".into()) }
}

/// `freshet run`, as if it had been typed.
#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    run: Run,
}

impl Run {
    /// The run of these flags and their values. The environment is ignored, as it may name other brokers and other tables.
    ///
    /// # Errors
    /// What is wrong with a flag.
    pub fn of_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> Result<Run, clap::Error> {
        let command = Typed::command().mut_args(|argument| argument.env(Resettable::Reset));
        let matches = command.try_get_matches_from(["run"].into_iter().chain(flags))?;
        Ok(Typed::from_arg_matches(&matches)?.run)
    }

    /// The settings that these flags mean.
    ///
    /// # Errors
    /// Flags that conflict, or a file that is wrong.
    pub fn settings(&self) -> Result<Settings> {
        Ok(Settings { cluster: self.cluster.settings()?, http: self.http.settings()?, ..self.of_tables() })
    }

    /// The settings of a single process, without a page.
    pub(super) fn of_tables(&self) -> Settings {
        let retain = match self.retain_rejected {
            Retain::Always => None,
            Retain::For(time) => Some(time),
        };
        Settings {
            kafka: source::Settings { group: self.group.clone(), ..self.topic.kafka() },
            database: self.database_url.clone(),
            rules: self.rules.settings(),
            workers: self.workers,
            tick: self.tick,
            policy: Policy {
                from_latest: self.from == From::Latest,
                skip_lost: self.on_lost_offsets == OnLostOffsets::Earliest,
            },
            standby: self.standby,
            wait: self.wait,
            cluster: None,
            stall_timeout: self.stall_timeout,
            memory_limit: self.memory_limit,
            http: serve::Settings::off(),
            ready_lag: self.ready_lag,
            until_end: self.until_end,
            drop_removed: self.drop_removed,
            stores: self.stores.clone(),
            keep_rejected_payload: self.keep_rejected_payload,
            rejected: RejectedLimits { retain, rows_max: self.rejected_max_rows },
        }
    }
}

impl Pipeline {
    /// A pipeline from flags of `freshet run`, each followed by its value, as `["--clock", "time-stamp"]`. The environment is
    /// ignored.
    ///
    /// # Errors
    /// What is wrong with a flag, or which one is missing.
    pub fn of_flags<'a>(model: Arc<Model>, flags: impl IntoIterator<Item = &'a str>) -> Result<Pipeline> {
        let mut run = Run::of_flags(flags)?;
        run.http.page.http.get_or_insert(Address::Off);
        run.rules.reports = ReportsArgs { reports: Some(model) };
        Ok(run.settings()?.into())
    }
}

/// Keeps the tables fresh until `stop` is set.
pub fn run(args: &Run, stop: &Arc<AtomicBool>) -> Result<()> {
    pipeline::run_process(&args.settings()?, stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_what_flags_leave_alone() {
        let model = Model::builtin();
        let (brokers, topic, url) = ("localhost:9092", "events", "postgres://me@localhost/shop");
        let flags = ["--brokers", brokers, "--topic", topic, "--database-url", url];
        let of_flags = Pipeline::of_flags(model.clone(), flags).expect("flags");
        let new = Pipeline::new(model, brokers, topic, url).expect("a URL");
        assert_eq!(format!("{new:#?}"), format!("{of_flags:#?}"));
    }
}
