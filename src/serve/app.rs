//! What the handlers share.

use std::sync::Arc;

use dataflows::model::Model;
use serde_json::Value;

use super::api::Answer;
use super::coalesce::Coalesce;
use super::commit_watch::CommitWatch;
use super::feed::Feed;
use super::ops::OpsState;
use super::pool::Pool;
use super::{catalogue, openapi};

/// The state that the handlers share; cheap to clone.
#[derive(Clone)]
pub(super) struct App {
    pub model: Arc<Model>,
    /// The catalogue of reports, as JSON.
    pub reports: Arc<str>,
    /// The OpenAPI document.
    pub description: Arc<Value>,
    pub pool: Pool,
    pub answers: Coalesce<Answer>,
    pub commits: CommitWatch,
    pub feed: Feed,
    pub ops: OpsState,
}

impl App {
    pub fn new(model: &Arc<Model>, pool: Pool, commits: CommitWatch, ops: OpsState, feed: Feed) -> App {
        let reports = catalogue::document(model).to_string().into();
        let description = openapi::document(model).into();
        App { model: Arc::clone(model), reports, description, pool, answers: Coalesce::new(), commits, feed, ops }
    }
}
