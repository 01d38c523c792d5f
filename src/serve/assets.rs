//! The page itself: files that are part of the program.

use axum::Router;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use xxhash_rust::xxh3::xxh3_64;

use super::routes::App;

/// A file, where it is found, and what it is.
struct Asset(&'static str, &'static str, &'static str);

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

const ASSETS: [Asset; 18] = [
    Asset("/", HTML, include_str!("page/index.html")),
    Asset("/page.css", CSS, include_str!("page/page.css")),
    Asset("/page.js", SCRIPT, include_str!("page/page.js")),
    Asset("/address.js", SCRIPT, include_str!("page/address.js")),
    Asset("/copy.js", SCRIPT, include_str!("page/copy.js")),
    Asset("/draw.js", SCRIPT, include_str!("page/draw.js")),
    Asset("/fresh.js", SCRIPT, include_str!("page/fresh.js")),
    Asset("/heat.js", SCRIPT, include_str!("page/heat.js")),
    Asset("/members.js", SCRIPT, include_str!("page/members.js")),
    Asset("/panels.js", SCRIPT, include_str!("page/panels.js")),
    Asset("/period.js", SCRIPT, include_str!("page/period.js")),
    Asset("/picker.js", SCRIPT, include_str!("page/picker.js")),
    Asset("/rejected.js", SCRIPT, include_str!("page/rejected.js")),
    Asset("/reports.js", SCRIPT, include_str!("page/reports.js")),
    Asset("/text.js", SCRIPT, include_str!("page/text.js")),
    Asset("/theme.js", SCRIPT, include_str!("page/theme.js")),
    Asset("/tip.js", SCRIPT, include_str!("page/tip.js")),
    Asset("/icon.svg", SVG, include_str!("page/icon.svg")),
];

pub(super) fn routes() -> Router<App> {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        let tag = format!("\"{:016x}\"", xxh3_64(asset.2.as_bytes()));
        router.route(asset.0, get(move |headers: HeaderMap| async move { answer(asset, &tag, &headers) }))
    })
}

fn answer(Asset(_, kind, text): &Asset, tag: &str, headers: &HeaderMap) -> Response {
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known == tag) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    ([(CONTENT_TYPE, *kind), (ETAG, tag)], *text).into_response()
}
