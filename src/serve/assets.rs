//! The page itself: files that are part of the program.

use std::sync::Arc;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use xxhash_rust::xxh3::xxh3_64;

use super::app::App;
use super::languages::{Language, chosen, languages};

/// The files by their paths below `page`, as `build.rs` finds them. rust-embed would replace its thirty lines with four crates.
pub(super) const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// Content types by the extension of a file's name.
const KINDS: [(&str, &str); 3] =
    [("css", "text/css; charset=utf-8"), ("js", "text/javascript; charset=utf-8"), ("svg", "image/svg+xml")];

pub(super) fn routes() -> Router<App> {
    let languages: Arc<[_]> = languages().into_iter().map(|language| (tag(&language.page), language)).collect();
    let page = get(move |RawQuery(query): RawQuery, headers: HeaderMap| async move {
        let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|wanted| wanted.to_str().ok()).unwrap_or_default();
        let place = chosen(languages.iter().map(|(_, language)| language.code), &query.unwrap_or_default(), wanted);
        let (tag, Language { code, page }) = &languages[place];
        let headers_of_language = [(VARY, "accept-language"), (CONTENT_LANGUAGE, *code)];
        (headers_of_language, answer("text/html; charset=utf-8", tag, page.clone(), &headers)).into_response()
    });
    FILES.iter().fold(Router::new().route("/", page), |router, (name, text)| {
        let Some((_, kind)) = KINDS.iter().find(|(end, _)| name.rsplit('.').next() == Some(end)) else { return router };
        let tag = tag(text);
        router.route(
            &format!("/{name}"),
            get(move |headers: HeaderMap| async move { answer(kind, &tag, *text, &headers) }),
        )
    })
}

fn tag(text: &str) -> String {
    format!("\"{:016x}\"", xxh3_64(text.as_bytes()))
}

fn answer(kind: &'static str, tag: &str, text: impl IntoResponse, headers: &HeaderMap) -> Response {
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known == tag) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    ([(CONTENT_TYPE, kind), (ETAG, tag)], text).into_response()
}
