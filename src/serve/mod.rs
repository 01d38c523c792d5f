//! The page that people look at, and the JSON that programs read: what the tables say, over HTTP.
//!
//! ```text
//! writer ── COMMIT with NOTIFY ──► Postgres ──► pulse (a thread that LISTENs) ──► feed: one read of the tables for
//!                                     ▲                                             each commit, 5 a second at most
//!                                     │                                                │
//!                                     └── pool (read-only sessions) ◄── /api/…         └──► /api/live: every open page
//! ```
//!
//! It has a thread and sessions of its own, and no way back into the engine: however many look, and however slowly they
//! read, no record waits for them. It knows neither SQL nor how the tables are kept; [`reports`](crate::reports) does.

mod address;
mod api;
mod asked;
mod assets;
mod door;
mod feed;
mod guard;
mod instruments;
mod live;
mod panels;
mod pool;
mod pulse;
mod refusal;
mod routes;
mod status;
mod wait;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use tokio::runtime;
use tokio::sync::{Semaphore, oneshot};
use tracing::{info, warn};

use crate::database::Target;
pub use address::{Address, DEFAULT};
use feed::Feed;
pub use instruments::Instruments;
use pool::Pool;
use pulse::Pulse;
use routes::App;

/// So many may stay at once, which leaves others a way in.
const PLACES: usize = 500;

/// A server. It stops when this is dropped.
pub struct Server {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// Serves what the tables of this database say, unless the address is `off`. None if nothing is served: also where no
    /// address was asked for and another program has the default one.
    ///
    /// # Errors
    /// An address that was asked for and cannot be had.
    pub fn start(address: Option<Address>, target: &Target, instruments: Instruments) -> Result<Option<Server>> {
        let listener = match address.unwrap_or(DEFAULT) {
            Address::Off => return Ok(None),
            Address::At(wanted) => match TcpListener::bind(wanted) {
                Ok(listener) => listener,
                Err(error) if address.is_none() => {
                    warn!("there is no page, as {wanted} cannot be had ({error}); --http gives it another address");
                    return Ok(None);
                }
                Err(error) => return Err(error).with_context(|| format!("--http {wanted} cannot be had")),
            },
        };
        let server = Server::serve(listener, target, instruments)?;
        info!("page: {}", server.url());
        Ok(Some(server))
    }

    fn serve(listener: TcpListener, target: &Target, instruments: Instruments) -> Result<Server> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(pool::SESSIONS)
            .thread_name("page-reader")
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let pulse = Pulse::take(target, &instruments.metrics)?;
        let pool = Pool::new(target.clone(), instruments.metrics.clone());
        let feed = Feed::new(pool.clone(), pulse.clone(), instruments.metrics.clone());
        let app = App {
            pool: pool.clone(),
            pulse,
            instruments,
            feed: feed.clone(),
            places: Arc::new(Semaphore::new(PLACES)),
        };
        thread::Builder::new().name("page".into()).spawn(move || {
            runtime.block_on(async {
                let (feeding, tending) = (tokio::spawn(feed.run()), tokio::spawn(pool.tend()));
                tokio::select! {
                    served = routes::serve(listener, address, app) => {
                        if let Err(error) = served {
                            warn!("the page has ended: {error:#}");
                        }
                    }
                    _ = stopped => {}
                }
                feeding.abort();
                tending.abort();
            });
            // A reader may still wait for Postgres; nobody waits for it.
            runtime.shutdown_background();
        })?;
        Ok(Server { address, _stop: stop })
    }

    /// Where the page is.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}
