//! What the tables say, as JSON or CSV.

use anyhow::{Result, bail};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use serde::Serialize;

use super::asked::{Asked, Form};
use super::refusal::{Refusal, TooLarge};
use super::routes::App;
use super::status::Status;
use crate::reports::{Answer, Position, Record, Snapshot};

/// So many products are proposed if nobody says how many.
const PROPOSED: u32 = 20;

/// An answer is held for as long as whoever asked takes to read it.
const MOST_BYTES: usize = 4 << 20;

/// What can be asked, for programs: held against the answers by a test.
const DESCRIPTION: &str = include_str!("openapi.json");

pub(super) async fn report(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, Refusal> {
    let (query, limit) = (asked.report(&name)?, asked.rows()?);
    answer(&app, &name, &headers, &asked, move |snapshot| snapshot.read(&query, Some(limit))).await
}

pub(super) async fn days(State(app): State<App>, headers: HeaderMap, asked: Asked) -> Result<Response, Refusal> {
    answer(&app, "days", &headers, &asked, |snapshot| snapshot.days()).await
}

pub(super) async fn countries(State(app): State<App>, headers: HeaderMap, asked: Asked) -> Result<Response, Refusal> {
    answer(&app, "countries", &headers, &asked, |snapshot| snapshot.countries()).await
}

pub(super) async fn products(State(app): State<App>, headers: HeaderMap, asked: Asked) -> Result<Response, Refusal> {
    let (prefix, limit) = (asked.prefix()?, asked.limit(PROPOSED)?);
    answer(&app, "products", &headers, &asked, move |snapshot| snapshot.products(&prefix, limit)).await
}

pub(super) async fn status(State(app): State<App>) -> Result<Json<Status>, Refusal> {
    let read = |snapshot: &mut Snapshot<'_>| Ok((snapshot.current_day()?, snapshot.position()?));
    let (day, position) = app.pool.ask(read).await?;
    let status = Status::new(day, position, &app.pulse.0.borrow(), &app.instruments.metrics);
    Ok(Json(status))
}

pub(super) async fn description() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DESCRIPTION).into_response()
}

/// What an answer looks like as JSON.
#[derive(Serialize)]
struct Body<'a> {
    name: &'a str,
    title: &'a str,
    /// How far the tables were.
    position: Position,
    rows: Vec<Record<'a>>,
}

/// An answer's text, or word that whoever asks has it already.
enum Found {
    Known,
    New(String),
}

/// Answers with what is read, all of it as of one moment, under a tag that is another one as soon as that may be.
async fn answer(
    app: &App,
    name: &str,
    headers: &HeaderMap,
    asked: &Asked,
    read: impl Fn(&mut Snapshot<'_>) -> Result<Answer> + Send + 'static,
) -> Result<Response, Refusal> {
    let form = asked.form()?;
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok()).unwrap_or_default().to_owned();
    let of = name.to_owned();
    // The text is made where it is read, as to make a long one would keep others waiting.
    let find = move |snapshot: &mut Snapshot<'_>| {
        let (position, day) = (snapshot.position()?, snapshot.current_day()?);
        let tag = tag(position, day, form);
        let is_known = known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag);
        let found = if is_known { Found::Known } else { Found::New(text(&of, position, &read(snapshot)?, form)?) };
        Ok((tag, found))
    };
    let (tag, found) = app.pool.ask(find).await?;
    let tagged = [(header::ETAG, tag), (header::VARY, "Accept".to_owned())];
    Ok(match found {
        Found::Known => (StatusCode::NOT_MODIFIED, tagged).into_response(),
        Found::New(text) => (tagged, described(name, form), text).into_response(),
    })
}

/// The current day belongs to it, as it changes at midnight though nothing is committed.
fn tag(position: Position, day: Option<NaiveDate>, form: Form) -> String {
    let day = day.map_or("none".to_owned(), |day| day.to_string());
    format!("\"{}-{}-{day}-{form:?}\"", position.next_offsets, position.consumed).to_lowercase()
}

fn text(name: &str, position: Position, answer: &Answer, form: Form) -> Result<String> {
    let text = match form {
        Form::Json => serde_json::to_string(&Body { name, title: &answer.title, position, rows: answer.records() })?,
        Form::Csv(cells) => answer.csv(cells)?,
    };
    if text.len() > MOST_BYTES {
        bail!(TooLarge(MOST_BYTES >> 20));
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
