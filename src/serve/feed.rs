//! Feeds all open pages: the tables are read once for each commit, not once for each page.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use dataflows::model::Model;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::commit_watch::CommitWatch;
use super::error::ApiError;
use super::panels::{Panel, Selection, SlowPanels, read};
use super::pool::Pool;
use super::status::{Status, TablesRead};
use crate::metrics::Metrics;

/// Time between updates, five a second at most: people see no more, and Postgres has other work.
const UPDATE_INTERVAL_MIN: Duration = Duration::from_millis(200);
/// How often the status is sent while nothing is committed: a page that hears nothing knows that it is cut off.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// How often the tables are read without a commit: at midnight the current day changes.
const READ_INTERVAL_MAX: Duration = Duration::from_secs(10);

/// Selections that are shown at once: reading more would take longer than [`UPDATE_INTERVAL_MIN`].
const SELECTIONS_MAX: usize = 64;
/// Selections opened from one network.
const SELECTIONS_PER_NETWORK_MAX: usize = 48;

/// What a page should show. A slow page gets only the newest update, and skips those in between.
#[derive(Clone, Debug, Default)]
pub(super) struct Update {
    /// How the tables are, as JSON.
    pub status: Arc<str>,
    /// Why the tables cannot be read, as JSON.
    pub failure: Option<Arc<str>>,
    /// A panel that has not changed is the same `Arc` as before.
    pub panels: Vec<Panel>,
}

/// The feed of all pages; clones share it.
#[derive(Clone)]
pub(super) struct Feed(Arc<Inner>);

struct Inner {
    pool: Pool,
    model: Arc<Model>,
    commits: CommitWatch,
    metrics: Metrics,
    pages: Mutex<HashMap<Selection, Page>>,
    /// Notified when a page with a new selection is opened.
    opened: Notify,
}

/// All pages with the same selection.
struct Page {
    updates: watch::Sender<Update>,
    /// The network from which it was first opened.
    opener: IpAddr,
    /// Whether it was read since it was opened: before that there is nothing to send.
    is_read: bool,
    /// Why this selection alone cannot be read.
    failure: Option<Arc<str>>,
}

impl Page {
    fn is_open(&self) -> bool {
        self.updates.receiver_count() > 0
    }
}

/// The last read.
#[derive(Default)]
struct Last {
    tables: Option<TablesRead>,
    at: Option<Instant>,
    /// Why the tables could not be read since.
    failure: Option<Arc<str>>,
    slow: SlowPanels,
}

impl Last {
    fn is_due(&self) -> bool {
        self.failure.is_some() || self.at.is_none_or(|at| at.elapsed() >= READ_INTERVAL_MAX)
    }
}

impl Feed {
    pub fn new(pool: Pool, model: Arc<Model>, commits: CommitWatch, metrics: Metrics) -> Feed {
        Feed(Arc::new(Inner { pool, model, commits, metrics, pages: Mutex::default(), opened: Notify::new() }))
    }

    /// The updates of a page with this selection. The first comes as soon as it is read.
    ///
    /// # Errors
    /// If so many selections are shown already that one more would slow down all pages.
    pub fn open(&self, selection: Selection, network: IpAddr) -> Result<watch::Receiver<Update>, ApiError> {
        let mut pages = self.0.pages.lock();
        if !pages.contains_key(&selection) {
            pages.retain(|_, page| page.is_open());
            let opened = pages.values().filter(|page| page.opener == network).count();
            if pages.len() >= SELECTIONS_MAX || opened >= SELECTIONS_PER_NETWORK_MAX {
                return Err(ApiError::busy());
            }
        }
        let new =
            || Page { updates: watch::channel(Update::default()).0, opener: network, is_read: false, failure: None };
        let updates = pages.entry(selection).or_insert_with(new).updates.subscribe();
        if updates.borrow().status.is_empty() {
            self.0.opened.notify_one();
        }
        Ok(updates)
    }

    /// Feeds the pages for ever.
    pub async fn run(self) {
        let (mut commits, mut last) = (self.0.commits.0.clone(), Last::default());
        loop {
            let mut is_news = true;
            tokio::select! {
                changed = commits.changed() => if changed.is_err() { return },
                () = self.0.opened.notified() => {}
                () = sleep(HEARTBEAT_INTERVAL) => is_news = last.is_due(),
            }
            let selections = self.shown();
            if selections.is_empty() {
                continue;
            }
            let begin = Instant::now();
            if is_news && let Err(error) = self.read(selections, &mut last).await {
                last.failure = Some(ApiError::from(error).text().into());
            }
            self.publish(&last);
            sleep(UPDATE_INTERVAL_MIN.saturating_sub(begin.elapsed())).await;
        }
    }

    /// The selections of all open pages; others are dropped.
    fn shown(&self) -> Vec<Selection> {
        let mut pages = self.0.pages.lock();
        pages.retain(|_, page| page.is_open());
        pages.keys().cloned().collect()
    }

    async fn read(&self, selections: Vec<Selection>, last: &mut Last) -> Result<()> {
        let (model, slow) = (Arc::clone(&self.0.model), last.slow.clone());
        let mut moment = self.0.pool.ask(move |snapshot| read(snapshot, &model, &selections, &slow)).await?;
        let (tables, slow) = (Some(moment.tables), std::mem::take(&mut moment.slow));
        *last = Last { tables, at: Some(Instant::now()), failure: None, slow };
        for (selection, page) in self.0.pages.lock().iter_mut() {
            let read = moment.panels.remove(selection);
            page.is_read |= read.is_some();
            match read {
                Some(Ok(panels)) => {
                    page.failure = None;
                    // Wakes nobody yet: the status is sent along with it.
                    page.updates.send_if_modified(|update| {
                        update.panels = unchanged(std::mem::take(&mut update.panels), panels);
                        false
                    });
                }
                Some(Err(failure)) => page.failure = Some(failure),
                None => {}
            }
        }
        Ok(())
    }

    /// Sends the status, and with it what was read. A page that was opened meanwhile gets it with its first panels, unless the
    /// tables cannot be read.
    fn publish(&self, last: &Last) {
        let status = Status::new(last.tables.as_ref(), &self.0.commits.0.borrow(), &self.0.metrics);
        let Ok(status) = serde_json::to_string(&status) else { return };
        let status = Arc::from(status);
        for page in self.0.pages.lock().values().filter(|page| page.is_read || last.failure.is_some()) {
            page.updates.send_modify(|update| {
                update.status = Arc::clone(&status);
                update.failure = last.failure.clone().or(page.failure.clone());
            });
        }
    }
}

/// The new panels, with the old `Arc` where the text is the same.
fn unchanged(before: Vec<Panel>, after: Vec<Panel>) -> Vec<Panel> {
    let before: HashMap<_, _> = before.into_iter().collect();
    let same = |(name, text): Panel| match before.get(&name) {
        Some(old) if *old == text => (name, old.clone()),
        _ => (name, text),
    };
    after.into_iter().map(same).collect()
}
