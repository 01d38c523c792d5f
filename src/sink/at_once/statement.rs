//! The statement of a small commit.
//!
//! ```sql
//! WITH "the owner" AS (UPDATE freshet_owner SET commit_number = commit_number + 1 WHERE … RETURNING ctid),
//!     "the progress" AS (UPDATE progress … WHERE EXISTS (SELECT FROM "the owner") … RETURNING …),
//!     "part 0" AS (UPDATE … at known places …), "part 1" AS (INSERT … ON CONFLICT …), …
//! SELECT … an error unless all of them found what they were given …
//! ```
//!
//! - No part begins before the owner's row is changed, so locked, because each asks whether it was. If it was not, none does
//!   anything, and the `SELECT` fails.
//! - Postgres locks the tables in the order in which the statement names them, before it begins. So the owner's is first, and a
//!   commit that waits there for a swap of the tables holds nothing else (`rebuild/swap.rs`).
//! - What stands in it beside the tables has names that no table can have.

use dataflows::Model;
use postgres::error::SqlState;

use crate::sink::rejected_statements::{reject, set_at};
use crate::sink::statements::{PROGRESS_PLACE, arrays_of, moved, progress_columns, update_at, upsert};

/// A part of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// Sets rows of the table at this place of the model, at their places.
    Update(usize),
    /// Sets rows of it wherever they are, or adds them.
    Upsert(usize),
    /// Adds rows of rejected records, and sets counts of them at their places.
    Rejected,
}

/// How the statement fails if anything is not where it was: a text that is no number.
pub(super) const FAILURE: SqlState = SqlState::INVALID_TEXT_REPRESENTATION;

/// The first column of the answer that belongs to a part: the places of its rows, in the order in which they were given.
pub(super) const PARTS_FROM: usize = 6;

const OWNER: &str = "EXISTS (SELECT FROM \"the owner\")";

/// The statement. Its parameters are those that move progress, those of the owner's row, and each part's.
pub(super) fn text(model: &Model, parts: &[Part]) -> String {
    // Behind the five that `moved` names itself.
    let owner = 6 + progress_columns().len();
    let [place, token, instance, number] = [owner, owner + 1, owner + 2, owner + 3];
    let mut with = vec![
        format!(
            "\"the owner\" AS (UPDATE freshet_owner SET commit_number = commit_number + 1
             WHERE ctid = ${place} AND generation = ${token} AND instance = ${instance} AND commit_number = ${number}
             RETURNING ctid)"
        ),
        format!("\"the progress\" AS ({})", moved(&format!("{OWNER} AND {PROGRESS_PLACE}"))),
    ];
    let mut right = vec![
        "(SELECT count(*) FROM \"the owner\") = 1".to_owned(),
        "(SELECT count(*) FROM \"the progress\") = cardinality($3)".to_owned(),
    ];
    let mut answers = vec![
        "(SELECT ctid FROM \"the owner\")".to_owned(),
        "(SELECT array_agg(kafka_partition) FROM \"the progress\")".to_owned(),
        "(SELECT array_agg(ctid) FROM \"the progress\")".to_owned(),
    ];
    let mut first = owner + 4;
    for (at, part) in parts.iter().enumerate() {
        let name = format!("\"part {at}\"");
        let is_whole = |array: usize| format!("(SELECT count(*) FROM {name}) = cardinality(${array})");
        let in_order = format!("(SELECT array_agg(ctid ORDER BY \"its number\") FROM {name})");
        match part {
            Part::Update(table) => {
                let table = &model.tables[*table];
                with.push(format!("{name} AS ({})", update_at(table, first, OWNER).unwrap_or_default()));
                right.push(is_whole(first));
                answers.push(in_order);
                first += 1 + arrays_of(table);
            }
            Part::Upsert(table) => {
                let table = &model.tables[*table];
                with.push(format!("{name} AS ({} RETURNING ctid)", upsert(table, first, OWNER)));
                // Of rows that never change only the new ones are given back.
                let is_kept = !table.values.is_empty();
                right.extend(is_kept.then(|| is_whole(first)));
                answers.push(if is_kept {
                    format!("(SELECT array_agg(ctid) FROM {name})")
                } else {
                    "NULL::tid[]".into()
                });
                first += arrays_of(table);
            }
            Part::Rejected => {
                with.push(format!("\"the records\" AS ({})", reject(first, OWNER)));
                with.push(format!("{name} AS ({})", set_at(first + 4, OWNER)));
                right.push(is_whole(first + 4));
                answers.push(in_order);
                first += 9;
            }
        }
    }
    with.push("\"the room\" AS (SELECT pg_notification_queue_usage() < 0.9 AS is_there)".to_owned());
    format!(
        "WITH {} SELECT (CASE WHEN {} THEN '0' ELSE 'freshet: not where this process left it' END)::int, is_there,
         CASE WHEN is_there THEN
             pg_notify('freshet', (jsonb_build_object('schema', current_schema()) || $2::text::jsonb)::text) END,
         {} FROM \"the room\"",
        with.join(",\n"),
        right.join("\nAND "),
        answers.join(",\n")
    )
}
