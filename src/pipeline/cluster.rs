//! A run in several processes.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use dataflows::Model;
use sha2::{Digest, Sha256};
use tracing::info;

use super::run::{Restart, rewinds};
use super::settings::Settings;
use crate::cluster::{self, Agreed, Cluster, Ending, Farewell, Notice, OWNER, Terms};
use crate::engine::{Assignment, Engine, Outside, Peers};
use crate::failure::ExitStatus;
use crate::log;
use crate::metrics::{Metrics, Phase};
use crate::processes::Processes;
use crate::sink::Forgotten;
use crate::source;
use crate::source::decode::Rules;

/// How long to wait for a notice of the owner before checking for a stop again.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

impl Settings {
    /// Connects with the other processes.
    pub(super) fn form(
        &self,
        cluster: &cluster::Settings,
        metrics: &Metrics,
        stop: &Arc<AtomicBool>,
    ) -> Result<Cluster> {
        let formed = Cluster::form(cluster, &self.agreed(cluster), metrics, stop, end_process)?;
        let cluster::Settings { process, hosts, .. } = cluster;
        info!("process {process} of {}: connected with the others", hosts.addresses().len());
        Ok(formed)
    }

    /// The settings on which all processes must agree: how records are counted, and how the workers work together.
    fn agreed(&self, cluster: &cluster::Settings) -> Agreed {
        let mut agreed = vec![("the version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
        let mut add = |name: &str, value: String| {
            // The whole text of a file would be too long for a message.
            let value = if value.len() <= 60 { value } else { digest(&value) };
            agreed.push((format!("--{name}"), value));
        };
        add("processes", cluster.hosts.addresses().len().to_string());
        add("workers", self.workers.to_string());
        add("tick", humantime::format_duration(self.tick).to_string());
        add("until-end", self.until_end.to_string());
        add("keep-rejected-payload", self.keep_rejected_payload.to_string());
        add("reports", digest(&self.model().text));
        for (name, value) in self.table_settings().settings() {
            add(name, value.to_owned());
        }
        agreed
    }
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Ends this process because of another one. It has nothing to finish: all state is in the tables.
fn end_process(why: Ending) {
    let (last_line, status) = match why {
        Ending::Lost(why) => (why, ExitStatus::PeerLost),
        Ending::Restart(why) => (format!("{:#}", Restart { why, rewinds: rewinds() }.exec()), ExitStatus::Error),
    };
    log::fatal(&last_line);
    process::exit(status.code().into())
}

/// How a run ended, for the other processes.
pub(super) fn farewell(outcome: &Result<()>) -> Farewell {
    match outcome {
        Ok(()) => Farewell::Done,
        Err(error) => match error.downcast_ref::<Restart>() {
            Some(restart) => Farewell::Restart(restart.to_string()),
            None => Farewell::Failed(format!("{error:#}")),
        },
    }
}

/// The other processes, if there are any, as seen by the owner of the tables.
#[derive(Clone, Copy)]
pub(super) struct Others<'a>(pub Option<&'a Cluster>);

impl Others<'_> {
    fn say(self, notice: impl FnOnce() -> Notice) {
        if let Some(cluster) = self.0 {
            cluster.say(notice());
        }
    }

    /// Sends them what they need to know about the tables.
    pub fn send_terms(self, rules: &Rules, kafka: &source::Settings, forgotten: &Forgotten) {
        self.say(|| {
            Notice::Terms(Box::new(Terms {
                topic_id: kafka.topic_id.clone(),
                filters: rules.model.filters.clone(),
                ids: rules.ids,
                forget_key: forgotten.key,
                forgotten: forgotten.ids.iter().copied().collect(),
            }))
        });
    }

    /// Assigns all partitions, of which each process reads its own, and has the processes begin.
    pub fn begin(self, assignments: &[Assignment]) {
        self.assign(assignments);
        self.say(|| Notice::Begin);
    }

    /// Assigns further partitions, of which each process reads its own.
    pub fn assign(self, assignments: &[Assignment]) {
        assignments.iter().for_each(|it| self.say(|| Notice::Assign(it.progress, it.end)));
    }

    /// Sends them this process's news, and handles theirs.
    pub fn exchange(self, engine: &Engine) -> Result<()> {
        self.0.map_or(Ok(()), |cluster| exchange(cluster, engine))
    }

    /// Stops them.
    pub fn stop(self) {
        self.0.into_iter().for_each(Cluster::stop_others);
    }

    /// All processes, as the tables list them for `freshet status`.
    pub fn processes(self, workers: u16) -> Option<Processes> {
        let addresses = self.0?.hosts().addresses().to_vec();
        Some(Processes { addresses, workers: workers.into() })
    }

    /// The same processes, as the engine's peers.
    pub fn peers(self) -> Peers {
        self.0.map_or_else(|| Peers::none(Instant::now()), peers)
    }
}

/// Runs a process that does not own the tables: it works for the owner until all stop.
pub(super) fn follow(settings: &Settings, cluster: &Cluster, metrics: &Metrics, stop: &Arc<AtomicBool>) -> Result<()> {
    let Some(terms) = terms_of_owner(cluster)? else { return Ok(()) };
    let Terms { topic_id, filters, ids, forget_key, forgotten } = terms;
    let model = Arc::new(Model { filters, ..Model::clone(settings.model()) });
    let forgotten = Arc::new(forgotten.into_iter().collect());
    let rules = Rules { model, ids, ..settings.rules.decode.clone() }.forgetting(forget_key, forgotten);
    let kafka = source::Settings { topic_id, ..settings.kafka.clone() };
    let engine = settings.engine();
    let outside = Outside::real(kafka.fetching_ahead(engine.worker_bytes_max()));
    let (mut engine, _batches, _durable) =
        Engine::start(&engine, &outside, &rules, peers(cluster), metrics, Arc::default())?;
    let mut assigned = 0;
    loop {
        // The owner sends `Begin` also when all are to stop.
        match cluster.next_notice(POLL_INTERVAL)? {
            Some(Notice::Assign(progress, end)) => {
                engine.assign(Assignment { progress, end })?;
                assigned += 1;
            }
            Some(Notice::Begin) => break,
            Some(Notice::News(process, news)) => engine.hear(process, news),
            Some(Notice::Terms(_)) | None => {}
        }
    }
    info!("reading for process {OWNER}, which owns the tables: this process's share of {assigned} partitions");
    engine.begin([], [])?;
    metrics.set_phase(Phase::Reading);
    // This process has no writer.
    let _ = engine.writer_result().send(Ok(()));
    // The owner watches whether Postgres answers, and whether anything becomes durable.
    let is_excused = AtomicBool::new(true);
    engine.wait(&is_excused, || stop.load(Ordering::Relaxed), |engine| exchange(cluster, engine))?;
    info!("everything that was read is committed");
    // The owner decides whether all processes end or start again.
    while !cluster.has_left(OWNER) {
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

/// Sends the other processes this one's news, and handles theirs.
fn exchange(cluster: &Cluster, engine: &Engine) -> Result<()> {
    cluster.say(Notice::News(cluster.process(), engine.news()));
    while let Some(notice) = cluster.next_notice(Duration::ZERO)? {
        match notice {
            Notice::Assign(progress, end) => engine.assign(Assignment { progress, end })?,
            Notice::News(process, news) => engine.hear(process, news),
            Notice::Terms(_) | Notice::Begin => {}
        }
    }
    Ok(())
}

/// The terms that the owner sends; none if it stopped before it had the tables.
fn terms_of_owner(cluster: &Cluster) -> Result<Option<Terms>> {
    while !cluster.has_left(OWNER) {
        if let Some(Notice::Terms(terms)) = cluster.next_notice(POLL_INTERVAL)? {
            return Ok(Some(*terms));
        }
    }
    Ok(None)
}

/// The other processes, for the engine.
fn peers(cluster: &Cluster) -> Peers {
    Peers::connected(cluster.process(), cluster.take_connections(), cluster.origin())
}
