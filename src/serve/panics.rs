//! A panic while answering a request ends that request, but not the run.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

thread_local! {
    static ANSWERING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is answering a request, so that a panic in it is caught.
pub fn is_answering() -> bool {
    ANSWERING.get()
}

/// Runs `work`; none if it panicked. It must not leave shared state half done.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = ANSWERING.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    ANSWERING.set(before);
    outcome.ok()
}

/// The same for a future.
pub(super) async fn caught_in<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|task| match caught(|| work.as_mut().poll(task)) {
        Some(Poll::Ready(outcome)) => Poll::Ready(Some(outcome)),
        Some(Poll::Pending) => Poll::Pending,
        None => Poll::Ready(None),
    })
    .await
}
