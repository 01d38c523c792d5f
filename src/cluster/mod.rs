//! Several processes that form one engine: how they find and authenticate each other, and end together.
//!
//! ```text
//! process 0, the owner ◄── link ──► process 1     heartbeats, the owner's orders, a stop, why a process ends
//!                      ◄── data ──►               timely's messages, from worker to worker
//! ```
//!
//! Each pair of processes has these two connections. They are made before anything is read, by a handshake that only
//! processes with the same secret, version and settings pass; after that no process listens any more. Only the owner has the
//! tables: what the others need to know about them, and which partitions are read from where, comes over the links.
//!
//! A cluster crashes as a whole: a process that loses a peer ends, and names it. All state is in the tables, so a restart
//! recovers it.

mod form;
mod frame;
mod handshake;
mod hosts;
mod link;
mod secret;

use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use dataflows::EventId;
use dataflows::model::Filter;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::batch::Progress;
use crate::clock::Origin;
use crate::engine::News;
use crate::id_key::IdKey;
use crate::metrics::Metrics;
use frame::Message;
pub use hosts::Hosts;
use link::Link;
pub use secret::Secret;

/// How often to check for a stop.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long a process waits at its end until all others have said how they ended.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);

/// The settings of a process of a cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which of the processes this is; 0 owns the tables.
    pub process: usize,
    /// Where all of them are, in their order.
    pub hosts: Hosts,
    /// The address to listen at, if not the one that the others use.
    pub bind: Option<IpAddr>,
    /// The secret of this cluster.
    pub secret: Secret,
    /// How long a peer may be silent.
    pub peer_timeout: Duration,
}

/// The settings that must be the same in all processes, by name.
pub type Agreed = Vec<(String, String)>;

/// What the owner reads from the tables, and all need to count alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Terms {
    /// The id of the topic, if Kafka reports one.
    pub topic_id: Option<String>,
    /// Which events count: those of the model, and of reports that were removed.
    pub filters: Vec<Filter>,
    /// The key of the hashes of event ids, if duplicates are looked for.
    pub ids: Option<IdKey>,
    /// The key of the hashes of forgotten ids.
    pub forget_key: IdKey,
    /// These hashes.
    pub forgotten: Vec<EventId>,
}

/// What other processes send to the engine of this one.
#[derive(Clone, Debug)]
pub enum Notice {
    /// From the owner: how to count. Its first notice.
    Terms(Box<Terms>),
    /// From the owner: where to read a partition from, for the process that it belongs to, and where it ended.
    Assign(Progress, i64),
    /// From the owner: all partitions of the start are assigned.
    Begin,
    /// What the workers of a process know.
    News(usize, News),
}

/// Why this process must end because of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A peer failed, or cannot be reached: a sentence that names it.
    Lost(String),
    /// All must start again, for this reason.
    Restart(String),
}

/// How a process ended, for the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Farewell {
    /// All that was read is committed.
    Done,
    /// It failed.
    Failed(String),
    /// It starts again, and so must the others.
    Restart(String),
}

/// A cluster that has formed.
pub struct Cluster {
    shared: Arc<Shared>,
    hosts: Hosts,
    notices: Receiver<Notice>,
    data: Mutex<Vec<Option<TcpStream>>>,
}

/// What the threads of the links share.
struct Shared {
    process: usize,
    /// The links by process; none for this one.
    links: Vec<Option<Link>>,
    peer_timeout: Duration,
    /// The origin of epochs; all follow the owner's.
    origin: Origin,
    /// Set to stop the run, on any process.
    stop: Arc<AtomicBool>,
    notices: Sender<Notice>,
    metrics: Metrics,
    has_stopped_others: AtomicBool,
    /// Whether this process has said farewell to the others.
    has_left: AtomicBool,
    /// Ends the process.
    end: Box<dyn Fn(Ending) + Send + Sync>,
}

impl Cluster {
    /// Waits until all processes are there, and watches them from then on: `end` is called, on any thread, as soon as this
    /// process must end because of another. `stop` stops all of them, and is set by a stop of any.
    ///
    /// # Errors
    /// If this process cannot listen at its address, or another process refuses it.
    pub fn form(
        settings: &Settings,
        agreed: &Agreed,
        metrics: &Metrics,
        stop: &Arc<AtomicBool>,
        end: impl Fn(Ending) + Send + Sync + 'static,
    ) -> Result<Cluster> {
        let (mut links, mut data) = (Vec::new(), Vec::new());
        for (process, connections) in form::form(settings, agreed)?.into_iter().enumerate() {
            let (link, connection) = match connections {
                Some(connections) => {
                    let peer = settings.hosts.name(process);
                    (Some(Link::new(process, peer, connections.link, settings.peer_timeout)?), Some(connections.data))
                }
                None => (None, None),
            };
            links.push(link);
            data.push(connection);
        }
        let (sender, notices) = channel();
        let shared = Arc::new(Shared {
            process: settings.process,
            links,
            peer_timeout: settings.peer_timeout,
            origin: Origin::new(Instant::now()),
            stop: stop.clone(),
            notices: sender,
            metrics: metrics.clone(),
            has_stopped_others: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
            end: Box::new(end),
        });
        for process in 0..shared.links.len() {
            if shared.links[process].is_some() {
                link::watch(&shared, process)?;
            }
        }
        pass_on_stop(shared.clone())?;
        Ok(Cluster { shared, hosts: settings.hosts.clone(), notices, data: Mutex::new(data) })
    }

    /// Which of the processes this is.
    pub fn process(&self) -> usize {
        self.shared.process
    }

    /// Where all processes are.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Whether this process owns the tables.
    pub fn is_owner(&self) -> bool {
        self.shared.process == OWNER
    }

    /// The connections for the data, one to each other process in their order; nothing the second time.
    pub fn take_connections(&self) -> Vec<Option<TcpStream>> {
        std::mem::take(&mut self.data.lock())
    }

    /// The origin of epochs.
    pub fn origin(&self) -> Origin {
        self.shared.origin.clone()
    }

    /// Sends a notice to all others.
    pub fn say(&self, notice: Notice) {
        let message = match notice {
            Notice::Terms(terms) => {
                // Sent first, so that they have the owner's clock by then.
                self.shared.tell(&Message::Beat { age: self.shared.age() });
                Message::Terms(terms)
            }
            Notice::Assign(progress, end) => Message::Assign(progress, end),
            Notice::Begin => Message::Begin,
            Notice::News(_, news) => Message::News(news),
        };
        self.shared.tell(&message);
    }

    /// The next notice of another process; none if none comes within this time.
    ///
    /// # Errors
    /// If none can come any more.
    pub fn next_notice(&self, within: Duration) -> Result<Option<Notice>> {
        match self.notices.recv_timeout(within) {
            Ok(notice) => Ok(Some(notice)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(anyhow!("the links of the cluster have ended")),
        }
    }

    /// Stops all others, once.
    pub fn stop_others(&self) {
        self.shared.stop_others();
    }

    /// Whether another process has said how it ended, or is gone.
    pub fn has_left(&self, process: usize) -> bool {
        self.shared.links[process].as_ref().is_some_and(Link::is_over)
    }

    /// Tells the others how this process ended, and waits until they are about to end as well.
    pub fn leave(&self, farewell: &Farewell) {
        self.shared.has_left.store(true, Ordering::Relaxed);
        self.shared.tell(&Message::Farewell(farewell.clone()));
        let deadline = Instant::now() + FAREWELL_TIMEOUT;
        let is_alone = || self.shared.links.iter().flatten().all(Link::is_over);
        while !is_alone() && Instant::now() < deadline {
            thread::sleep(POLL_INTERVAL);
        }
    }
}

/// The process that owns the tables.
pub const OWNER: usize = 0;

impl Shared {
    /// Sends a message to all others. If that fails, the peer is lost, which its link finds out.
    fn tell(&self, message: &Message) {
        self.links.iter().flatten().for_each(|link| link.send(message));
    }

    fn stop_others(&self) {
        if !self.has_stopped_others.swap(true, Ordering::Relaxed) {
            self.tell(&Message::Stop);
        }
    }

    /// Ends this process because of another, and tells the others. Only once, and not if it has already ended for its own
    /// reason.
    fn end(&self, ending: Ending) {
        if !self.has_left.swap(true, Ordering::Relaxed) {
            if let Ending::Lost(why) = &ending {
                self.tell(&Message::Farewell(Farewell::Failed(why.clone())));
            }
            (self.end)(ending);
        }
    }

    /// For how long epochs have been counted; only the owner sends it.
    fn age(&self) -> Option<Duration> {
        (self.process == OWNER).then(|| self.origin.elapsed(Instant::now()))
    }
}

/// Tells the others once this process must stop.
fn pass_on_stop(shared: Arc<Shared>) -> Result<()> {
    thread::Builder::new().name("cluster-stop".into()).spawn(move || {
        while !shared.stop.load(Ordering::Relaxed) {
            thread::sleep(POLL_INTERVAL);
        }
        shared.stop_others();
    })?;
    Ok(())
}
