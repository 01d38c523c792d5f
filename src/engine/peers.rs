//! The processes that an engine runs in: one, or several with connections between them.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use bytesize::ByteSize;
use dataflows::Day;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::zero_copy::stream::Stream;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::communication::{Config, Hooks};
use timely::{WorkerConfig, execute};
use tracing::info;

use super::expiry::ForgetTimes;
use super::worker::{self, WorkerContext};
use crate::clock::Origin;
use crate::metrics::Metrics;
use crate::source::Source;

/// What the workers of one process know and all others need: sent again whenever it may have changed. Where it is old,
/// nothing goes wrong, only later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// How many of them have read all that they are to read, and it is durable.
    pub(super) done: usize,
    /// The newest day that is durable.
    pub(super) newest: Day,
    /// When each of them forgot what it had reported about members, if days expire.
    pub(super) forgotten: ForgetTimes,
    /// How far the clocks of their partitions are, if copies are looked for.
    pub(super) clocks: BTreeMap<i32, i64>,
}

/// How long the thread that watches a peer may take to say why it is gone.
const VERDICT_TIMEOUT: Duration = Duration::from_secs(2);

/// All processes, as one of them sees them.
pub struct Peers {
    process: usize,
    processes: usize,
    connections: Connections,
    origin: Origin,
}

/// How the workers of a process reach those of the others.
enum Connections {
    /// There are no others.
    None,
    /// By a connection with each, and none in the place of this process.
    Network(Vec<Option<TcpStream>>),
    /// By memory, with these builders of its workers.
    Memory(Vec<ProcessBuilder>),
}

impl Peers {
    /// One process alone.
    pub fn none(now: Instant) -> Peers {
        Peers { process: 0, processes: 1, connections: Connections::None, origin: Origin::new(now) }
    }

    /// Several engines in this process, each with this many workers and a clock of its own, which share nothing but
    /// what the workers exchange.
    pub fn in_memory(workers: usize, origins: &[Origin]) -> Vec<Peers> {
        let (processes, Hooks { refill, spill, .. }) = (origins.len(), Hooks::default());
        let mut builders = ProcessBuilder::new_typed_vector(workers * processes, refill, spill).into_iter();
        let peers = |(process, origin): (usize, &Origin)| {
            let connections = Connections::Memory(builders.by_ref().take(workers).collect());
            Peers { process, processes, connections, origin: origin.clone() }
        };
        origins.iter().enumerate().map(peers).collect()
    }

    /// One of several. There is a connection with each other one, in their order, and none in the place of this one; nothing
    /// was sent over them. All follow one clock.
    pub fn connected(process: usize, connections: Vec<Option<TcpStream>>, origin: Origin) -> Peers {
        Peers { process, processes: connections.len(), connections: Connections::Network(connections), origin }
    }

    pub(super) fn process(&self) -> usize {
        self.process
    }

    pub(super) fn processes(&self) -> usize {
        self.processes
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin.clone()
    }

    /// Starts a timely worker with each context. Sends the result of each, and a last one once nothing more is to be
    /// sent to the other processes. The engine does not wait for them: at a failure the process ends without the
    /// others.
    pub(super) fn spawn<S: Source + 'static>(
        self,
        contexts: Vec<WorkerContext<S>>,
        result: Sender<Result<()>>,
        metrics: &Metrics,
    ) -> Result<()> {
        // A worker spins before it parks, by default; freshness does not need it, and an idle machine should be idle.
        let config = dataflows::configure(WorkerConfig::default().idle_spin(Duration::ZERO));
        let (workers, outcome) = (contexts.len(), result.clone());
        let contexts: Vec<_> =
            contexts.into_iter().map(|context| Mutex::new(Some((context, result.clone())))).collect();
        let (is_cluster, metrics) = (self.processes > 1, metrics.clone());
        let (builders, connections) = self.builders(workers, &metrics)?;
        let guards = execute::execute_from(builders, connections, config, move |worker| {
            let context = contexts[worker.index() % workers].lock().take();
            if let Some((context, result)) = context {
                let (scheduler, mut context) = (context.outside.scheduler.clone(), Some(context));
                scheduler.run(worker.index(), &mut || {
                    if let Some(context) = context.take() {
                        // Nobody listens any more if the process is about to end.
                        let _ = result.send(worker::run(worker, context));
                    }
                });
            }
        });
        let guards = guards.map_err(|error| anyhow!("the workers cannot be started: {error}"))?;
        // Workers must be joined, or they keep the memory of their stacks: an engine may be started again in the same
        // process.
        thread::Builder::new().name("worker-ends".into()).spawn(move || {
            drop(guards.join());
            if is_cluster {
                let sent_bytes = metrics.sent_bytes();
                info!(sent_bytes, "sent {} to the other processes", ByteSize(sent_bytes));
            }
            let _ = outcome.send(Ok(()));
        })?;
        Ok(())
    }

    /// The allocators by which timely's workers of this process reach all others, and what ends with them.
    fn builders(self, workers: usize, metrics: &Metrics) -> Result<(Vec<AllocatorBuilder>, Box<dyn Any + Send>)> {
        match self.connections {
            Connections::None => {
                Config::Process(workers).try_build().map_err(|error| anyhow!("no workers can be built: {error}"))
            }
            Connections::Memory(own) => Ok((own.into_iter().map(AllocatorBuilder::Process).collect(), Box::new(()))),
            Connections::Network(sockets) => {
                let hooks = Hooks::default();
                let own = ProcessBuilder::new_typed_vector(workers, hooks.refill.clone(), hooks.spill.clone());
                let counted = |stream: TcpStream| Counted { stream, metrics: metrics.clone() };
                let sockets = sockets.into_iter().map(|socket| socket.map(counted)).collect();
                let (builders, guard) = initialize_networking_from_sockets(own, sockets, self.process, workers, hooks)?;
                Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(guard)))
            }
        }
    }
}

/// A connection with another process, which counts the bytes sent.
struct Counted {
    stream: TcpStream,
    metrics: Metrics,
}

impl Read for Counted {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.read(bytes)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes).inspect(|sent| self.metrics.sent(*sent))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream for Counted {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Counted { stream: self.stream.try_clone()?, metrics: self.metrics.clone() })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(nonblocking)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }
}

/// The message about a broken connection with a peer, on which timely panics in the thread that has it; none for any
/// other panic. Waits for the thread that watches the peer, which soon knows more and ends the process.
pub fn broken_connection(panic: &str) -> Option<String> {
    let (_, what) = panic.split_once("timely communication error: ")?;
    thread::sleep(VERDICT_TIMEOUT);
    let peer = thread::current().name().and_then(|name| name.rsplit('-').next()).unwrap_or("?").to_owned();
    Some(format!("the data connection with process {peer} broke: {what}"))
}
