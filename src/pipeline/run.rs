//! One run: connect, own the tables, load them, and resume reading where they stand.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;

use anyhow::{Result, bail};
use tracing::{info, warn};

use super::backfill::Backfill;
use super::cluster::{Others, farewell, follow};
use super::plan::{Plan, Stored, first};
use super::settings::Settings;
use super::start::{Starting, connect, open};
use super::watch::{IdentityWatch, Partitions};
use crate::batch::{Batch, Gap, TopicIdentity};
use crate::engine::{Durable, Engine, Outside};
use crate::failure::Failure;
use crate::metrics::{Metrics, Phase};
use crate::serve::{OpsState, Server};
use crate::sink::{Forgotten, Rewound, Sink};
use crate::source::decode::Rules;
use crate::source::{self, Presence, Topic};

impl Settings {
    /// Turns an error that a restart heals into [`Restart`].
    fn healed_by_a_start(&self, error: anyhow::Error, rewinds: u64) -> anyhow::Error {
        if error.is::<GivenUp>() {
            Restart { why: error.to_string(), rewinds }.into()
        } else if self.policy.skip_lost && is_lost(&error) {
            Restart { why: format!("{error:#}; starting again after the gap"), rewinds }.into()
        } else if error.is::<Rewound>() {
            Restart { why: format!("{error}; reading the tables again"), rewinds: rewinds + 1 }.into()
        } else {
            error
        }
    }
}

/// Runs until `stop` is set, or to the end of the topic with `--until-end`, or to the first error that does not heal by
/// waiting. On return without an error everything that was read is in the tables.
pub fn run(settings: &Settings, stop: Arc<AtomicBool>, starting: &Starting) -> Result<()> {
    run_with(settings, &Metrics::new()?, stop, starting)
}

/// The same, with metrics that the caller can read.
pub(super) fn run_with(
    settings: &Settings,
    metrics: &Metrics,
    stop: Arc<AtomicBool>,
    starting: &Starting,
) -> Result<()> {
    settings.rules.check()?;
    if let Some(stores) = &settings.stores {
        stores.check(settings.model())?;
    }
    let ops = OpsState { metrics: metrics.clone(), ready_lag: settings.ready_lag };
    let _server = Server::start(&settings.http, &settings.database, settings.model(), ops)?;
    let Some(topic) = connect(settings, &stop)? else { return Ok(()) };
    let Some(cluster) = &settings.cluster else {
        return count(settings, topic, &Before::default(), Others(None), metrics, stop, starting);
    };
    let cluster = settings.form(cluster, metrics, &stop)?;
    // From now on a stop ends all processes.
    starting.is_over();
    let outcome = if cluster.is_owner() {
        count(settings, topic, &Before::default(), Others(Some(&cluster)), metrics, stop, starting)
    } else {
        follow(settings, &cluster, metrics, &stop)
    };
    cluster.leave(&farewell(&outcome));
    outcome
}

/// What new tables take over from the present ones, besides the topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    /// Where partitions that the tables do not know begin.
    pub begin_at: BTreeMap<i32, i64>,
    /// Events that must not count.
    pub forgotten: Option<Forgotten>,
}

/// `freshet forget` asked for the tables, so they are released until it has ended.
#[derive(Debug, thiserror::Error)]
#[error("freshet forget asked for the tables; going on when it has ended")]
pub(super) struct GivenUp;

/// The process must execute its program again: a start knows how to record a gap and how to load the tables, and nothing of
/// the old process can be in its way.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Restart {
    pub why: String,
    /// How often Postgres has lost commits so far.
    pub rewinds: u64,
}

impl Restart {
    /// Executes the program again; returns only if that fails. The kernel's name for it works even if its file was replaced.
    pub fn exec(&self) -> anyhow::Error {
        warn!("{self}");
        let mut command = Command::new("/proc/self/exe");
        command.args(std::env::args_os().skip(1)).env(REWINDS, self.rewinds.to_string()).exec().into()
    }
}

/// The same for a connected topic, without a page.
pub(super) fn count(
    settings: &Settings,
    topic: Topic,
    before: &Before,
    others: Others<'_>,
    metrics: &Metrics,
    stop: Arc<AtomicBool>,
    starting: &Starting,
) -> Result<()> {
    let (topic, rewinds) = (Arc::new(topic), rewinds());
    metrics.set_rewinds(rewinds);
    let Some(mut sink) = open(settings, metrics, &stop)? else { return Ok(()) };
    if let Some(forgotten) = &before.forgotten {
        sink.adopt(forgotten)?;
    }
    let Forgotten { key, ids } = sink.forgotten().clone();
    let rules = Rules { model: sink.model().clone(), ..settings.rules.decode.clone() }.forgetting(key, ids);
    sink.limit_rejected(settings.rejected);

    // The order matters: own the tables, ask for the topic's id, load the tables, and then resume where they stand.
    let identity = identity(&topic)?;
    let kafka = source::Settings { topic_id: identity.topic_id.clone(), ..settings.kafka.clone() };
    let engine = settings.engine();
    others.send_terms(&rules, &kafka, sink.forgotten());
    let outside = Outside::real(kafka.fetching_ahead(engine.worker_bytes_max()));
    let (is_asked, ending) = (sink.is_asked(), Arc::default());
    let (mut engine, batches, durable) =
        Engine::start(&engine, &outside, &rules, others.peers(), metrics, Arc::clone(&ending))?;
    sink.load(|row| engine.seed(row))?;
    let Plan { assignments, new, gaps, .. } = plan(settings, &topic, &sink, &identity, before, metrics)?;
    sink.begin(&new, &gaps, &identity)?;
    sink.note_processes(others.processes(settings.workers).as_ref())?;
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
    let watch = IdentityWatch::start(topic, identity, settings.policy, engine.writer_result())?;
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
        let added = if settings.until_end { Vec::new() } else { partitions.look_for_new()? };
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
    Err(if starting.owns_process() { settings.healed_by_a_start(error, rewinds) } else { error })
}

/// Plans where the partitions are read from, and logs where that is not where the tables stand.
fn plan(
    settings: &Settings,
    topic: &Topic,
    sink: &Sink,
    identity: &TopicIdentity,
    before: &Before,
    metrics: &Metrics,
) -> Result<Plan> {
    let stored = Stored { progress: sink.progress(), identity: sink.identity(), begin_at: &before.begin_at };
    if identity.topic_id.is_none() && stored.identity.topic_id.is_some() {
        bail!("the tables know the id of their topic, but Kafka does not report it now; start again when it does");
    }
    let plan = Plan::new(topic, stored, identity, settings.policy)?;
    log_unread(settings, topic, &plan.gaps, &plan.offline)?;
    for partition in &plan.offline {
        let begun = stored.progress.get(partition).copied();
        metrics.begin_offline(&begun.unwrap_or_else(|| first(*partition, 0)));
    }
    Ok(plan)
}

/// Writes the epochs that the engine closes, in a thread that ends with the engine.
pub(super) fn write(sink: Sink, batches: Receiver<Batch>, durable: Durable, engine: &Engine) -> Result<()> {
    let result = engine.writer_result();
    thread::Builder::new().name("writer".into()).spawn(move || {
        let outcome = sink.write(|wait| batches.recv_timeout(wait), |epoch| durable.ack(epoch));
        // Nobody listens any more if the process is about to end.
        let _ = result.send(outcome);
    })?;
    Ok(())
}

/// The identity of the topic, without an id if Kafka does not report it in time. Tables that have an id then refuse to start;
/// all others compare only the last records.
pub(super) fn identity(topic: &Topic) -> Result<TopicIdentity> {
    match topic.presence()? {
        Presence::There(identity) => Ok(identity),
        Presence::Gone => bail!("topic '{}' was just deleted", topic.name()),
        Presence::Unknown(why) => {
            warn!("Kafka does not report the id of topic '{}': {why}", topic.name());
            Ok(TopicIdentity::default())
        }
    }
}

/// Logs which parts of the topic are not read.
fn log_unread(settings: &Settings, topic: &Topic, gaps: &[Gap], offline: &[i32]) -> Result<()> {
    for Gap { partition, from, to, reason } in gaps {
        let reason = reason.text();
        warn!("partition {partition} resumes at offset {to} instead of {from} ({reason}): recorded in the table gaps");
    }
    if let [first, others @ ..] = offline {
        let list = others.iter().fold(first.to_string(), |list, partition| format!("{list}, {partition}"));
        if settings.until_end {
            bail!("partitions without a leader cannot be read to their end: {list} of topic '{}'", topic.name());
        }
        warn!("partitions without a leader are read once they have one: {list}");
    }
    Ok(())
}

/// Whether the records to be read next are gone.
fn is_lost(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Failure::OffsetsLost(_)))
}

/// Variable that carries over a restart how often Postgres has lost commits.
const REWINDS: &str = "FRESHET_REWINDS";

pub(super) fn rewinds() -> u64 {
    std::env::var(REWINDS).ok().and_then(|rewinds| rewinds.parse().ok()).unwrap_or_default()
}
