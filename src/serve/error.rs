//! Answers that are errors: one object, whose codes do not change.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use tracing::{debug, warn};

use crate::database::is_outage;
use crate::reports::{NoData, NoTables, WrongPeriod};

/// Why there is no answer: `{"error":{"code":"…","message":"…"}}`.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

/// All sessions or places are taken: the client should ask again later.
#[derive(Debug, thiserror::Error)]
#[error("too many requests at once; try again in a moment")]
pub(super) struct Busy;

/// An answer so large that a few of them would fill the memory.
#[derive(Debug, thiserror::Error)]
#[error("the answer has more than {0} MiB; ask for fewer rows with limit")]
pub(super) struct TooLarge(pub usize);

/// The writer comes first: while it has no session, nobody else takes one.
#[derive(Debug, thiserror::Error)]
#[error("the database does not answer Freshet now; try again in a moment")]
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

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { status, code, message: message.into() }
    }

    /// A parameter that cannot be understood.
    pub fn bad_request(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub fn not_found(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// There is no such path.
    pub fn no_route() -> ApiError {
        ApiError::not_found("no such path; /api/openapi.json lists all")
    }

    pub fn method_not_allowed() -> ApiError {
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "only GET is allowed")
    }

    pub fn wrong_host() -> ApiError {
        let message = "the request's Host is neither localhost nor an address; --http-allowed-host allows other names";
        ApiError::new(StatusCode::FORBIDDEN, "wrong_host", message)
    }

    /// Makes a browser ask for the password.
    pub fn password_needed() -> ApiError {
        ApiError::new(
            StatusCode::UNAUTHORIZED,
            "password_needed",
            "this page asks for a password; any user name will do",
        )
    }

    /// The request did not come through the proxy, or the proxy did not authenticate the user.
    pub fn user_needed() -> ApiError {
        let message =
            "the proxy before this page names no user; open the page at the proxy's address and sign in there";
        ApiError::new(StatusCode::FORBIDDEN, "user_needed", message)
    }

    /// What was waited for has not happened.
    pub fn not_yet(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::GATEWAY_TIMEOUT, "not_yet", message)
    }

    /// Its code and message, as JSON.
    pub fn text(&self) -> String {
        json!(self.reason()).to_string()
    }

    fn reason(&self) -> Reason<'_> {
        Reason { code: self.code, message: &self.message }
    }

    /// The request ended by a panic.
    pub fn bug() -> ApiError {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "a bug in Freshet ended this request; its log says more",
        )
    }

    pub fn busy() -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", Busy.to_string())
    }
}

/// Database errors are not passed on, as they may name hosts, roles and databases.
impl From<anyhow::Error> for ApiError {
    fn from(error: anyhow::Error) -> ApiError {
        let away = StatusCode::SERVICE_UNAVAILABLE;
        if error.is::<NoData>() {
            ApiError::new(StatusCode::NOT_FOUND, "nothing", error.to_string())
        } else if error.is::<Busy>() {
            ApiError::busy()
        } else if error.is::<TooLarge>() || error.is::<WrongPeriod>() {
            ApiError::bad_request(error.to_string())
        } else if error.is::<NoTables>() {
            ApiError::new(
                away,
                "no_tables",
                "there are no tables yet; they come as soon as Freshet reaches Kafka and the database",
            )
        } else if error.is::<WriterFirst>() {
            ApiError::new(away, "database_away", error.to_string())
        } else if is_outage(&error) {
            debug!("no answer: {error:#}");
            ApiError::new(away, "database_away", "the database does not answer now; try again in a moment")
        } else {
            warn!("no answer: {error:#}");
            ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the tables cannot be read; Freshet's log says why",
            )
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Json(Body { error: self.reason() });
        let mut response = (self.status, body).into_response();
        let further = match self.status {
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Basic realm=\"Freshet\", charset=\"UTF-8\"")),
            _ => None,
        };
        let further = further.map(|(name, value)| (name, header::HeaderValue::from_static(value)));
        response.headers_mut().extend(further);
        response
    }
}
