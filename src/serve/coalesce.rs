//! Request coalescing: requests that wait for a session to read the same answer get one, read once for all of them.
//!
//! An answer that is being read already is not shared: the tables may have moved since its snapshot began, and a client that
//! knows of a commit, from [`wait`](super::wait) or elsewhere, must find it in its next answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::error::ApiError;
use super::pool::Pool;
use crate::reports::Snapshot;

/// An answer, for all that wait for it.
type Outcome<T> = Shared<BoxFuture<'static, Result<T, ApiError>>>;

/// The answers that wait for a session, by what was asked. Its clones are one.
pub(super) struct Coalesce<T>(Arc<Mutex<HashMap<String, Outcome<T>>>>);

impl<T> Clone for Coalesce<T> {
    fn clone(&self) -> Self {
        Coalesce(Arc::clone(&self.0))
    }
}

impl<T: Clone + Send + Sync + 'static> Coalesce<T> {
    /// Nothing waits yet.
    pub fn new() -> Self {
        Coalesce(Arc::default())
    }

    /// What is read of a snapshot that begins after this call. `request` is all that the answer depends on, beside the tables.
    pub async fn ask(
        &self,
        request: String,
        pool: &Pool,
        read: impl Fn(&mut Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let outcome =
            self.waiting().entry(request).or_insert_with_key(|request| self.start(request, pool, read)).clone();
        outcome.await
    }

    /// A task of its own, as the client that asked first may go away.
    fn start(
        &self,
        request: &str,
        pool: &Pool,
        read: impl Fn(&mut Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Outcome<T> {
        let (waiting, request, pool) = (self.clone(), request.to_owned(), pool.clone());
        let task = tokio::spawn(async move {
            let session = pool.session().await;
            waiting.waiting().remove(&request);
            Ok(session?.ask(read).await?)
        });
        task.map(|answer| answer.unwrap_or_else(|_| Err(ApiError::bug()))).boxed().shared()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Outcome<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
