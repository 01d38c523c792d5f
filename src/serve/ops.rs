//! What operators' tools ask for: metrics, liveness and readiness.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::app::App;
use crate::metrics::Metrics;

/// Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The state of the run that is served.
#[derive(Clone)]
pub struct OpsState {
    /// Its metrics.
    pub metrics: Metrics,
    /// The lag up to which it is ready.
    pub ready_lag: Duration,
}

/// All metrics.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    match app.ops.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, EXPOSITION)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// Liveness: a process that answers is alive.
pub(super) async fn healthz() -> &'static str {
    "alive\n"
}

/// Readiness: whether the tables are up to date, or the reasons why not, one per line.
pub(super) async fn readyz(State(app): State<App>) -> (StatusCode, String) {
    let OpsState { metrics, ready_lag } = &app.ops;
    let troubles = metrics.state().troubles(*ready_lag);
    match troubles.as_slice() {
        [] => (StatusCode::OK, "ready\n".into()),
        _ => (StatusCode::SERVICE_UNAVAILABLE, troubles.join("\n") + "\n"),
    }
}
