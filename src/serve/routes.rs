//! What is found where.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Result;
use axum::routing::get;
use axum::{Router, middleware};
use tokio::sync::Semaphore;

use super::door::Door;
use super::feed::Feed;
use super::instruments::Instruments;
use super::pool::Pool;
use super::pulse::Pulse;
use super::refusal::Refusal;
use super::{api, assets, guard, instruments, live, wait};

/// What the handlers stand on.
#[derive(Clone)]
pub(super) struct App {
    pub pool: Pool,
    pub pulse: Pulse,
    pub feed: Feed,
    pub instruments: Instruments,
    /// For those who stay: open pages, and whoever waits.
    pub places: Arc<Semaphore>,
}

/// Answers for ever.
pub(super) async fn serve(listener: TcpListener, address: SocketAddr, app: App) -> Result<()> {
    let door = Door::new(tokio::net::TcpListener::from_std(listener)?);
    Ok(axum::serve(door, router(address, app)).await?)
}

fn router(address: SocketAddr, app: App) -> Router {
    let hosts = guard::Hosts::of(address);
    Router::new()
        .merge(assets::routes())
        .route("/api/live", get(live::live))
        .route("/api/reports/{name}", get(api::report))
        .route("/api/days", get(api::days))
        .route("/api/countries", get(api::countries))
        .route("/api/products", get(api::products))
        .route("/api/status", get(api::status))
        .route("/api/wait", get(wait::wait))
        .route("/api/openapi.json", get(api::description))
        .route("/metrics", get(instruments::metrics))
        .route("/healthz", get(instruments::healthz))
        .route("/readyz", get(instruments::readyz))
        .fallback(|| async { Refusal::not_found("there is nothing here; /api/openapi.json says what there is") })
        .method_not_allowed_fallback(|| async { Refusal::method_not_allowed() })
        .layer(middleware::from_fn_with_state(hosts, guard::check_host))
        .layer(middleware::map_response(guard::harden))
        .with_state(app)
}
