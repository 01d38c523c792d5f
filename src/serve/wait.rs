//! Read your own writes: an answer as soon as the tables include a record.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::time::timeout;

use super::error::Refusal;
use super::params::Params;
use super::routes::App;

const USUAL: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);

/// The record is in the tables.
#[derive(Serialize)]
pub(super) struct Included {
    partition: i32,
    offset: i64,
    /// The offset after the last record of the partition that the tables include.
    next_offset: i64,
}

pub(super) async fn wait(State(app): State<App>, params: Params) -> Result<Json<Included>, Refusal> {
    let (partition, offset) = params.record()?;
    let patience = params.timeout(USUAL, LONGEST)?;
    let mut pulse = app.pulse.0.clone();
    let included = async {
        loop {
            let told = pulse.wait_for(|beat| beat.next.get(&partition).is_some_and(|next| *next > offset)).await;
            drop(told?);
            // That it is told is a reason to ask the tables, and they have the last word.
            let next = app.pool.ask(move |tables| Ok(tables.next_offsets()?.remove(&partition))).await?;
            if let Some(next_offset) = next.filter(|next| *next > offset) {
                return Ok::<_, anyhow::Error>(Included { partition, offset, next_offset });
            }
            pulse.changed().await?;
        }
    };
    match timeout(patience, included).await {
        Ok(included) => Ok(Json(included?)),
        Err(_) => {
            Err(Refusal::not_yet(format!("the tables do not include offset {offset} of partition {partition} yet")))
        }
    }
}
