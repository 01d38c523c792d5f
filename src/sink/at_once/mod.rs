//! A small commit as one statement, so in one round trip: the fence, all rows and the offsets.
//!
//! It is for the usual case, in which everything is where the last commit left it: the owner's row, the partitions' rows and the
//! counts of rejected records. Where anything is not, the statement fails, so nothing of it is done, and a transaction in steps
//! does it or says what is wrong. That keeps one place that decides who owns the tables.
//!
//! The statement is a transaction of its own. That ends when Postgres says that it is ready for the next one, which the client
//! waits for: an answer alone is not yet durable.

mod records;
mod statement;

use std::collections::HashMap;

use anyhow::Result;
use dataflows::Model;
use postgres::types::ToSql;
use postgres::{Client, Row, Statement};

pub(super) use self::records::RejectedAtOnce;
use self::statement::{FAILURE, PARTS_FROM, Part, text};
use super::columns::{self, Column};
use super::commit::COPY_ROWS_MIN;
use super::indexed::{self, Indexed};
use super::lease::Owner;
use super::places::Places;
use super::progress_columns::ProgressColumns;
use super::rejected::RejectedTables;
use super::store::SmallCommit;
use super::tid::Tid;
use crate::database::explained;
use crate::notice::Notice;

/// The most bytes of rows and payloads in one: far more than a small commit has.
const BYTES_MAX: usize = 1 << 20;
/// So many statements are kept for a session.
const STATEMENTS_MAX: usize = 32;

/// The statements that a session has prepared, by their parts.
#[derive(Default)]
pub(super) struct AtOnce {
    statements: HashMap<Vec<Part>, Statement>,
}

/// What a statement is about.
pub(super) struct Tables<'a> {
    pub topic: &'a str,
    pub model: &'a Model,
    pub places: &'a mut Places,
}

/// The rows of a part.
struct PartRows<'a> {
    part: Part,
    rows: Vec<Indexed<'a>>,
}

impl AtOnce {
    /// See [`Session::commit_at_once`](super::store::Session::commit_at_once).
    pub fn commit(
        &mut self,
        client: &mut Client,
        tables: Tables<'_>,
        commit: &SmallCommit<'_>,
        rejected: &mut RejectedTables,
    ) -> Result<Option<bool>> {
        let Tables { topic, model, places } = tables;
        let SmallCommit { known, before, after, .. } = commit;
        places.begin(commit.rows.iter().map(|(_, rows)| rows.len()).sum());
        let is_placed = |partition: &i32| before.contains_key(partition) && places.of_partition(*partition).is_some();
        let Some(owner) = places.of_owner().filter(|_| places.is_tracking() && after.keys().all(is_placed)) else {
            return Ok(None);
        };
        let Some(parts) = parts(model, commit, places) else { return Ok(None) };
        let Some(records) = rejected.at_once(topic, commit.rejected) else { return Ok(None) };
        let shape: Vec<_> = parts.iter().map(|rows| rows.part).chain(records.part()).collect();
        let statement = self.statement(client, model, shape)?;

        let notice = Notice::new(topic, before, after).text()?;
        let progress = ProgressColumns::of(&after.values().collect::<Vec<_>>(), before, places);
        let (topic, notice) = (topic, notice.as_str());
        let mut parameters = progress.parameters(&topic, &notice);
        let Owner { fencing_token, instance, commit_number } = known;
        parameters.extend([&owner as &(dyn ToSql + Sync), fencing_token, instance, commit_number]);
        let arrays: Vec<_> = parts.iter().map(|rows| rows.arrays(model, places)).collect();
        for (places, columns) in &arrays {
            parameters.extend(places.as_ref().map(|places| places as &(dyn ToSql + Sync)));
            parameters.extend(columns::parameters(columns));
        }
        let columns = records.columns();
        parameters.extend(columns.iter().flat_map(|columns| columns.parameters()));

        let row = match client.query_one(&statement, &parameters) {
            Err(error) if error.code() == Some(&FAILURE) => return Ok(None),
            answer => explained(answer)?,
        };
        note(&row, &parts, places, &records, rejected);
        Ok(Some(row.get(1)))
    }

    fn statement(&mut self, client: &mut Client, model: &Model, shape: Vec<Part>) -> Result<Statement> {
        if let Some(statement) = self.statements.get(&shape) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        let statement = explained(client.prepare(&text(model, &shape)))?;
        self.statements.insert(shape, statement.clone());
        Ok(statement)
    }
}

/// The rows of a small commit by part; none if it is not one.
fn parts<'a>(model: &Model, commit: &SmallCommit<'a>, places: &Places) -> Option<Vec<PartRows<'a>>> {
    let payloads = commit.rejected.iter().filter_map(|record| record.payload.as_ref()).map(Vec::len).sum::<usize>();
    let (mut parts, mut bytes) = (Vec::new(), payloads);
    for (number, rows) in commit.rows {
        let table = &model.tables[*number];
        if rows.iter().filter(|row| row.is_insert).count() >= COPY_ROWS_MIN {
            return None;
        }
        let sorted = indexed::sorted(model, table, rows);
        bytes += sorted.iter().map(|row| row.bytes).sum::<usize>();
        let (placed, others): (Vec<_>, Vec<_>) =
            sorted.into_iter().partition(|row| !table.values.is_empty() && places.of(row).is_some());
        let kinds = [(Part::Update(*number), placed), (Part::Upsert(*number), others)];
        parts
            .extend(kinds.into_iter().filter(|(_, rows)| !rows.is_empty()).map(|(part, rows)| PartRows { part, rows }));
    }
    (bytes <= BYTES_MAX).then_some(parts)
}

impl PartRows<'_> {
    /// Its parameters: the places of rows, where they are known, and the columns.
    fn arrays(&self, model: &Model, places: &Places) -> (Option<Vec<Option<Tid>>>, Vec<Column<'_>>) {
        let (Part::Update(table) | Part::Upsert(table)) = self.part else { return (None, Vec::new()) };
        let is_placed = matches!(self.part, Part::Update(_));
        let known = is_placed.then(|| self.rows.iter().map(|row| places.of(row)).collect());
        (known, columns::of(model, model.tables[table].columns(), &self.rows))
    }
}

/// Remembers where everything is now.
fn note(
    row: &Row,
    parts: &[PartRows<'_>],
    places: &mut Places,
    records: &RejectedAtOnce<'_>,
    rejected: &mut RejectedTables,
) {
    places.set_owner(row.get(3));
    let (partitions, moved): (Option<Vec<i32>>, Option<Vec<Tid>>) = (row.get(4), row.get(5));
    for (partition, place) in partitions.into_iter().flatten().zip(moved.into_iter().flatten()) {
        places.set_partition(partition, place);
    }
    for (at, part) in (PARTS_FROM..).zip(parts) {
        let placed: Option<Vec<Tid>> = row.get(at);
        for (row, place) in part.rows.iter().zip(placed.into_iter().flatten()) {
            places.set(row, place);
        }
    }
    if records.part().is_some() {
        rejected.placed(records, row.get(PARTS_FROM + parts.len()));
    }
}
