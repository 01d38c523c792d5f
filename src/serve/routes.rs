//! What is found where.

use axum::routing::{MethodRouter, get};
use axum::{Router, middleware};

use super::admit::admit;
use super::feed::Feed;
use super::guard::{self, Hosts};
use super::instruments::{self, Instruments};
use super::places::Places;
use super::pool::Pool;
use super::pulse::Pulse;
use super::refusal::Refusal;
use super::{api, assets, live, wait};

/// Open pages, and of one network: less than there are connections, which leaves others a way in.
const PAGES: (usize, usize) = (400, 300);
/// Those who wait for a record.
const WAITING: (usize, usize) = (100, 50);
/// Those who ask the tables. Each may hold an answer that it has not read yet.
const ASKING: (usize, usize) = (64, 32);

/// What the handlers stand on.
#[derive(Clone)]
pub(super) struct App {
    pub pool: Pool,
    pub pulse: Pulse,
    pub feed: Feed,
    pub instruments: Instruments,
}

/// The page and its JSON.
pub(super) fn page() -> Router<App> {
    Router::new()
        .merge(assets::routes())
        .merge(admitted(PAGES, [("/api/live", get(live::live))]))
        .merge(admitted(WAITING, [("/api/wait", get(wait::wait))]))
        .merge(admitted(
            ASKING,
            [
                ("/api/reports/{name}", get(api::report)),
                ("/api/days", get(api::days)),
                ("/api/countries", get(api::countries)),
                ("/api/products", get(api::products)),
                ("/api/status", get(api::status)),
            ],
        ))
        .route("/api/openapi.json", get(api::description))
}

fn admitted<const N: usize>(places: (usize, usize), routes: [(&str, MethodRouter<App>); N]) -> Router<App> {
    let router = routes.into_iter().fold(Router::new(), |router, (path, route)| router.route(path, route));
    router.route_layer(middleware::from_fn_with_state(Places::new(places.0, places.1), admit))
}

/// What an operator's tools ask. It needs no place: it is answered at once.
pub(super) fn ops() -> Router<App> {
    Router::new()
        .route("/metrics", get(instruments::metrics))
        .route("/healthz", get(instruments::healthz))
        .route("/readyz", get(instruments::readyz))
}

/// These routes, for requests with such a host, and nothing else.
pub(super) fn guarded(routes: Router<App>, hosts: Hosts, app: App) -> Router {
    routes
        .fallback(|| async { Refusal::not_found("there is nothing here; /api/openapi.json says what there is") })
        .method_not_allowed_fallback(|| async { Refusal::method_not_allowed() })
        .layer(middleware::from_fn_with_state(hosts, guard::check_host))
        .layer(middleware::map_response(guard::harden))
        .with_state(app)
}
