//! Answers that are errors: one object, whose codes do not change.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::database::is_outage;
use crate::reports::{NoTables, Nothing};

/// Why there is no answer: `{"error":{"code":"…","message":"…"}}`.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

/// All sessions were taken for so long that asking again later is better.
#[derive(Debug, thiserror::Error)]
#[error("too many ask at once; try again in a moment")]
pub(super) struct Busy;

/// The writer comes first: while it has no session, nobody else takes one.
#[derive(Debug, thiserror::Error)]
#[error("the run itself has no session with Postgres now; try again in a moment")]
pub(super) struct WriterFirst;

#[derive(Serialize)]
struct Body<'a> {
    error: Reason<'a>,
}

#[derive(Serialize)]
struct Reason<'a> {
    code: &'a str,
    message: &'a str,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, code, message: message.into() }
    }

    /// A parameter that cannot be understood.
    pub fn bad_request(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub fn not_found(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub fn method_not_allowed() -> Refusal {
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "everything here is only read, with GET")
    }

    pub fn wrong_host() -> Refusal {
        let message = "this page is for its own machine, as http://localhost or http://127.0.0.1; --http changes that";
        Refusal::new(StatusCode::FORBIDDEN, "wrong_host", message)
    }

    /// What was waited for has not happened.
    pub fn not_yet(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::GATEWAY_TIMEOUT, "not_yet", message)
    }

    pub fn busy() -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", Busy.to_string())
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Refusal {
        let (status, code) = if error.is::<Nothing>() {
            (StatusCode::NOT_FOUND, "nothing")
        } else if error.is::<Busy>() {
            (StatusCode::SERVICE_UNAVAILABLE, "busy")
        } else if error.is::<NoTables>() {
            (StatusCode::SERVICE_UNAVAILABLE, "no_tables")
        } else if is_outage(&error) || error.is::<WriterFirst>() {
            (StatusCode::SERVICE_UNAVAILABLE, "database_away")
        } else {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal")
        };
        Refusal::new(status, code, format!("{error:#}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(Body { error: Reason { code: self.code, message: &self.message } });
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}
