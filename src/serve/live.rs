//! The stream of updates to an open page, by server-sent events.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::asked::Asked;
use super::feed::Update;
use super::refusal::Refusal;
use super::routes::App;

/// How soon a page that was cut off tries again.
const RETRY: Duration = Duration::from_secs(1);

/// A page on its way.
struct Page {
    updates: watch::Receiver<Update>,
    /// What it shows already.
    shown: HashMap<&'static str, Arc<str>>,
    /// What is still to be sent.
    events: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

/// Sends what the page's panels show, then each of them again whenever it has changed.
pub(super) async fn live(
    State(app): State<App>,
    asked: Asked,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let place = app.places.clone().try_acquire_owned().map_err(|_| Refusal::busy())?;
    let mut updates = app.feed.open(asked.selection()?);
    updates.mark_changed();
    let events = [Event::default().retry(RETRY).comment("")].into();
    let page = Page { updates, shown: HashMap::new(), events, _place: place };
    Ok(Sse::new(stream::unfold(page, next)).keep_alive(KeepAlive::default()))
}

async fn next(mut page: Page) -> Option<(Result<Event, Infallible>, Page)> {
    loop {
        if let Some(event) = page.events.pop_front() {
            return Some((Ok(event), page));
        }
        page.updates.changed().await.ok()?;
        page.take();
    }
}

impl Page {
    fn take(&mut self) {
        let update = self.updates.borrow_and_update().clone();
        if update.status.is_empty() {
            return;
        }
        self.events.extend(update.failure.map(|failure| Event::default().event("failure").data(failure)));
        for (name, text) in update.panels {
            if self.shown.get(name).is_none_or(|shown| !Arc::ptr_eq(shown, &text)) {
                self.events.push_back(Event::default().event("panel").data(&*text));
                self.shown.insert(name, text);
            }
        }
        self.events.push_back(Event::default().event("status").data(&*update.status));
    }
}
