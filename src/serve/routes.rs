//! The routes, and who may use them.

use axum::routing::{MethodRouter, get};
use axum::{Router, middleware};

use super::access::{Access, check_access};
use super::admit::admit;
use super::app::App;
use super::error::ApiError;
use super::places::Places;
use super::security_headers::{self, Hosts, Policy};
use super::{api, assets, ops, sse, wait};

/// Open pages, in total and per network: fewer than connections, so that other requests get through.
const PAGES: (usize, usize) = (400, 300);
/// Requests that wait for a record, likewise.
const WAITING: (usize, usize) = (100, 50);
/// Requests that query the tables, likewise. Each may hold an answer that its client has not read yet.
const ASKING: (usize, usize) = (64, 32);

/// The page and its JSON, for those with access; also metrics and probes, unless they have a separate address.
pub(super) fn page(access: &Access, has_ops: bool) -> Router<App> {
    let (guarded, open) = if has_ops { (metrics(), probes()) } else { Default::default() };
    let guarded = guarded.merge(page_and_json());
    // An orchestrator probes without a password, and the probes reveal nothing about the data.
    guarded.route_layer(middleware::from_fn_with_state(access.clone(), check_access)).merge(open)
}

fn page_and_json() -> Router<App> {
    Router::new()
        .merge(assets::routes())
        .merge(admitted(PAGES, [("/api/live", get(sse::live))]))
        .merge(admitted(WAITING, [("/api/wait", get(wait::wait))]))
        .merge(admitted(
            ASKING,
            [
                ("/api/reports/{name}", get(api::report)),
                ("/api/trend", get(api::trend)),
                ("/api/days", get(api::days)),
                ("/api/rejected", get(api::rejected)),
                ("/api/{values}", get(api::values)),
                ("/api/status", get(api::status)),
            ],
        ))
        .route("/api/reports", get(api::reports))
        .route("/api/openapi.json", get(api::description))
}

fn admitted<const N: usize>(places: (usize, usize), routes: [(&str, MethodRouter<App>); N]) -> Router<App> {
    let router = routes.into_iter().fold(Router::new(), |router, (path, route)| router.route(path, route));
    router.route_layer(middleware::from_fn_with_state(Places::new(places.0, places.1), admit))
}

/// Metrics and probes. They need no place, as they are answered at once.
pub(super) fn ops() -> Router<App> {
    metrics().merge(probes())
}

fn metrics() -> Router<App> {
    Router::new().route("/metrics", get(ops::metrics))
}

fn probes() -> Router<App> {
    Router::new().route("/healthz", get(ops::healthz)).route("/readyz", get(ops::readyz))
}

/// These routes, only for requests with an allowed host.
pub(super) fn guarded(routes: Router<App>, hosts: Hosts, policy: Policy, app: App) -> Router {
    routes
        .fallback(|| async { ApiError::no_route() })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(middleware::from_fn_with_state(hosts, security_headers::check_host))
        .layer(middleware::map_response_with_state(policy, security_headers::add_headers))
        .with_state(app)
}
