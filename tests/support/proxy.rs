//! A proxy in front of Postgres that cuts a connection exactly at a COMMIT, or delays it: that of a transaction, or the one
//! statement that is a small commit.

use std::fs::create_dir;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::Duration;

use anyhow::{Context, Result};
use freshet_embedded::Postgres;

use super::unique;

/// How the statement of a small commit begins.
const AT_ONCE: &[u8] = b"WITH \"the owner\" AS (UPDATE freshet_owner";

/// What happens to the next COMMIT that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It never reaches the server.
    Request,
    /// It happens, and the client never learns of it.
    Answer,
}

/// Where the proxy listens, and what it is to do.
pub struct Proxy {
    /// That of the server and of the proxy, each as it stands in a URL.
    hosts: [String; 2],
    orders: Arc<Orders>,
}

#[derive(Default)]
struct Orders {
    /// With the words that a connection has sent before, if not any is meant.
    armed: Mutex<Option<(Cut, Option<&'static str>)>>,
    cuts: AtomicU64,
    delay_ms: AtomicU64,
    /// The socket of the server that new connections reach.
    server: Mutex<PathBuf>,
}

impl Proxy {
    /// Starts a proxy for this server, in whose directory its socket is: it is as open to others as that.
    pub fn start(server: &Postgres) -> Result<Proxy> {
        let (name, orders) = (unique("proxy"), Arc::new(Orders::default()));
        let home = server.home().join(&name);
        create_dir(&home)?;
        let listener = UnixListener::bind(home.join(socket_of(server).file_name().context("no name")?))?;
        let shared = orders.clone();
        spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is away refuses; the client sees its connection closed.
                let server = shared.server.lock().expect("a lock that nobody poisons").clone();
                let Ok(server) = UnixStream::connect(server) else { continue };
                let _ = connect(client, server, &shared);
            }
        });
        let url = server.url();
        let (host, _) = url.split_once('@').and_then(|(_, rest)| rest.split_once(':')).context("no host")?;
        let proxy = Proxy { hosts: [format!("@{host}:"), format!("@{host}%2F{name}:")], orders };
        proxy.turn_to(server);
        Ok(proxy)
    }

    /// The URL of the same database by way of the proxy.
    pub fn url(&self, url: &str) -> String {
        let [server, proxy] = &self.hosts;
        url.replace(server, proxy)
    }

    /// New connections reach this server from now on.
    pub fn turn_to(&self, server: &Postgres) {
        *self.orders.server.lock().expect("a lock that nobody poisons") = socket_of(server);
    }

    /// Cuts the connection at the next COMMIT.
    pub fn cut(&self, cut: Cut) {
        *self.orders.armed.lock().expect("a lock that nobody poisons") = Some((cut, None));
    }

    /// Cuts the connection at the next COMMIT after it has sent these words, whatever others commit.
    pub fn cut_after(&self, words: &'static str, cut: Cut) {
        *self.orders.armed.lock().expect("a lock that nobody poisons") = Some((cut, Some(words)));
    }

    /// How many connections were cut so far.
    pub fn cuts(&self) -> u64 {
        self.orders.cuts.load(Ordering::SeqCst)
    }

    /// Delays every COMMIT from now on.
    pub fn delay(&self, delay: Duration) {
        self.orders.delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
    }
}

fn socket_of(server: &Postgres) -> PathBuf {
    server.home().join(format!(".s.PGSQL.{}", server.port()))
}

fn connect(client: UnixStream, server: UnixStream, orders: &Arc<Orders>) -> Result<()> {
    let mute = Arc::new(AtomicBool::new(false));
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let (muted, shared) = (mute.clone(), orders.clone());
    spawn(move || requests(from_client, to_server, &muted, &shared));
    spawn(move || answers(server, client, &mute));
    Ok(())
}

fn requests(mut client: UnixStream, mut server: UnixStream, mute: &AtomicBool, orders: &Orders) {
    let (mut bytes, mut sent, mut small_commits) = (vec![0; 1 << 16], Vec::new(), Vec::new());
    while let Ok(length @ 1..) = client.read(&mut bytes) {
        let messages = &bytes[..length];
        let small_commit = small_commits.iter().find(|small: &&SmallCommit| has(messages, &small.execution));
        // A simple query of its own, or the execution of a statement, which begin a piece of what is sent.
        if has(messages, b"COMMIT\0") || small_commit.is_some() {
            // A statement is sent when it is prepared alone, however often it is executed.
            sent.extend(small_commit.iter().flat_map(|small| &small.prepared));
            let is_meant = |(_, words): &(Cut, Option<&str>)| words.is_none_or(|words| has(&sent, words.as_bytes()));
            sleep(Duration::from_millis(orders.delay_ms.load(Ordering::SeqCst)));
            let mut armed = orders.armed.lock().expect("a lock that nobody poisons");
            let armed = armed.take_if(|armed| is_meant(armed)).map(|(cut, _)| cut);
            orders.cuts.fetch_add(u64::from(armed.is_some()), Ordering::SeqCst);
            match armed {
                Some(Cut::Request) => break,
                Some(Cut::Answer) => mute.store(true, Ordering::SeqCst),
                None => {}
            }
            sent.clear();
        } else {
            sent.extend_from_slice(messages);
            small_commits.extend(SmallCommit::prepared_by(messages));
        }
        if server.write_all(messages).is_err() {
            break;
        }
    }
    close(&client, &server);
}

/// A small commit that a connection has prepared.
struct SmallCommit {
    /// The messages that prepared it, with its text.
    prepared: Vec<u8>,
    /// What tells its execution: the portal, which has no name, and the name of the statement.
    execution: Vec<u8>,
}

impl SmallCommit {
    /// The one that these messages prepare, if they do. See Parse and Bind in
    /// <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
    fn prepared_by(messages: &[u8]) -> Option<SmallCommit> {
        let text = messages.windows(AT_ONCE.len()).position(|window| window == AT_ONCE)?;
        // The library names them s1, s2 and so on.
        let name = messages[..text - 1].iter().rposition(|byte| !byte.is_ascii_digit())?;
        Some(SmallCommit { prepared: messages.to_vec(), execution: [b"\0", &messages[name..text]].concat() })
    }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn answers(mut server: UnixStream, mut client: UnixStream, mute: &AtomicBool) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = server.read(&mut bytes) {
        if mute.load(Ordering::SeqCst) || client.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    close(&client, &server);
}

fn close(client: &UnixStream, server: &UnixStream) {
    // One that is closed already is what we want.
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
