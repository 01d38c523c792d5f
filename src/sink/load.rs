//! What the tables hold at a start: the whole state there is.

use std::collections::BTreeMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use anyhow::{Result, anyhow};
use dataflows::model::{ColumnType, Table};
use dataflows::{Cell, Day, Model, Row, RowReader};
use postgres::{Client, GenericClient, Transaction};

use super::date::Date;
use super::{identity, statements};
use crate::batch::{Fingerprint, Progress, TopicIdentity, Totals, Window};
use crate::database::{db_result, snapshot};

/// See [`Session::load`](super::store::Session::load).
pub(super) fn load(
    client: &mut Client,
    topic: &str,
    model: &Model,
    each: &mut dyn FnMut(&Table, Row) -> Result<()>,
) -> Result<(BTreeMap<i32, Progress>, TopicIdentity)> {
    let mut transaction = snapshot(client)?;
    db_result(transaction.batch_execute("SET LOCAL enable_seqscan = on"))?;
    let stored = (progress(&mut transaction, topic)?, identity::stored(&mut transaction)?);
    rows(&mut transaction, model, each)?;
    db_result(transaction.commit())?;
    Ok(stored)
}

/// Where the tables of a topic stand, by partition.
pub(super) fn progress(client: &mut impl GenericClient, topic: &str) -> Result<BTreeMap<i32, Progress>> {
    let columns: Vec<_> = statements::progress_columns().iter().map(|(name, _)| *name).collect();
    let query = format!("SELECT kafka_partition, first_offset, {} FROM progress WHERE topic = $1", columns.join(", "));
    let rows = db_result(client.query(&query, &[&topic]))?;
    Ok(rows.iter().map(progress_of).map(|progress| (progress.partition, progress)).collect())
}

fn progress_of(row: &postgres::Row) -> Progress {
    let last = (row.get("last_offset"), row.get("last_timestamp"), row.get("last_hash"));
    let last = match last {
        (Some(offset), Some(timestamp), Some(hash)) => Some(Fingerprint { offset, timestamp, hash }),
        _ => None,
    };
    let window: (Option<_>, Option<_>) = (row.get("window_offset"), row.get("window_newest"));
    Progress {
        partition: row.get("kafka_partition"),
        first_offset: row.get("first_offset"),
        next_offset: row.get("next_offset"),
        totals: Totals::new(Totals::OUTCOMES.map(|outcome| row.get(outcome))),
        last,
        last_leader_epoch: row.get("last_leader_epoch"),
        newest_day: day(row, "newest_day"),
        window: window.0.zip(window.1).map(|(offset, newest)| Window {
            offset,
            newest,
            newest_day: day(row, "window_day"),
        }),
    }
}

/// Rows fetched at once: the driver starts its executor for each fetch, which took half the time when done for each
/// row.
const ROWS_PER_FETCH: i32 = 4_096;
/// Fetches ahead of the reader: a large table does not fit into memory twice.
const FETCHES_AHEAD: usize = 2;

/// Calls `each` with the rows of all tables, while a thread fetches the next.
fn rows(
    transaction: &mut Transaction<'_>,
    model: &Model,
    each: &mut dyn FnMut(&Table, Row) -> Result<()>,
) -> Result<()> {
    thread::scope(|scope| {
        let (sender, fetched) = sync_channel(FETCHES_AHEAD);
        let fetch_all = move || model.tables.iter().try_for_each(|table| fetch(transaction, model, table, &sender));
        let fetching = thread::Builder::new().name("load".into()).spawn_scoped(scope, fetch_all)?;
        for (table, rows) in fetched {
            rows.into_iter().try_for_each(|row| each(table, row))?;
        }
        fetching.join().unwrap_or_else(|_| Err(anyhow!("the thread that fetches rows has panicked")))
    })
}

/// Fetches the rows of a table, as long as somebody reads them.
///
/// They are decoded here, too: memory that one thread takes and another frees costs both of them.
fn fetch<'a>(
    transaction: &mut Transaction<'_>,
    model: &Model,
    table: &'a Table,
    fetched: &SyncSender<(&'a Table, Vec<Row>)>,
) -> Result<()> {
    let kinds: Vec<_> = table.columns().map(|column| column.kind).collect();
    let portal = db_result(transaction.bind(&statements::select(table), &[]))?;
    loop {
        let stored = db_result(transaction.query_portal(&portal, ROWS_PER_FETCH))?;
        let (mut cells, mut rows) = (Vec::with_capacity(kinds.len()), Vec::with_capacity(stored.len()));
        for row in &stored {
            for (index, kind) in kinds.iter().enumerate() {
                cells.push(db_result(cell(row, index, *kind))?);
            }
            let row = Row::read(model, table, &mut RowReader::new(&mut cells));
            rows.push(row.ok_or_else(|| anyhow!("table {} holds a row that Freshet did not write", table.name))?);
        }
        // If the receiver is gone, it has an error of its own to report.
        if rows.is_empty() || fetched.send((table, rows)).is_err() {
            return Ok(());
        }
    }
}

fn cell(row: &postgres::Row, index: usize, kind: ColumnType) -> Result<Cell<'_>, postgres::Error> {
    let cell = match kind {
        ColumnType::Text | ColumnType::LongText => row.try_get::<_, Option<&str>>(index)?.map(Cell::from),
        ColumnType::Date => row.try_get::<_, Option<_>>(index)?.map(|Date(day)| Cell::Date(day)),
        ColumnType::Smallint => row.try_get::<_, Option<_>>(index)?.map(Cell::Smallint),
        ColumnType::Bigint => row.try_get::<_, Option<_>>(index)?.map(Cell::Bigint),
    };
    Ok(cell.unwrap_or(Cell::Null))
}

fn day(row: &postgres::Row, column: &str) -> Option<Day> {
    row.get::<_, Option<_>>(column).map(|Date(day)| day)
}
