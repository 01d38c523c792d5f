//! Request coalescing: requests that wait for a session with the same question share one answer.
//!
//! An answer that is being read already is not shared: the tables may have moved since its snapshot began, and a client that
//! knows of a commit, from [`wait`](super::wait) or elsewhere, must find it in its next answer.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;

use super::error::ApiError;
use super::pool::Pool;
use crate::reports::Snapshot;

/// An answer for all requests that wait for it. Once they are gone, it stops waiting for a session.
type Answer<T> = BoxFuture<'static, Result<T, ApiError>>;

/// The answers that wait for a session, by request. Clones share them.
pub(super) struct Coalesce<T>(Arc<Mutex<HashMap<String, WeakShared<Answer<T>>>>>);

impl<T> Clone for Coalesce<T> {
    fn clone(&self) -> Self {
        Coalesce(Arc::clone(&self.0))
    }
}

/// The entry of a waiting answer: removed once it waits no longer.
struct Place<T> {
    request: String,
    of: Coalesce<T>,
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        self.of.0.lock().remove(&self.request);
    }
}

impl<T: Clone + Send + Sync + 'static> Coalesce<T> {
    /// Nothing waits yet.
    pub fn new() -> Self {
        Coalesce(Arc::default())
    }

    /// Reads a snapshot that begins after this call. `request` is all that the answer depends on besides the tables.
    pub async fn ask(
        &self,
        request: String,
        pool: &Pool,
        read: impl Fn(&mut Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let known = self.0.lock().get(&request).and_then(WeakShared::upgrade);
        known.unwrap_or_else(|| self.start(request, pool, read)).await
    }

    fn start(
        &self,
        request: String,
        pool: &Pool,
        read: impl Fn(&mut Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Shared<Answer<T>> {
        let (pool, place) = (pool.clone(), Place { request: request.clone(), of: self.clone() });
        let wait_and_read = async move {
            let session = pool.session().await;
            drop(place);
            Ok(session?.ask(read).await?)
        };
        let answer = wait_and_read.boxed().shared();
        self.0.lock().extend(answer.downgrade().map(|waiting| (request, waiting)));
        answer
    }
}
