//! The stream of updates to an open page, by server-sent events.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, stream};
use tokio::sync::watch;

use super::app::App;
use super::error::ApiError;
use super::feed::Update;
use super::listener::Connection;
use super::params::Params;

/// How soon a page that was cut off reconnects.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Something to send.
enum Unsent {
    Greeting,
    Failure(Arc<str>),
    Panel(Arc<str>),
    Status(Arc<str>),
}

impl Unsent {
    fn event(self) -> Event {
        match self {
            Unsent::Greeting => Event::default().retry(RETRY_INTERVAL).comment(""),
            Unsent::Failure(text) => Event::default().event("failure").data(text),
            Unsent::Panel(text) => Event::default().event("panel").data(text),
            Unsent::Status(text) => Event::default().event("status").data(text),
        }
    }
}

/// The stream of a page.
struct Page {
    updates: watch::Receiver<Update>,
    /// The panels that it shows already.
    shown: HashMap<Arc<str>, Arc<str>>,
    /// What is still to be sent. A panel becomes an event only when its turn comes.
    unsent: VecDeque<Unsent>,
}

/// Sends the page's panels, then each of them again whenever it has changed.
pub(super) async fn live(
    State(app): State<App>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
    params: Params,
) -> Result<([(&'static str, &'static str); 1], Sse<impl Stream<Item = Result<Event, Infallible>>>), ApiError> {
    let mut updates = app.feed.open(params.selection(&app.model)?, connection.client(&headers))?;
    updates.mark_changed();
    let page = Page { updates, shown: HashMap::new(), unsent: [Unsent::Greeting].into() };
    // Otherwise nginx would buffer the events.
    Ok(([("x-accel-buffering", "no")], Sse::new(stream::unfold(page, next)).keep_alive(KeepAlive::default())))
}

async fn next(mut page: Page) -> Option<(Result<Event, Infallible>, Page)> {
    loop {
        if let Some(unsent) = page.unsent.pop_front() {
            return Some((Ok(unsent.event()), page));
        }
        page.updates.changed().await.ok()?;
        page.next_updates();
    }
}

impl Page {
    fn next_updates(&mut self) {
        let update = self.updates.borrow_and_update().clone();
        if update.status.is_empty() {
            return;
        }
        self.unsent.extend(update.failure.map(Unsent::Failure));
        for (name, text) in update.panels {
            if self.shown.get(&name).is_none_or(|shown| !Arc::ptr_eq(shown, &text)) {
                self.unsent.push_back(Unsent::Panel(text.clone()));
                self.shown.insert(name, text);
            }
        }
        self.unsent.push_back(Unsent::Status(update.status));
    }
}
