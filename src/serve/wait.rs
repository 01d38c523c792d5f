//! Read your own writes: answers as soon as the tables include a record.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::time::timeout;

use super::app::App;
use super::error::ApiError;
use super::params::Params;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// The record is in the tables.
#[derive(Serialize)]
pub(super) struct Included {
    partition: i32,
    offset: i64,
    /// The offset after the last record of the partition that the tables include.
    next_offset: i64,
}

pub(super) async fn wait(State(app): State<App>, params: Params) -> Result<Json<Included>, ApiError> {
    let (partition, offset) = params.record()?;
    let patience = params.timeout(DEFAULT_TIMEOUT, TIMEOUT_MAX)?;
    let mut commits = app.commits.0.clone();
    let included = async {
        loop {
            let advanced =
                commits.wait_for(|state| state.next.get(&partition).is_some_and(|next| *next > offset)).await;
            drop(advanced?);
            // The notification is only a reason to query the tables, which are authoritative.
            let next = app.pool.ask(move |tables| Ok(tables.next_offsets()?.remove(&partition))).await?;
            if let Some(next_offset) = next.filter(|next| *next > offset) {
                return Ok::<_, anyhow::Error>(Included { partition, offset, next_offset });
            }
            commits.changed().await?;
        }
    };
    match timeout(patience, included).await {
        Ok(included) => Ok(Json(included?)),
        Err(_) => {
            Err(ApiError::not_yet(format!("the tables do not include offset {offset} of partition {partition} yet")))
        }
    }
}
