//! `freshet run` in several processes.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, ValueHint};
use dataflows::Model;
use sha2::{Digest, Sha256};
use tracing::info;

use super::environment;
use super::help::heading;
use super::run::{Restart, Run, rewinds};
use crate::cluster::{Agreed, Cluster, Ending, Farewell, Hosts, Notice, OWNER, Secret, Settings, Terms};
use crate::engine::{Assignment, Engine, Outside, Peers};
use crate::failure::{ExitStatus, Failure};
use crate::log;
use crate::metrics::{Metrics, Phase};
use crate::processes::Processes;
use crate::sink::Forgotten;
use crate::source;
use crate::source::decode::Rules;

/// How long the first order is waited for at a time, between looks for a stop.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A shorter silence may be a busy machine's.
const PEER_TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// In how many processes it runs, and how they find each other.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    /// Processes of the cluster, 1 to 64; each has --workers.
    #[arg(long, help_heading = heading::CLUSTER, env = "FRESHET_PROCESSES", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub processes: u16,
    /// Which of them this is, from 0; a name that ends in it will do, as freshet-2. Process 0 owns the tables.
    #[arg(long, help_heading = heading::CLUSTER, env = "FRESHET_PROCESS", default_value = "0", value_parser = ordinal)]
    pub process: u16,
    /// File with the address of each process, as host:port on a line; by default 127.0.0.1 and ports from 2101 on.
    #[arg(long, help_heading = heading::CLUSTER, env = "FRESHET_HOSTFILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub hostfile: Option<PathBuf>,
    /// Address to listen at for the other processes, if not the one in the hostfile.
    #[arg(long, help_heading = heading::CLUSTER, env = "FRESHET_CLUSTER_BIND", value_name = "IP")]
    pub cluster_bind: Option<IpAddr>,
    /// File with a secret that all processes of the cluster share.
    #[arg(long, help_heading = heading::CLUSTER, env = "FRESHET_CLUSTER_SECRET_FILE", value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = secret)]
    pub cluster_secret_file: Option<Secret>,
    /// End if another process was silent for so long, at least 1s.
    #[arg(long, help_heading = heading::CLUSTER, env = "FRESHET_PEER_TIMEOUT", default_value = "15s", value_parser = peer_timeout)]
    pub peer_timeout: Duration,
}

/// The number at the end of a name, as a StatefulSet gives its pods.
fn ordinal(text: &str) -> Result<u16, String> {
    let number = text.rsplit('-').next().and_then(|number| number.parse().ok());
    number.ok_or_else(|| "expected a number from 0 on, or a name that ends in one, like freshet-2".into())
}

/// The secret in a file that nobody else may read.
fn secret(path: &str) -> Result<Secret, String> {
    environment::read_secret(Path::new(path))?.parse()
}

fn peer_timeout(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(timeout) if timeout >= PEER_TIMEOUT_MIN => Ok(timeout),
        _ => Err("expected a time of at least 1s, like 15s".into()),
    }
}

impl ClusterArgs {
    /// Whether there are other processes.
    pub fn is_cluster(&self) -> bool {
        self.processes > 1
    }

    /// One process alone.
    pub fn alone(&self) -> ClusterArgs {
        ClusterArgs { processes: 1, process: 0, ..self.clone() }
    }

    /// How the other processes are found, if there are to be any.
    ///
    /// # Errors
    /// Flags that do not go with each other, or a file that is wrong.
    pub(super) fn settings(&self) -> Result<Option<Settings>> {
        let settings = self.is_cluster().then(|| self.of_cluster().map_err(Failure::WrongSettings));
        Ok(settings.transpose()?)
    }

    fn of_cluster(&self) -> Result<Settings, String> {
        let ClusterArgs { processes, process, hostfile, .. } = self;
        if process >= processes {
            return Err(format!(
                "--process {process} is none of --processes {processes}, which are 0 to {}",
                processes - 1
            ));
        }
        let hosts = match hostfile {
            Some(path) => Hosts::read(path, *processes).map_err(|what| format!("--hostfile {what}"))?,
            None => Hosts::local(*processes),
        };
        let secret = self.cluster_secret_file.clone().ok_or(
            "--processes needs --cluster-secret-file, a file with a secret that all of them share; \
             `openssl rand -hex 32` makes one",
        )?;
        Ok(Settings {
            process: usize::from(*process),
            hosts,
            bind: self.cluster_bind,
            secret,
            peer_timeout: self.peer_timeout,
        })
    }
}

impl Run {
    /// Connects with the other processes.
    pub(super) fn form(&self, cluster: &Settings, metrics: &Metrics, stop: &Arc<AtomicBool>) -> Result<Cluster> {
        let formed = Cluster::form(cluster, &self.agreed(), metrics, stop, end_process)?;
        info!("process {} of {}: connected with the others", self.cluster.process, self.cluster.processes);
        Ok(formed)
    }

    /// What decides what becomes of a record, and how the workers work together.
    fn agreed(&self) -> Agreed {
        let mut agreed = vec![("the version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
        let mut add = |name: &str, value: String| {
            // A file's whole text would be no sentence.
            let value = if value.len() <= 60 { value } else { digest(&value) };
            agreed.push((format!("--{name}"), value));
        };
        add("processes", self.cluster.processes.to_string());
        add("workers", self.workers.to_string());
        add("tick", humantime::format_duration(self.tick).to_string());
        add("until-end", self.until_end.to_string());
        add("keep-rejected-payload", self.keep_rejected_payload.to_string());
        add("reports", digest(&self.rules.reports.model().text));
        for (name, value) in self.built_with().settings() {
            add(name, value.to_owned());
        }
        agreed
    }
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Ends this process because of another: nothing that it does is worth to be finished, as the tables are the state.
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

/// The other processes, as the owner of the tables speaks to them, if there are any.
#[derive(Clone, Copy)]
pub(super) struct Others<'a>(pub Option<&'a Cluster>);

impl Others<'_> {
    fn say(self, notice: impl FnOnce() -> Notice) {
        if let Some(cluster) = self.0 {
            cluster.say(notice());
        }
    }

    /// What they need to know of the tables.
    pub fn tell_terms(self, rules: &Rules, kafka: &source::Settings, forgotten: &Forgotten) {
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

    /// They read these partitions, each its own, and all that there are.
    pub fn begin(self, assignments: &[Assignment]) {
        self.assign(assignments);
        self.say(|| Notice::Begin);
    }

    /// They read these partitions, too, each its own.
    pub fn assign(self, assignments: &[Assignment]) {
        assignments.iter().for_each(|it| self.say(|| Notice::Assign(it.progress, it.end)));
    }

    /// Tells them what they have to know, and takes notice of what they say.
    pub fn exchange(self, engine: &Engine) -> Result<()> {
        self.0.map_or(Ok(()), |cluster| exchange(cluster, engine))
    }

    /// They stop.
    pub fn stop(self) {
        self.0.into_iter().for_each(Cluster::stop_others);
    }

    /// All processes, as they are written down for people.
    pub fn processes(self, workers: u16) -> Option<Processes> {
        let addresses = self.0?.hosts().addresses().to_vec();
        Some(Processes { addresses, workers: workers.into() })
    }

    /// For the engine.
    pub fn peers(self) -> Peers {
        self.0.map_or_else(|| Peers::none(Instant::now()), peers)
    }
}

/// Has this process, which does not own the tables, work for the one that does, until all stop.
pub(super) fn follow(args: &Run, cluster: &Cluster, metrics: &Metrics, stop: &Arc<AtomicBool>) -> Result<()> {
    let Some(terms) = terms_of_owner(cluster)? else { return Ok(()) };
    let Terms { topic_id, filters, ids, forget_key, forgotten } = terms;
    let model = Arc::new(Model { filters, ..Model::clone(&args.rules.reports.model()) });
    let forgotten = Arc::new(forgotten.into_iter().collect());
    let rules = Rules { model, ids, ..args.rules.rules() }.forgetting(forget_key, forgotten);
    let kafka = source::Settings { topic_id, ..args.kafka() };
    let settings = args.engine();
    let outside = Outside::real(kafka.fetching_ahead(settings.worker_bytes_max()));
    let (mut engine, _batches, _durable) =
        Engine::start(&settings, &outside, &rules, peers(cluster), metrics, Arc::default())?;
    let mut assigned = 0;
    loop {
        // The owner comes to this also when all are to stop.
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
    // Nobody writes here.
    let _ = engine.writer_result().send(Ok(()));
    // Whether Postgres answers, and whether anything becomes durable, is looked at where the tables are owned.
    let is_excused = AtomicBool::new(true);
    engine.wait(&is_excused, || stop.load(Ordering::Relaxed), |engine| exchange(cluster, engine))?;
    info!("everything that was read is committed");
    // Whether that was all, or they start again, is for the owner to say.
    while !cluster.has_left(OWNER) {
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

/// Tells the other processes what they have to know, and takes notice of what they say.
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

/// How it is counted; none if the owner was stopped before it had the tables.
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
