//! What an operator's tools ask: the metrics, whether the process lives, whether it can be relied on.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::app::App;
use crate::metrics::Metrics;

/// Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is shown of the run.
#[derive(Clone)]
pub struct OpsState {
    /// Its numbers.
    pub metrics: Metrics,
    /// How far behind it may be and yet be ready.
    pub ready_lag: Duration,
}

/// All metrics.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    match app.ops.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, EXPOSITION)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// It answers, so it lives.
pub(super) async fn healthz() -> &'static str {
    "alive\n"
}

/// Whether the tables can be relied on, or each reason why not on a line.
pub(super) async fn readyz(State(app): State<App>) -> (StatusCode, String) {
    let OpsState { metrics, ready_lag } = &app.ops;
    let troubles = metrics.state().troubles(*ready_lag);
    match troubles.as_slice() {
        [] => (StatusCode::OK, "ready\n".into()),
        _ => (StatusCode::SERVICE_UNAVAILABLE, troubles.join("\n") + "\n"),
    }
}
