//! The page that people look at, and the JSON that programs read: what the tables say, over HTTP.
//!
//! ```text
//! writer ── COMMIT with NOTIFY ──► Postgres ──► commit_watch (a thread that LISTENs) ──► feed: one read of the tables for
//!                                     ▲                                             each commit, 5 a second at most
//!                                     │                                                │
//!                                     └── pool (read-only sessions) ◄── /api/…         └──► /api/live: every open page
//! ```
//!
//! It has a thread and sessions of its own, and no way back into the engine: however many clients there are, and however
//! slowly they read, no record waits for them. It knows neither SQL nor the layout of the tables;
//! [`reports`](crate::reports) does.

mod access;
mod address;
mod admit;
mod api;
mod app;
mod assets;
mod catalogue;
mod coalesce;
mod commit_watch;
mod error;
mod feed;
mod languages;
mod listener;
mod openapi;
mod ops;
mod panels;
mod panics;
mod params;
mod places;
mod pool;
mod routes;
mod security_headers;
mod sse;
mod status;
mod timed;
mod wait;

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use axum::Router;
use dataflows::model::Model;
use tokio::runtime;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::database::Target;
pub use access::{Access, Password, UserHeader};
pub use address::{Address, DEFAULT};
use app::App;
use commit_watch::CommitWatch;
use feed::Feed;
pub use openapi::document as openapi;
pub use ops::OpsState;
pub use panics::is_answering;
use pool::Pool;
pub use security_headers::{FrameAncestor, HostName};
use security_headers::{Hosts, Policy};

/// Connections to the page: on many machines a process may open 1,024 files.
const CONNECTIONS_MAX: usize = 700;
/// Connections to the separate address of metrics and probes.
const OPS_CONNECTIONS_MAX: usize = 64;

/// What is served where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address of the page and its JSON; if none, the default one, if that is free.
    pub page: Option<Address>,
    /// The address of metrics and probes, if they are separate from the page.
    pub ops: Option<Address>,
    /// The host names that requests may have, besides `localhost` and addresses.
    pub allowed_hosts: Vec<HostName>,
    /// The sites that may show the page in a frame.
    pub frame_ancestors: Vec<FrameAncestor>,
    /// Who may see the page. Metrics and probes at a separate address answer everyone.
    pub access: Access,
}

impl Settings {
    /// Nothing is served.
    pub fn off() -> Settings {
        let (allowed_hosts, frame_ancestors) = Default::default();
        Settings { page: Some(Address::Off), ops: None, allowed_hosts, frame_ancestors, access: Access::Open }
    }

    /// The listener of the page. None if it is off, or if no address was given and another program has the default one.
    fn page_listener(&self) -> Result<Option<TcpListener>> {
        match self.page.unwrap_or(DEFAULT) {
            Address::Off => Ok(None),
            Address::At(wanted) => match TcpListener::bind(wanted) {
                Ok(listener) => Ok(Some(listener)),
                Err(error) if self.page.is_none() => {
                    warn!("there is no page, as {wanted} is not available ({error}); --http sets another address");
                    Ok(None)
                }
                Err(error) => Err(error).with_context(|| format!("--http {wanted} is not available")),
            },
        }
    }

    fn ops_listener(&self) -> Result<Option<TcpListener>> {
        let Some(Address::At(wanted)) = self.ops else { return Ok(None) };
        let listener = TcpListener::bind(wanted).with_context(|| format!("--http-ops {wanted} is not available"))?;
        Ok(Some(listener))
    }
}

/// A server. When it is dropped, it stops and frees its addresses.
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        // A thread that panicked has stopped as well.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Server {
    /// Serves the tables of this database, and the state of the run. None if nothing is served.
    ///
    /// # Errors
    /// If an address that was given is not available.
    pub fn start(settings: &Settings, target: &Target, model: &Arc<Model>, state: OpsState) -> Result<Option<Server>> {
        let (page, ops) = (settings.page_listener()?, settings.ops_listener()?);
        let page_routes = routes::page(&settings.access, ops.is_none());
        let mut listeners = Vec::new();
        if let Some(page) = page {
            info!("page: http://{}/", page.local_addr()?);
            listeners.push((page, CONNECTIONS_MAX, page_routes));
        }
        if let Some(ops) = ops {
            info!("metrics and probes: http://{}/", ops.local_addr()?);
            listeners.push((ops, OPS_CONNECTIONS_MAX, routes::ops()));
        }
        if listeners.is_empty() {
            return Ok(None);
        }
        let hardening = (Hosts::new(&settings.allowed_hosts), Policy::new(&settings.frame_ancestors));
        Server::serve(listeners, &hardening, target, model, state).map(Some)
    }

    fn serve(
        listeners: Vec<(TcpListener, usize, Router<App>)>,
        (hosts, policy): &(Hosts, Policy),
        target: &Target,
        model: &Arc<Model>,
        ops: OpsState,
    ) -> Result<Server> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // One more closes sessions.
            .max_blocking_threads(pool::SESSIONS_MAX + 1)
            .thread_name("page-reader")
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let commits = CommitWatch::start(target, model, &ops.metrics)?;
        let pool = Pool::new(target.clone(), Arc::clone(model), ops.metrics.clone());
        let feed = Feed::new(pool.reserved(), Arc::clone(model), commits.clone(), ops.metrics.clone());
        let app = App::new(model, pool.clone(), commits, ops, feed.clone());
        for (listener, most, routes) in listeners {
            listener.set_nonblocking(true)?;
            let _registers = runtime.enter();
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let routes = routes::guarded(routes, hosts.clone(), policy.clone(), app.clone());
            runtime.spawn(listener::serve(listener, most, routes));
        }
        runtime.spawn(feed.run());
        runtime.spawn(pool.tend());
        let thread = thread::Builder::new().name("page".into()).spawn(move || {
            // An error means that the server was dropped.
            let _ = runtime.block_on(stopped);
            // A reader may still wait for Postgres; the end does not wait for it.
            runtime.shutdown_background();
        })?;
        Ok(Server { stop: Some(stop), thread: Some(thread) })
    }
}
