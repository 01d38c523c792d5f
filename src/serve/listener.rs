//! Connections: a limited number at once, each with timeouts. An idle one gives way to a new one.
//!
//! Each takes a file descriptor of the process, and the engine needs some too.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::error::ApiError;
use super::panics::caught_in;
use super::places::{Place, network};
use super::security_headers::{Policy, add_headers};
use super::timed::Timed;

/// How long a request's head may take, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a peer may read nothing of what is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes buffered for a connection, in each direction: by HTTP, and again by the kernel.
const BUFFER_BYTES: usize = 64 << 10;

/// The connections of one listener.
struct Connections {
    most: usize,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
}

/// A connection, as its requests know it.
pub(super) struct Connection {
    number: u64,
    /// The network of its peer.
    pub network: IpAddr,
    /// How many of its requests have a place, and since when it is idle.
    stays: Mutex<(usize, Instant)>,
    gives_way: Notify,
}

/// A request with a place: its connection does not give way meanwhile.
pub(super) struct Stay {
    connection: Arc<Connection>,
    _place: Place,
}

impl Connection {
    /// Where a request comes from: the peer, or, if that is a proxy on this machine, the last client in `X-Forwarded-For`. The
    /// entries before that come from the client, which may have made them up.
    pub fn client(&self, headers: &HeaderMap) -> IpAddr {
        // The network of ::1 is ::/64, which no other peer has.
        let is_here = self.network.is_loopback() || self.network.is_unspecified();
        let named = headers.get_all("x-forwarded-for").iter().next_back().filter(|_| is_here);
        let last = named.and_then(|named| named.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        last.map_or(self.network, network)
    }
}

/// Serves up to `most` connections at once, forever.
pub(super) async fn serve(mut listener: TcpListener, most: usize, router: Router) {
    let connections = Arc::new(Connections { most, open: Mutex::default() });
    for number in 0.. {
        // Fully qualified, as the listener has a fallible method of the same name.
        let (stream, peer) = axum::serve::Listener::accept(&mut listener).await;
        if let Some(connection) = connections.admit(number, network(peer.ip())) {
            let (connections, router) = (connections.clone(), router.clone());
            tokio::spawn(async move {
                caught_in(converse(stream, connection.clone(), router)).await;
                connections.open.lock().remove(&connection.number);
            });
        }
    }
}

/// Answers the requests of a connection until it ends or gives way.
async fn converse(stream: TcpStream, connection: Arc<Connection>, router: Router) {
    // Otherwise data that a peer does not read would fill megabytes of the kernel's buffer.
    let _ = SockRef::from(&stream).set_send_buffer_size(BUFFER_BYTES);
    let router = TowerToHyperService::new(router);
    let answering = connection.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(answering.clone());
        let answer = caught_in(router.call(request));
        async move {
            match answer.await {
                Some(answer) => answer,
                None => Ok::<Response, Infallible>(
                    add_headers(State(Policy::new(&[])), ApiError::bug().into_response()).await,
                ),
            }
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(BUFFER_BYTES);
    let requests = http.serve_connection(TokioIo::new(Timed::new(stream, WRITE_TIMEOUT)), service);
    tokio::select! {
        // A peer that disconnects, or is too slow, needs no log line.
        _ = requests => {}
        () = connection.gives_way.notified() => {}
    }
}

impl Connections {
    /// Adds a connection. If there are too many, an idle one gives way; none if no connection is idle.
    fn admit(&self, number: u64, network: IpAddr) -> Option<Arc<Connection>> {
        let mut open = self.open.lock();
        if open.len() >= self.most {
            let idle = longest_idle(&open)?;
            open.remove(&idle)?.gives_way.notify_one();
        }
        let stays = Mutex::new((0, Instant::now()));
        let connection = Arc::new(Connection { number, network, stays, gives_way: Notify::new() });
        open.insert(number, connection.clone());
        Some(connection)
    }
}

/// The connection that has been idle for longest, in the network with the most connections.
fn longest_idle(open: &HashMap<u64, Arc<Connection>>) -> Option<u64> {
    let mut per_network: HashMap<IpAddr, usize> = HashMap::new();
    for connection in open.values() {
        *per_network.entry(connection.network).or_default() += 1;
    }
    let idle = open.values().filter_map(|connection| Some((connection.idle_since()?, connection)));
    let (_, longest) = idle
        .max_by_key(|(since, connection)| (per_network.get(&connection.network).copied(), std::cmp::Reverse(*since)))?;
    Some(longest.number)
}

impl Connection {
    /// Keeps the connection while a request has a place.
    pub fn stay(self: &Arc<Connection>, place: Place) -> Stay {
        self.stays.lock().0 += 1;
        Stay { connection: self.clone(), _place: place }
    }

    fn idle_since(&self) -> Option<Instant> {
        let (count, since) = *self.stays.lock();
        (count == 0).then_some(since)
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut stays = self.connection.stays.lock();
        *stays = (stays.0 - 1, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use anyhow::Result;
    use axum::routing::get;
    use tokio::runtime::Builder;

    use super::super::panics::is_answering;
    use super::*;

    #[test]
    fn a_panic_ends_only_its_request() -> Result<()> {
        let router = Router::new().route("/good", get(|| async { "good" })).route(
            "/bad",
            get(|| async { assert!(!is_answering(), "a panic that is to be seen in this test's output") }),
        );
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let mut peer = TcpStream::connect(listener.local_addr()?)?;
        std::thread::spawn(move || runtime.block_on(serve(listener, 1, router)));
        for (path, status) in [("/bad", "500"), ("/good", "200")] {
            write!(peer, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
            let mut answer = vec![0; 4 << 10];
            let length = peer.read(&mut answer)?;
            let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        }
        assert!(!is_answering());
        Ok(())
    }

    #[test]
    fn only_local_proxies_are_believed() {
        let client = |peer: &str, named: &[&'static str]| {
            let connections = Connections { most: 1, open: Mutex::default() };
            let connection = connections.admit(0, network(peer.parse().expect("an address"))).expect("a connection");
            let named =
                named.iter().map(|named| ("x-forwarded-for".parse().expect("a name"), named.parse().expect("a text")));
            connection.client(&HeaderMap::from_iter(named)).to_string()
        };
        for peer in ["127.0.0.1", "::1"] {
            assert_eq!(client(peer, &["10.0.0.7"]), "10.0.0.7");
            assert_eq!(client(peer, &["10.0.0.7", "1.2.3.4, 10.0.0.8"]), "10.0.0.8");
            assert_eq!(client(peer, &["2001:db8::7"]), "2001:db8::");
        }
        assert_eq!(client("127.0.0.1", &["10.0.0.7, unknown"]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client("10.0.0.1", &["10.0.0.7"]), "10.0.0.1");
    }

    #[test]
    fn the_greediest_network_gives_way() {
        let connections = Connections { most: 4, open: Mutex::default() };
        let admit = |number, host: u8| connections.admit(number, IpAddr::from([10, 0, 0, host])).is_some();
        assert!(admit(0, 1) && admit(1, 2) && admit(2, 2) && admit(3, 2) && admit(4, 3));
        let open = |number| connections.open.lock().contains_key(&number);
        assert!(open(0) && !open(1) && open(2) && open(3) && open(4));
        // What has a place stays.
        let places = super::super::places::Places::new(9, 9);
        let all: Vec<_> = connections.open.lock().values().cloned().collect();
        let mut stays: Vec<_> =
            all.iter().filter_map(|connection| Some(connection.stay(places.acquire(connection.network)?))).collect();
        assert!(!admit(5, 4));
        stays.pop();
        assert!(admit(6, 4));
    }
}
