//! The link to one other process: sends heartbeats, and handles its messages.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use parking_lot::Mutex;

use super::frame::{self, MESSAGE_BYTES_MAX, Message, PartitionHeard};
use super::{Ending, Farewell, Notice, OWNER, Shared};

/// Longest time between heartbeats, by which the others also follow the owner's clock.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);

/// One side of it.
pub(super) struct Link {
    process: usize,
    /// The process at the other side, for messages.
    peer: String,
    writer: Mutex<TcpStream>,
    reader: Mutex<Option<TcpStream>>,
    /// Whether the other side has said how it ended, or is gone.
    is_over: AtomicBool,
}

impl Link {
    /// A link over a connection that passed the handshake.
    pub fn new(process: usize, peer: String, stream: TcpStream, timeout: Duration) -> Result<Link> {
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        let reader = Mutex::new(Some(stream.try_clone()?));
        Ok(Link { process, peer, writer: Mutex::new(stream), reader, is_over: AtomicBool::new(false) })
    }

    /// Sends a message. If that fails, the reader soon finds out why.
    pub fn send(&self, message: &Message) {
        let mut stream = self.writer.lock();
        let _ = frame::write(&mut *stream, message);
    }

    /// Whether the other side has said how it ended, or is gone.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Why the other side is lost.
    fn lost(&self, error: &io::Error, timeout: Duration) -> String {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("{} was silent for {} s (--peer-timeout)", self.peer, timeout.as_secs_f64())
            }
            ErrorKind::UnexpectedEof => format!("{} ended unexpectedly", self.peer),
            _ => format!("the connection with {} broke: {error}", self.peer),
        }
    }
}

/// Serves the link with a process, in threads: sends heartbeats, and handles its messages.
pub(super) fn watch(shared: &Arc<Shared>, process: usize) -> Result<()> {
    let (beating, listening) = (shared.clone(), shared.clone());
    thread::Builder::new().name(format!("beat-{process}")).spawn(move || {
        if let Some(link) = &beating.links[process] {
            beat(&beating, link);
        }
    })?;
    thread::Builder::new().name(format!("link-{process}")).spawn(move || {
        if let Some(link) = &listening.links[process] {
            listen(&listening, link);
        }
    })?;
    Ok(())
}

fn beat(shared: &Shared, link: &Link) {
    let interval = BEAT_INTERVAL.min(shared.peer_timeout / 5);
    while !link.is_over() {
        link.send(&Message::Beat { age: shared.age() });
        if link.process == OWNER {
            let heard = shared.metrics.heard_lately().into_iter();
            link.send(&Message::Heard(heard.map(|(partition, heard)| PartitionHeard::new(partition, heard)).collect()));
        }
        thread::sleep(interval);
    }
}

fn listen(shared: &Shared, link: &Link) {
    let stream = link.reader.lock().take();
    let Some(mut stream) = stream else { return };
    loop {
        match frame::read(&mut stream, MESSAGE_BYTES_MAX) {
            Ok(message) => {
                if let Some(ending) = follow(shared, link, message) {
                    shared.end(ending);
                    break;
                }
            }
            // A peer that said how it ended may close the connection.
            Err(_) if link.is_over() => break,
            Err(error) => {
                shared.end(Ending::Lost(link.lost(&error, shared.peer_timeout)));
                break;
            }
        }
    }
    // Set last: other threads take it as the peer's clean end, so a reason to end this process must come first.
    link.is_over.store(true, Ordering::Relaxed);
}

/// Handles a message. Returns how this process ends, if it does.
fn follow(shared: &Shared, link: &Link, message: Message) -> Option<Ending> {
    let note = |notice| {
        // Fails only if the receiver is gone, as at the end.
        let _ = shared.notices.send(notice);
    };
    match message {
        Message::Beat { age } => {
            if let Some(age) = age.filter(|_| link.process == OWNER) {
                shared.origin.follow(age, Instant::now());
            }
        }
        Message::Heard(partitions) => {
            partitions.iter().for_each(|it| shared.metrics.heard(it.partition, it.heard()));
        }
        Message::Terms(terms) => note(Notice::Terms(terms)),
        Message::Assign(progress, end) => note(Notice::Assign(progress, end)),
        Message::Begin => note(Notice::Begin),
        Message::News(news) => note(Notice::News(link.process, news)),
        Message::Stop => {
            // The sender stops all, so it is not passed on: it must not return to an owner that only releases the tables.
            shared.has_stopped_others.store(true, Ordering::Relaxed);
            shared.stop.store(true, Ordering::Relaxed);
        }
        Message::Farewell(farewell) => {
            return match farewell {
                Farewell::Done => {
                    link.is_over.store(true, Ordering::Relaxed);
                    None
                }
                Farewell::Failed(why) => Some(Ending::Lost(format!("{} failed: {why}", link.peer))),
                Farewell::Restart(why) => Some(Ending::Restart(format!("{}: {why}", link.peer))),
            };
        }
    }
    None
}
