//! Recounts the topic into new tables, and swaps them with the present ones.

mod gone;
mod renewal;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use tracing::{info, warn};

use super::cluster::Others;
use super::plan::Policy;
use super::run::{self, Before};
use super::settings::Settings;
use super::start::{Starting, connect};
use super::stores;
use crate::database::{Target, is_outage};
use crate::failure::Failure;
use crate::metrics::{Metrics, Phase, State};
use crate::sink::{Attempt, Rebuild as Tables, Snapshots, Standing};
use crate::source::{self, Topic, another_topic};
use gone::Gone;
pub(super) use renewal::run_or_renew;

/// How often to check whether the new tables have caught up.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How soon a swap is tried again, and how often the log says what it waits for.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// Lag up to which the new tables have caught up.
const SWAP_LAG_MAX: Duration = Duration::from_secs(1);

/// A rebuild of tables.
#[derive(Clone, Debug)]
pub struct Rebuild {
    /// What the new tables are counted with, and where the old ones are.
    pub run: Settings,
    /// Whether to go on although Kafka no longer has all records that the tables count.
    pub accept_gap: bool,
}

/// Rebuilds the tables until they are swapped or `stop` is set. True if they are swapped; otherwise the next call resumes.
///
/// # Errors
/// Tables that cannot be rebuilt, or the first error that does not heal by waiting.
pub fn run(args: &Rebuild, stop: &Arc<AtomicBool>) -> Result<bool> {
    let tables = Tables::find(&args.run.database)?;
    args.run.rules.check()?;
    if tables.topic() != args.run.kafka.topic {
        let of = tables.topic().escape_debug();
        bail!(Failure::OtherTables(format!("these tables are of topic '{of}'; give that with --topic")));
    }
    rebuild(args, &tables, stop, Starting::watch(stop.clone())?)
}

/// True once the tables are swapped, false if it is to stop before that.
fn rebuild(args: &Rebuild, tables: &Tables, stop: &AtomicBool, starting: Starting) -> Result<bool> {
    let run = args.run(tables);
    let Some(topic) = connect(&run, stop)? else { return Ok(false) };
    tables.check(args.run.model(), &args.run.table_settings())?;
    let (live, begun) = (tables.standing()?, tables.begun()?);
    let ground = Ground::new(args, &topic, &live, begun.as_ref())?;
    tables.begin()?;
    if begun.is_some() {
        info!("resuming a rebuild that was begun");
    }
    let before = Before { begin_at: ground.begin_at, forgotten: Some(tables.forgotten()?) };
    let counting = Counting::start(&run, topic, before, starting)?;
    let outcome = swap(args, tables, &counting, &ground.except, stop);
    let counted = counting.end();
    match outcome {
        // The swap took its tables away from the counting thread, so its outcome does not matter.
        Ok(true) => Ok(true),
        Ok(false) => outcome_of(counted, begun.is_some()).map(|()| false),
        Err(error) => Err(error),
    }
}

/// Removes the tables of a rebuild that was begun. False if none was.
///
/// # Errors
/// If it is under way, or if the database has no tables of Freshet.
pub fn abandon(database: &Target) -> Result<bool> {
    Tables::find(database)?.abandon().map_err(|error| match error.downcast_ref() {
        Some(Failure::OwnedByAnother(_)) => under_way().into(),
        _ => error,
    })
}

impl Rebuild {
    /// The run that counts.
    fn run(&self, tables: &Tables) -> Settings {
        let Settings { kafka, .. } = &self.run;
        Settings {
            kafka: source::Settings { group: format!("{}-rebuild", kafka.group), ..kafka.clone() },
            database: tables.target(),
            policy: Policy { from_latest: false, skip_lost: self.accept_gap },
            standby: false,
            wait: false,
            until_end: false,
            // An earlier attempt may have left tables of more reports.
            drop_removed: true,
            cluster: None,
            ..self.run.clone()
        }
    }
}

/// Where a rebuild begins, given what the topic still has.
struct Ground {
    /// Where partitions begin.
    begin_at: BTreeMap<i32, i64>,
    /// Partitions in which the new tables cannot reach the progress of the present ones.
    except: Vec<i32>,
}

impl Ground {
    /// Refuses a gap, unless that is accepted.
    fn new(args: &Rebuild, topic: &Topic, live: &Standing, begun: Option<&Standing>) -> Result<Ground> {
        if run::identity(topic)?.differs(&live.identity) {
            if !args.accept_gap {
                bail!(another_topic(topic.name()));
            }
            warn!(
                "topic '{}' is not the one that the tables were counted from; only this one will be counted",
                topic.name()
            );
            return Ok(Ground { begin_at: BTreeMap::new(), except: live.progress.keys().copied().collect() });
        }
        let gone = Gone::find(topic, live, begun)?;
        if !gone.is_empty() {
            let what = format!("Kafka no longer has all that these tables count: {}", gone.sentence());
            if !args.accept_gap {
                bail!(Failure::OffsetsLost(format!("{what}; `freshet rebuild --accept-gap` goes on without it")));
            }
            warn!("{what}");
        }
        let begin_at = live.progress.iter().map(|(partition, extent)| (*partition, extent.first_offset)).collect();
        Ok(Ground { begin_at, except: gone.cut })
    }
}

/// The run that counts, in a thread of its own.
struct Counting {
    metrics: Metrics,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Counting {
    fn start(run: &Settings, topic: Topic, before: Before, starting: Starting) -> Result<Counting> {
        let (metrics, stop) = (Metrics::new()?, Arc::new(AtomicBool::new(false)));
        let (run, counted, stopped) = (run.clone(), metrics.clone(), stop.clone());
        let count = move || run::count(&run, topic, &before, Others(None), &counted, stopped, &starting);
        let thread = thread::Builder::new().name("rebuild".into()).spawn(count)?;
        Ok(Counting { metrics, stop, thread })
    }

    /// Whether its tables have caught up.
    fn is_close(&self) -> bool {
        let State { phase, lag, .. } = self.metrics.state();
        phase == Phase::Reading && (lag.records == Some(0) || lag.time.is_some_and(|time| time <= SWAP_LAG_MAX))
    }

    fn end(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| Err(anyhow!("the thread that counts has panicked")))
    }
}

/// Swaps the tables once they have caught up. False if `stop` is set before that, or if the counting has ended.
fn swap(args: &Rebuild, tables: &Tables, counting: &Counting, except: &[i32], stop: &AtomicBool) -> Result<bool> {
    let (model, built_with) = (args.run.model(), args.run.table_settings());
    let (mut snapshots, mut waits, mut is_named) = (None, Waits::default(), false);
    while !stop.load(Ordering::Relaxed) && !counting.thread.is_finished() {
        if snapshots.is_none() && !counting.is_close() {
            thread::sleep(POLL_INTERVAL);
            continue;
        }
        let swapping = || {
            if !is_named {
                stores::keep(&args.run.database, &tables.target(), model)?;
                is_named = true;
            }
            tables.swap(model, &built_with, except)
        };
        match attempt(tables, &mut snapshots, swapping) {
            Ok(Attempt::Done) => return Ok(true),
            Ok(Attempt::Later(why)) => waits.log(&why),
            Err(error) if is_outage(&error) => waits.log(&format!("{error:#}")),
            Err(error) => return Err(error),
        }
        thread::sleep(RETRY_INTERVAL);
    }
    // The swap may have happened although its answer was lost; that ends the counting, too.
    Ok(tables.is_swapped().unwrap_or(false))
}

/// Swaps, unless a session still reads by a snapshot from before the new tables were complete.
fn attempt(
    tables: &Tables,
    snapshots: &mut Option<Snapshots>,
    swap: impl FnOnce() -> Result<Attempt>,
) -> Result<Attempt> {
    if snapshots.is_none() {
        info!("the new tables have caught up; swapping them");
        *snapshots = Some(tables.snapshots()?);
    }
    let reader = snapshots.as_mut().map(|snapshots| tables.reader_of(snapshots)).transpose()?;
    match reader.flatten() {
        Some(session) => Ok(Attempt::Later(format!("{session} reads the tables as they were before that"))),
        None => swap(),
    }
}

/// Logs now and then what the swap waits for.
#[derive(Default)]
struct Waits(Option<Instant>);

impl Waits {
    fn log(&mut self, why: &str) {
        if self.0.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL) {
            self.0 = Some(Instant::now());
            warn!("waiting to swap the tables: {why}");
        }
    }
}

/// Why the counting has ended, in the words of a rebuild.
fn outcome_of(counted: Result<()>, was_begun: bool) -> Result<()> {
    let Err(error) = counted else { return Ok(()) };
    match error.downcast_ref() {
        Some(Failure::OwnedByAnother(_)) => bail!(under_way()),
        Some(Failure::OtherTables(why)) if was_begun => {
            let why = why.split([';', '\n']).next().unwrap_or_default().trim_end_matches(':');
            bail!(Failure::OtherTables(format!(
                "a rebuild with other settings was begun ({why}); give it up first: freshet rebuild --abandon"
            )))
        }
        _ => Err(error),
    }
}

fn under_way() -> Failure {
    Failure::OwnedByAnother("a rebuild of these tables is under way; wait for its end, or stop it first".into())
}
