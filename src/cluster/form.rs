//! How a cluster forms: each process connects to those before it, and listens for those after it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use socket2::{SockRef, TcpKeepalive};
use tracing::{debug, info, warn};

use super::handshake::{Introduction, Purpose, Refused, difference, introduce, receive};
use super::{Agreed, Settings};

/// How soon to retry a process that was not there.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// How often the listener checks for new connections.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long before the log names the missing processes.
const LOG_AFTER: Duration = Duration::from_secs(2);
/// Handshakes at once; further connections are dropped.
const HANDSHAKES_MAX: usize = 64;

/// The connections with one other process.
pub(super) struct Connections {
    pub link: TcpStream,
    pub data: TcpStream,
}

/// A new connection, with the process at its other end.
type Made = Result<(Introduction, TcpStream)>;

/// Waits until all other processes are connected, and returns their connections in order.
pub(super) fn form(settings: &Settings, agreed: &Agreed) -> Result<Vec<Option<Connections>>> {
    let (made, receiver) = channel();
    let is_over = Arc::new(AtomicBool::new(false));
    listen(settings, agreed, made.clone(), is_over.clone())?;
    for process in 0..settings.process {
        connect(process, settings, agreed, made.clone(), is_over.clone())?;
    }
    let formed = gather(settings, &receiver);
    is_over.store(true, Ordering::Relaxed);
    let formed = formed?;
    for Connections { link, data } in formed.iter().flatten() {
        keep_alive(link, settings.peer_timeout)?;
        keep_alive(data, settings.peer_timeout)?;
    }
    Ok(formed)
}

/// Has the kernel drop a connection if the other side does not acknowledge what was sent for this long.
fn keep_alive(stream: &TcpStream, timeout: Duration) -> Result<()> {
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    let socket = SockRef::from(stream);
    let interval = (timeout / 5).max(Duration::from_secs(1));
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(interval).with_interval(interval).with_retries(4))?;
    Ok(socket.set_tcp_user_timeout(Some(timeout))?)
}

/// Collects connections until there are two with each other process, both from the same start of it: one that restarted
/// meanwhile connects again.
fn gather(settings: &Settings, made: &Receiver<Made>) -> Result<Vec<Option<Connections>>> {
    let (mut halves, mut whole) = (BTreeMap::new(), BTreeMap::new());
    let others = settings.hosts.len() - 1;
    let (began, mut is_logged) = (Instant::now(), false);
    while whole.len() < others {
        match made.recv_timeout(RETRY_INTERVAL) {
            Ok(made) => {
                let (Introduction { process, incarnation, purpose, .. }, stream) = made?;
                match halves.remove(&(process, incarnation)) {
                    Some((Purpose::Link, link)) if purpose == Purpose::Data => {
                        whole.insert(process, Connections { link, data: stream });
                    }
                    Some((Purpose::Data, data)) if purpose == Purpose::Link => {
                        whole.insert(process, Connections { link: stream, data });
                    }
                    _ => drop(halves.insert((process, incarnation), (purpose, stream))),
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(anyhow!("the listener of the cluster has ended")),
        }
        if began.elapsed() > LOG_AFTER && !std::mem::replace(&mut is_logged, true) {
            let missing = (0..settings.hosts.len()).filter(|at| *at != settings.process && !whole.contains_key(at));
            let missing: Vec<_> = missing.map(|process| settings.hosts.name(process)).collect();
            info!("waiting for {}", missing.join(", "));
        }
    }
    Ok((0..settings.hosts.len()).map(|process| whole.remove(&process)).collect())
}

/// Listens for the processes after this one, until all are connected.
fn listen(settings: &Settings, agreed: &Agreed, made: Sender<Made>, is_over: Arc<AtomicBool>) -> Result<()> {
    let own = settings.process;
    if own + 1 == settings.hosts.len() {
        return Ok(());
    }
    let where_to = || format!("cannot listen at {} for the other processes", settings.hosts.address(own));
    let addresses = settings.hosts.bound(own, settings.bind).with_context(where_to)?;
    let listener = TcpListener::bind(addresses.as_slice()).with_context(where_to)?;
    listener.set_nonblocking(true)?;
    let (settings, agreed, handshakes) = (settings.clone(), agreed.clone(), Arc::new(AtomicUsize::new(0)));
    thread::Builder::new().name("cluster-listen".into()).spawn(move || {
        while !is_over.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((stream, from)) if handshakes.fetch_add(1, Ordering::Relaxed) < HANDSHAKES_MAX => {
                    let (settings, agreed, made, handshakes) =
                        (settings.clone(), agreed.clone(), made.clone(), handshakes.clone());
                    thread::spawn(move || {
                        match welcome(stream, &settings, &agreed) {
                            // The receiver is gone once all are connected.
                            Ok(connection) => drop(made.send(Ok(connection))),
                            Err(why) => warn!("refused a connection from {from}: {why}"),
                        }
                        handshakes.fetch_sub(1, Ordering::Relaxed);
                    });
                }
                Ok(_) => drop(handshakes.fetch_sub(1, Ordering::Relaxed)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(POLL_INTERVAL),
                // The connection was gone before it was accepted, or there is no free file descriptor for now.
                Err(_) => thread::sleep(RETRY_INTERVAL),
            }
        }
    })?;
    Ok(())
}

fn welcome(stream: TcpStream, settings: &Settings, agreed: &Agreed) -> Result<(Introduction, TcpStream), String> {
    let own = settings.process;
    let judge = |who: &Introduction| {
        let is_expected = (own + 1..settings.hosts.len()).contains(&who.process);
        let stranger =
            || format!("process {} does not connect to process {own} of {}", who.process, settings.hosts.len());
        difference((own, agreed), (who.process, &who.agreed)).or_else(|| (!is_expected).then(stranger))
    };
    receive(&stream, &settings.secret, judge).map(|who| (who, stream))
}

/// Connects to a process before this one, as soon as it is there.
fn connect(
    process: usize,
    settings: &Settings,
    agreed: &Agreed,
    made: Sender<Made>,
    is_over: Arc<AtomicBool>,
) -> Result<()> {
    let (settings, agreed) = (settings.clone(), agreed.clone());
    thread::Builder::new().name("cluster-connect".into()).spawn(move || {
        let incarnation = rand::random();
        for purpose in [Purpose::Link, Purpose::Data] {
            let own = Introduction { process: settings.process, incarnation, purpose, agreed: agreed.clone() };
            let connection = loop {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                match attempt(settings.hosts.address(process), &settings, &own) {
                    Ok(stream) => break Ok((Introduction { process, ..own }, stream)),
                    Err(Refused::ForGood(why)) => {
                        break Err(anyhow!("{} refused this process: {why}", settings.hosts.name(process)));
                    }
                    Err(Refused::Later(error)) => {
                        debug!("{} is not there yet: {error}", settings.hosts.name(process));
                        thread::sleep(RETRY_INTERVAL);
                    }
                }
            };
            let is_refused = connection.is_err();
            if made.send(connection).is_err() || is_refused {
                return;
            }
        }
    })?;
    Ok(())
}

fn attempt(address: &str, settings: &Settings, own: &Introduction) -> Result<TcpStream, Refused> {
    let stream = TcpStream::connect(address)?;
    introduce(&stream, &settings.secret, own)?;
    Ok(stream)
}
