//! Admission: a request that needs a session, or stays open, needs a place, which it keeps until its answer is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};

use super::error::ApiError;
use super::listener::{Connection, Stay};
use super::places::Places;

/// Bytes of an answer that are handed over at once, so that its place is kept until nearly all of it is sent.
const PART_BYTES: usize = 16 << 10;

/// Middleware that answers if there is a place.
pub(super) async fn admit(
    State(places): State<Places>,
    Extension(connection): Extension<Arc<Connection>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(place) = places.acquire(connection.client(request.headers())) else {
        return ApiError::busy().into_response();
    };
    let stay = connection.stay(place);
    next.run(request).await.map(|body| Body::new(Held { body, unsent: Bytes::new(), _stay: stay }))
}

/// A body that has a place until it is sent.
struct Held {
    body: Body,
    unsent: Bytes,
    _stay: Stay,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(task)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.unsent = data,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.unsent.len().min(PART_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.unsent.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.unsent.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Called before the first part is taken, so it is the whole body's.
        self.body.size_hint()
    }
}
