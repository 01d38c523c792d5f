//! What the tables say, as JSON or CSV.

use std::sync::Arc;

use anyhow::{Result, bail};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use serde::Serialize;
use serde_json::json;

use super::app::App;
use super::error::{ApiError, TooLarge};
use super::params::{FORM, Form, LIST, Params, ROWS_MAX};
use super::status::{Status, TablesRead};
use crate::reports::{Position, Record, ReportRows, Snapshot, Span, chosen_fields};

/// Default number of members that are suggested.
pub(super) const SUGGESTIONS_DEFAULT: u32 = 20;

/// Bytes of an answer at most, as it is held until the client has read it.
const ANSWER_BYTES_MAX: usize = 4 << 20;

pub(super) async fn report(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let (query, limit) = (params.report(&app.model, &name)?, params.rows()?);
    answer(&app, &name, &headers, &params, move |snapshot| snapshot.read(&query, Some(limit))).await
}

/// All views by time.
pub(super) async fn trend(State(app): State<App>, headers: HeaderMap, params: Params) -> Result<Response, ApiError> {
    let query = params.trend(&app.model)?;
    answer(&app, "trend", &headers, &params, move |snapshot| snapshot.trend(&query)).await
}

/// The reports that there are.
pub(super) async fn reports(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.reports.to_string()).into_response()
}

pub(super) async fn days(State(app): State<App>, headers: HeaderMap, params: Params) -> Result<Response, ApiError> {
    params.must_be_of(&FORM)?;
    answer(&app, "days", &headers, &params, |snapshot| snapshot.days()).await
}

pub(super) async fn rejected(State(app): State<App>, headers: HeaderMap, params: Params) -> Result<Response, ApiError> {
    let (day, reason, limit) = params.rejected()?;
    answer(&app, "rejected", &headers, &params, move |snapshot| snapshot.rejected(day, reason.as_deref(), limit)).await
}

/// The members of a field that reports have a parameter for.
pub(super) async fn values(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let is_it = |field: &usize| app.model.fields[*field].plural() == name;
    let field = chosen_fields(&app.model).into_iter().find(is_it).ok_or_else(ApiError::no_route)?;
    let (sought, limit) = if app.model.fields[field].kind.is_closed() {
        params.must_be_of(&FORM)?;
        (String::new(), ROWS_MAX)
    } else {
        params.must_be_of(&LIST)?;
        (params.sought()?, params.limit(SUGGESTIONS_DEFAULT)?)
    };
    answer(&app, &name, &headers, &params, move |snapshot| snapshot.values(field, &sought, limit)).await
}

pub(super) async fn status(State(app): State<App>) -> Result<Json<Status>, ApiError> {
    let read = app.pool.ask(TablesRead::read).await?;
    let status = Status::new(Some(&read), &app.commits.0.borrow(), &app.ops.metrics);
    Ok(Json(status))
}

/// The OpenAPI document, which a test compares with the answers. Behind a proxy that serves the page below a path of its own,
/// the server's URL is that path.
pub(super) async fn description(State(app): State<App>, headers: HeaderMap) -> Response {
    let mut description = Arc::unwrap_or_clone(app.description);
    if let Some(prefix) = prefix(&headers) {
        description["servers"] = json!([{"url": prefix}]);
    }
    ([(header::CONTENT_TYPE, "application/json")], description.to_string()).into_response()
}

/// The path prefix that a proxy removed, if it names a plain one.
fn prefix(headers: &HeaderMap) -> Option<&str> {
    let prefix = headers.get("x-forwarded-prefix")?.to_str().ok()?.trim_end_matches('/');
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b"/-._~%".contains(&letter);
    (prefix.starts_with('/') && !prefix.starts_with("//") && prefix.bytes().all(is_plain)).then_some(prefix)
}

/// An answer as JSON.
#[derive(Serialize)]
struct Body<'a> {
    name: &'a str,
    title: &'a str,
    /// The days that it sums up, if it is about several.
    #[serde(flatten)]
    span: Option<Span>,
    /// The days that those are compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<Span>,
    /// How many rows a whole list has.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// How far the tables were.
    position: Position,
    rows: Vec<Record<'a>>,
}

/// The tag of an answer, and its text; none if the client has it already.
pub(super) type Answer = (String, Option<Bytes>);

/// Answers with what is read from one snapshot, and an ETag that changes whenever the answer may.
async fn answer(
    app: &App,
    name: &str,
    headers: &HeaderMap,
    params: &Params,
    read: impl Fn(&mut Snapshot<'_>) -> Result<ReportRows> + Send + 'static,
) -> Result<Response, ApiError> {
    let form = params.form()?;
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok()).unwrap_or_default().to_owned();
    let request = format!("{name} {params:?} {known:?}");
    let of = name.to_owned();
    // Formatted in the reader's thread, as a long text would block other requests.
    let find = move |snapshot: &mut Snapshot<'_>| {
        let (position, day) = (snapshot.position()?, snapshot.current_day()?);
        let tag = tag(position, day, form);
        if known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag) {
            return Ok((tag, None));
        }
        let text = text(&of, position, &read(snapshot)?, form)?;
        Ok((tag, Some(Bytes::from(text))))
    };
    let (tag, text) = app.answers.ask(request, &app.pool, find).await?;
    let tagged = [(header::ETAG, tag), (header::VARY, "Accept".to_owned())];
    Ok(match text {
        None => (StatusCode::NOT_MODIFIED, tagged).into_response(),
        Some(text) => (tagged, described(name, form), text).into_response(),
    })
}

/// The ETag. It includes the current day, which changes at midnight without a commit.
fn tag(position: Position, day: Option<NaiveDate>, form: Form) -> String {
    let day = day.map_or("none".to_owned(), |day| day.to_string());
    format!("\"{}-{}-{day}-{form:?}\"", position.next_offsets, position.consumed).to_lowercase()
}

fn text(name: &str, position: Position, answer: &ReportRows, form: Form) -> Result<String> {
    let text = match form {
        Form::Json => serde_json::to_string(&Body {
            name,
            title: &answer.title,
            span: answer.span,
            compared: answer.compared,
            total: answer.total,
            position,
            rows: answer.records(),
        })?,
        Form::Csv(cells) => answer.csv(cells)?,
    };
    if text.len() > ANSWER_BYTES_MAX {
        bail!(TooLarge(ANSWER_BYTES_MAX >> 20));
    }
    Ok(text)
}

fn described(name: &str, form: Form) -> HeaderMap {
    let mut headers = HeaderMap::new();
    match form {
        Form::Json => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Form::Csv(_) => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
            let file = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\""));
            headers.extend(file.ok().map(|file| (header::CONTENT_DISPOSITION, file)));
        }
    }
    headers
}
