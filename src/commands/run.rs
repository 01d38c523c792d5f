//! `freshet run`: keeps the tables fresh.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use bytesize::ByteSize;
use clap::builder::Resettable;
use clap::{Args, CommandFactory, FromArgMatches, Parser, ValueEnum};
use tracing::{info, warn};

use super::arguments::{HttpArgs, RuleArgs, TopicArgs};
use super::backfill::Backfill;
use super::cluster::{ClusterArgs, Others, farewell, follow};
use super::help::heading;
use super::plan::{Plan, Policy, Stored, first};
use super::start::{Starting, connect, open};
use super::stores::StoresArgs;
use super::watch::{IdentityWatch, Partitions};
use crate::batch::{Batch, Gap, TopicIdentity};
use crate::database::Target;
use crate::engine::{self, Durable, Engine, Outside};
use crate::failure::Failure;
use crate::metrics::{Metrics, Phase};
use crate::serve::{OpsState, Server};
use crate::sink::{Forgotten, RejectedLimits, Rewound, Sink, TableSettings};
use crate::source::decode::Rules;
use crate::source::{self, Presence, Topic};

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
    /// What stores are called.
    #[command(flatten)]
    pub stores: StoresArgs,
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
    /// The run of these flags and their values, whatever the environment says: it may speak of other brokers and other tables.
    ///
    /// # Errors
    /// What is wrong with a flag.
    pub fn of_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> Result<Run, clap::Error> {
        let command = Typed::command().mut_args(|argument| argument.env(Resettable::Reset));
        let matches = command.try_get_matches_from(["run"].into_iter().chain(flags))?;
        Ok(Typed::from_arg_matches(&matches)?.run)
    }

    pub(super) fn kafka(&self) -> source::Settings {
        source::Settings { group: self.group.clone(), ..self.topic.kafka() }
    }

    /// What its tables are built with.
    pub(super) fn built_with(&self) -> TableSettings {
        self.rules.built_with(&self.topic.topic).dropping_removed(self.drop_removed)
    }

    pub(super) fn engine(&self) -> engine::Settings {
        engine::Settings {
            workers: usize::from(self.workers),
            member_limit: self.rules.member_limit(),
            retain: self.rules.retain,
            tick: self.tick,
            keep_payload: self.keep_rejected_payload,
            is_amended: false,
            until_end: self.until_end,
            // The clock closes epochs, so a tick must fit in.
            stall_timeout: self.stall_timeout + self.tick,
            memory_limit: self.memory_limit,
        }
    }

    fn rejected_limits(&self) -> RejectedLimits {
        let retain = match self.retain_rejected {
            Retain::Always => None,
            Retain::For(time) => Some(time),
        };
        RejectedLimits { retain, rows_max: self.rejected_max_rows }
    }

    /// A run that ended by this error starts again, if that heals it.
    fn healed_by_a_start(&self, error: anyhow::Error, rewinds: u64) -> anyhow::Error {
        if error.is::<GivenUp>() {
            Restart { why: error.to_string(), rewinds }.into()
        } else if self.policy().skip_lost && is_lost(&error) {
            Restart { why: format!("{error:#}; starting again, behind the gap"), rewinds }.into()
        } else if error.is::<Rewound>() {
            Restart { why: format!("{error}; reading the tables again"), rewinds: rewinds + 1 }.into()
        } else {
            error
        }
    }

    fn policy(&self) -> Policy {
        Policy { from_latest: self.from == From::Latest, skip_lost: self.on_lost_offsets == OnLostOffsets::Earliest }
    }
}

/// Runs until `stop` is set, or to the end of the topic with `--until-end`, or to the first error that no waiting
/// heals. On return without an error everything that was taken is in the tables.
pub fn run(args: &Run, stop: Arc<AtomicBool>, starting: &Starting) -> Result<()> {
    run_with(args, &Metrics::new()?, stop, starting)
}

/// The same, with numbers that others may look at.
pub(super) fn run_with(args: &Run, metrics: &Metrics, stop: Arc<AtomicBool>, starting: &Starting) -> Result<()> {
    args.rules.check()?;
    args.stores.check(&args.rules.reports.model())?;
    let cluster = args.cluster.settings()?;
    let ops = OpsState { metrics: metrics.clone(), ready_lag: args.ready_lag };
    let _server = Server::start(&args.http.settings()?, &args.database_url, &args.rules.reports.model(), ops)?;
    let Some(topic) = connect(args, &args.kafka(), &stop)? else { return Ok(()) };
    let Some(cluster) = cluster else {
        return count(args, topic, &Before::default(), Others(None), metrics, stop, starting);
    };
    let cluster = args.form(&cluster, metrics, &stop)?;
    // From now on a stop is one of all processes.
    starting.is_over();
    let outcome = if cluster.is_owner() {
        count(args, topic, &Before::default(), Others(Some(&cluster)), metrics, stop, starting)
    } else {
        follow(args, &cluster, metrics, &stop)
    };
    cluster.leave(&farewell(&outcome));
    outcome
}

/// What tables that are new follow from, beside the topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    /// Where partitions begin that the tables do not know.
    pub begin_at: BTreeMap<i32, i64>,
    /// What does not count.
    pub forgotten: Option<Forgotten>,
}

/// The tables were asked for by a `freshet forget`, and are given up until it has ended.
#[derive(Debug, thiserror::Error)]
#[error("freshet forget asked for the tables; going on when it has ended")]
pub(super) struct GivenUp;

/// The process is to become a new start of the same program: it knows how to leave a gap and how to read the tables, and
/// nothing of this one can be in its way.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Restart {
    pub why: String,
    /// How often Postgres had lost commits by then.
    pub rewinds: u64,
}

impl Restart {
    /// Starts again; an error if that fails. The kernel's own name of the program holds also where its file was replaced.
    pub fn exec(&self) -> anyhow::Error {
        warn!("{self}");
        let mut command = Command::new("/proc/self/exe");
        command.args(std::env::args_os().skip(1)).env(REWINDS, self.rewinds.to_string()).exec().into()
    }
}

/// The same for a topic that is connected to, without a page.
pub(super) fn count(
    args: &Run,
    topic: Topic,
    before: &Before,
    others: Others<'_>,
    metrics: &Metrics,
    stop: Arc<AtomicBool>,
    starting: &Starting,
) -> Result<()> {
    let (topic, rewinds) = (Arc::new(topic), rewinds());
    metrics.set_rewinds(rewinds);
    let Some(mut sink) = open(args, metrics, &stop)? else { return Ok(()) };
    if let Some(forgotten) = &before.forgotten {
        sink.adopt(forgotten)?;
    }
    let Forgotten { key, ids } = sink.forgotten().clone();
    let rules = Rules { model: sink.model().clone(), ..args.rules.rules() }.forgetting(key, ids);
    sink.limit_rejected(args.rejected_limits());

    // The order matters: own the tables, then read them, then read on from where they stand, in the topic that was
    // looked at meanwhile.
    let identity = identity(&topic)?;
    let kafka = source::Settings { topic_id: identity.topic_id.clone(), ..args.kafka() };
    let engine = args.engine();
    others.tell_terms(&rules, &kafka, sink.forgotten());
    let outside = Outside::real(kafka.fetching_ahead(engine.worker_bytes_max()));
    let (is_asked, ending) = (sink.is_asked(), Arc::default());
    let (mut engine, batches, durable) =
        Engine::start(&engine, &outside, &rules, others.peers(), metrics, Arc::clone(&ending))?;
    sink.load(|row| engine.seed(row))?;
    let Plan { assignments, new, gaps, .. } = plan(args, &topic, &sink, &identity, before, metrics)?;
    sink.begin(&new, &gaps, &identity)?;
    sink.note_processes(others.processes(args.workers).as_ref())?;
    let behind: i64 = assignments.iter().map(|a| a.end - a.progress.next_offset).sum();
    info!("reading {} partitions of topic '{}', {behind} records behind", assignments.len(), topic.name());

    let known = assignments.iter().map(|assignment| assignment.progress.partition).collect();
    let mut partitions = Partitions::new(topic.clone(), known, sink.progress().clone());
    starting.is_over();
    let newest = sink.progress().values().filter_map(|progress| progress.newest_day);
    others.begin(&assignments);
    engine.begin(assignments, newest)?;
    metrics.set_phase(Phase::Reading);
    let backfill = Backfill::watch(metrics)?;
    let watch = IdentityWatch::start(topic, identity, args.policy(), engine.writer_result())?;
    let away = sink.away();
    write(sink, batches, durable, &engine)?;
    let is_over = || {
        let is_asked = is_asked.load(Ordering::Relaxed);
        if is_asked {
            others.stop();
        }
        is_asked || stop.load(Ordering::Relaxed)
    };
    let watching = |engine: &Engine| {
        others.exchange(engine)?;
        let added = if args.until_end { Vec::new() } else { partitions.look_for_new()? };
        others.assign(&added);
        added.into_iter().try_for_each(|assignment| engine.assign(assignment))
    };
    let ended = engine.wait(&away, is_over, watching);
    drop((backfill, watch));
    let is_given_up = is_asked.load(Ordering::Relaxed) && !stop.load(Ordering::Relaxed);
    let ended = ended.and_then(|()| if is_given_up { Err(GivenUp.into()) } else { Ok(()) });
    let Err(error) = ended else {
        info!("everything that was read is committed");
        return Ok(());
    };
    Err(if starting.owns_process() { args.healed_by_a_start(error, rewinds) } else { error })
}

/// Where the partitions are read from, which is told where it is not where the tables stand.
fn plan(
    args: &Run,
    topic: &Topic,
    sink: &Sink,
    identity: &TopicIdentity,
    before: &Before,
    metrics: &Metrics,
) -> Result<Plan> {
    let stored = Stored { progress: sink.progress(), identity: sink.identity(), begin_at: &before.begin_at };
    if identity.topic_id.is_none() && stored.identity.topic_id.is_some() {
        bail!("the tables are of a topic with an id, which Kafka does not say now; start again when it does");
    }
    let plan = Plan::new(topic, stored, identity, args.policy())?;
    tell(args, topic, &plan.gaps, &plan.offline)?;
    for partition in &plan.offline {
        let begun = stored.progress.get(partition).copied();
        metrics.begin_offline(&begun.unwrap_or_else(|| first(*partition, 0)));
    }
    Ok(plan)
}

/// Writes what the engine closes, in a thread that ends with it.
pub(super) fn write(sink: Sink, batches: Receiver<Batch>, durable: Durable, engine: &Engine) -> Result<()> {
    let result = engine.writer_result();
    thread::Builder::new().name("writer".into()).spawn(move || {
        let outcome = sink.write(|wait| batches.recv_timeout(wait), |epoch| durable.ack(epoch));
        // Nobody listens any more if the process is about to end.
        let _ = result.send(outcome);
    })?;
    Ok(())
}

/// Which topic it is. What Kafka does not say in time is not known: tables that know it then wait for a start that learns it,
/// all others go by the last records alone.
pub(super) fn identity(topic: &Topic) -> Result<TopicIdentity> {
    match topic.presence()? {
        Presence::There(identity) => Ok(identity),
        Presence::Gone => bail!("topic '{}' was deleted a moment ago", topic.name()),
        Presence::Unknown(why) => {
            warn!("Kafka does not say which id topic '{}' has: {why}", topic.name());
            Ok(TopicIdentity::default())
        }
    }
}

/// Says what of the topic is not read.
fn tell(args: &Run, topic: &Topic, gaps: &[Gap], offline: &[i32]) -> Result<()> {
    for Gap { partition, from, to, reason } in gaps {
        let reason = reason.text();
        warn!("partition {partition} goes on at offset {to}, not at {from} ({reason}): see the table gaps");
    }
    if let [first, others @ ..] = offline {
        let list = others.iter().fold(first.to_string(), |list, partition| format!("{list}, {partition}"));
        if args.until_end {
            bail!("partitions without a leader cannot be read to their end: {list} of topic '{}'", topic.name());
        }
        warn!("partitions without a leader are read once they have one: {list}");
    }
    Ok(())
}

/// What was to be read next is gone.
fn is_lost(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Failure::OffsetsLost(_)))
}

/// Tells a start in the place of another how often Postgres had lost commits before.
const REWINDS: &str = "FRESHET_REWINDS";

pub(super) fn rewinds() -> u64 {
    std::env::var(REWINDS).ok().and_then(|rewinds| rewinds.parse().ok()).unwrap_or_default()
}
