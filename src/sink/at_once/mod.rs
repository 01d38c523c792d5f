//! A small commit as one statement, so in one round trip: the fence, all rows and the offsets.
//!
//! It is for the usual case, in which everything is where the last commit left it: the owner's row, the partitions' rows, and
//! those of counts that were written before. Where anything is not, the statement fails, so nothing of it is done, and a
//! transaction in steps does it or reports what is wrong. So a single place decides who owns the tables.
//!
//! The statement is a transaction of its own. That ends when Postgres says that it is ready for the next one, which the client
//! waits for: an answer alone is not yet durable.

mod statement;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use dataflows::Model;
use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Row, Statement};

use self::statement::{OWNER_PART, PROGRESS_PART, Part, is_refused, text};
use super::columns::{self, Column};
use super::commit::COPY_ROWS_MIN;
use super::group::TableRows;
use super::indexed::{self, Indexed};
use super::lease::Owner;
use super::places::Places;
use super::progress_columns::ProgressColumns;
use super::statements;
use super::store::SmallCommit;
use super::tid::Tid;
use crate::database::db_result;
use crate::notify::Notice;

/// The most bytes of rows in one: far more than a small commit has.
const BYTES_MAX: usize = 1 << 20;
/// Statements kept for a session.
const STATEMENTS_MAX: usize = 8;
/// Parts of a statement that may be without rows. There are thousands of combinations of parts, and preparing a
/// statement costs milliseconds: with 12 empty ones, one commit in 13 prepared one, and was late (2026-11-29).
const EMPTY_PARTS_MAX: usize = 48;

/// The statements that a session has prepared, each with its parts.
#[derive(Default)]
pub(super) struct AtOnce {
    prepared: Vec<(Vec<Part>, Statement)>,
}

/// What a statement is about.
pub(super) struct Tables<'a> {
    pub topic: &'a str,
    pub model: &'a Model,
    pub places: &'a mut Places,
}

/// The parameters of a part: whether it has rows, their places, if it goes by them, and the columns.
type Arrays<'a> = (bool, Option<Vec<Option<Tid>>>, Vec<Column<'a>>);

impl AtOnce {
    /// See [`Session::commit_at_once`](super::store::Session::commit_at_once).
    pub fn commit(
        &mut self,
        client: &mut Client,
        tables: Tables<'_>,
        commit: &SmallCommit<'_>,
    ) -> Result<Option<bool>> {
        let Tables { topic, model, places } = tables;
        let SmallCommit { known, rows, before, after } = commit;
        places.begin(rows.iter().map(|(_, rows)| rows.len()).sum());
        let is_placed = |partition: &i32| before.contains_key(partition) && places.of_partition(*partition).is_some();
        let Some(owner) = places.of_owner().filter(|_| places.is_tracking() && after.keys().all(is_placed)) else {
            return Ok(None);
        };
        let Some(mut rows) = by_part(model, rows, places) else { return Ok(None) };
        let at = match self.prepared(client, model, &rows) {
            Err(error) if is_refused(&error) => return Ok(self.refused(&error)),
            at => db_result(at)?,
        };
        let (parts, statement) = &self.prepared[at];
        let rows: Vec<_> = parts.iter().map(|part| rows.remove(part).unwrap_or_default()).collect();

        let notice = Notice::new(topic, before, after).text()?;
        let progress = ProgressColumns::new(&after.values().collect::<Vec<_>>(), before, places);
        let (topic, notice) = (topic, notice.as_str());
        let mut parameters = progress.parameters(&topic, &notice);
        let Owner { fencing_token, instance, commit_number } = known;
        let given = parts.iter().zip(&rows).filter(|(part, _)| part.answers(model)).map(|(_, rows)| rows.len());
        let answers = i64::try_from(1 + after.len() + given.sum::<usize>())?;
        parameters.extend([&owner as &(dyn ToSql + Sync), fencing_token, instance, commit_number, &answers]);
        let arrays: Vec<_> = parts.iter().zip(&rows).map(|(part, rows)| arrays(model, *part, rows, places)).collect();
        for (has_rows, places, columns) in &arrays {
            parameters.push(has_rows);
            parameters.extend(places.as_ref().map(|places| places as &(dyn ToSql + Sync)));
            parameters.extend(columns::parameters(columns));
        }

        let row = match client.query_one(statement, &parameters) {
            Err(error) if is_refused(&error) => return Ok(self.refused(&error)),
            answer => db_result(answer)?,
        };
        note(&row, &rows, places)?;
        Ok(Some(row.get(1)))
    }

    /// Leaves the commit to a transaction in steps. A statement that names a table which is gone would fail the next commits,
    /// too, which may need it no more than this one did.
    fn refused(&mut self, error: &postgres::Error) -> Option<bool> {
        if error.code() == Some(&SqlState::UNDEFINED_TABLE) {
            self.prepared.clear();
        }
        None
    }

    /// The place of a statement that has these parts, and not too many others.
    fn prepared(
        &mut self,
        client: &mut Client,
        model: &Model,
        rows: &BTreeMap<Part, Vec<Indexed<'_>>>,
    ) -> Result<usize, postgres::Error> {
        let is_short = |parts: &[Part]| parts.len() <= rows.len() + EMPTY_PARTS_MAX;
        let fits = |parts: &[Part]| is_short(parts) && rows.keys().all(|part| parts.contains(part));
        let fitting = self.prepared.iter().enumerate().filter(|(_, (parts, _))| fits(parts));
        if let Some((at, _)) = fitting.min_by_key(|(_, (parts, _))| parts.len()) {
            return Ok(at);
        }
        // With the parts of the last one it is likely to fit the next commits, too.
        let last = self.prepared.last().into_iter().flat_map(|(parts, _)| parts);
        let mut parts: Vec<_> = rows.keys().chain(last).copied().collect::<BTreeSet<_>>().into_iter().collect();
        if !is_short(&parts) {
            parts = rows.keys().copied().collect();
        }
        let statement = client.prepare(&text(model, &parts))?;
        if self.prepared.len() == STATEMENTS_MAX {
            self.prepared.remove(0);
        }
        let at = self.prepared.len();
        self.prepared.push((parts, statement));
        Ok(at)
    }
}

/// The rows of a small commit by part; none if it is not one.
fn by_part<'a>(model: &Model, rows: &'a [TableRows], places: &Places) -> Option<BTreeMap<Part, Vec<Indexed<'a>>>> {
    let (mut parts, mut bytes) = (BTreeMap::<_, Vec<_>>::new(), 0);
    for (number, rows) in rows {
        let table = &model.tables[*number];
        if rows.iter().filter(|row| row.is_insert).count() >= COPY_ROWS_MIN {
            return None;
        }
        for row in indexed::sorted(model, table, rows) {
            bytes += row.bytes;
            let is_placed = statements::is_updated(table) && places.get(&row).is_some();
            let part = match row.row.is_insert {
                true => Part::Insert(*number),
                false if is_placed => Part::Update(*number),
                false => Part::Upsert(*number),
            };
            parts.entry(part).or_default().push(row);
        }
    }
    (bytes <= BYTES_MAX).then_some(parts)
}

fn arrays<'a>(model: &Model, part: Part, rows: &'a [Indexed<'a>], places: &Places) -> Arrays<'a> {
    let known = matches!(part, Part::Update(_)).then(|| rows.iter().map(|row| places.get(row)).collect());
    (!rows.is_empty(), known, columns::of_rows(model, model.tables[part.table()].columns(), rows))
}

/// Remembers where everything is now.
fn note(answer: &Row, rows: &[Vec<Indexed<'_>>], places: &mut Places) -> Result<()> {
    let (parts, numbers, now): (Vec<i32>, Vec<Option<i64>>, Vec<Tid>) = (answer.get(2), answer.get(3), answer.get(4));
    let mut next = vec![0; rows.len()];
    for ((part, number), place) in parts.into_iter().zip(numbers).zip(now) {
        match (part, number) {
            (OWNER_PART, _) => places.set_owner(place),
            (PROGRESS_PART, Some(partition)) => places.set_partition(i32::try_from(partition)?, place),
            // Rows without a number come in the order in which they were given.
            _ => {
                let part = usize::try_from(part)?;
                let at = number.map_or(Ok(next[part]), |number| usize::try_from(number - 1))?;
                places.set(&rows[part][at], place);
                next[part] += 1;
            }
        }
    }
    Ok(())
}
