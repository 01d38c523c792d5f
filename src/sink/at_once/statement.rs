//! The statement of a small commit.
//!
//! ```sql
//! WITH "the owner" AS (UPDATE freshet_owner SET commit_number = commit_number + 1 WHERE … RETURNING ctid),
//!     "the progress" AS (UPDATE progress … WHERE EXISTS (SELECT FROM "the owner") … RETURNING …),
//!     "part 0" AS (UPDATE … at known places …), "part 1" AS (INSERT … ON CONFLICT …), …
//! SELECT … an error unless as many rows are changed as were given …
//! ```
//!
//! - No part begins before the owner's row is changed, so locked, because each asks whether it was. If it was not, none does
//!   anything, and the `SELECT` fails. The owner's row is compared as it is then: an update that waited for another
//!   transaction looks at what that one has left.
//! - Each part changes a given row once at most, so their sum tells whether any was not found.
//! - Postgres locks the tables in the order in which the statement names them, before it begins. So the owner's is first, and a
//!   commit that waits there for a swap of the tables holds nothing else (`rebuild/swap.rs`).
//! - What stands in it beside the tables has names that no table can have.

use dataflows::Model;
use postgres::error::SqlState;

use crate::notify::{HAS_ROOM, TELL};
use crate::sink::statements::{
    PROGRESS_PLACE, arrays_of, insert, is_updated, moved, progress_columns, update_at, upsert,
};

/// A part of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Sets rows of the table at this place of the model, at their places.
    Update(usize),
    /// Adds rows to it, which it does not have.
    Insert(usize),
    /// Sets rows of it wherever they are, or adds them.
    Upsert(usize),
}

impl Part {
    /// The place of its table in the model.
    pub fn table(self) -> usize {
        let (Part::Update(table) | Part::Insert(table) | Part::Upsert(table)) = self;
        table
    }

    /// Whether it returns the place of each of its rows; of rows that never change only the new ones are returned.
    pub fn answers(self, model: &Model) -> bool {
        is_updated(&model.tables[self.table()])
    }
}

/// How the statement fails if anything is not where it was: a text that is no number, a row that is there already, or a table
/// that is gone, which perhaps only a part without rows names.
const FAILURES: [SqlState; 3] =
    [SqlState::INVALID_TEXT_REPRESENTATION, SqlState::UNIQUE_VIOLATION, SqlState::UNDEFINED_TABLE];

/// Whether a statement failed like this, so that a transaction in steps can tell what is wrong, or succeed.
pub(super) fn is_refused(error: &postgres::Error) -> bool {
    error.code().is_some_and(|code| FAILURES.contains(code))
}

/// What the answer has for the owner's row and for those of partitions, where others have the number of their part.
pub(super) const OWNER_PART: i32 = -2;
pub(super) const PROGRESS_PART: i32 = -1;

const OWNER: &str = "EXISTS (SELECT FROM \"the owner\")";

/// The statement. Its parameters are those that move progress, those of the owner's row, how many rows it must change, and each
/// part's: whether it has rows, and their arrays. It answers with a number, whether listeners are notified, and for each row its
/// part, its number in that and its place.
pub(super) fn text(model: &Model, parts: &[Part]) -> String {
    // Behind the five that `moved` names itself.
    let owner = 6 + progress_columns().len();
    let [place, token, instance, number, all] = [0, 1, 2, 3, 4].map(|at| owner + at);
    let mut with = vec![
        format!(
            "\"the owner\" AS (UPDATE freshet_owner SET commit_number = commit_number + 1
             WHERE ctid = ${place} AND generation = ${token} AND instance = ${instance} AND commit_number = ${number}
             RETURNING ctid)"
        ),
        format!("\"the progress\" AS ({})", moved(&format!("{OWNER} AND {PROGRESS_PLACE}"))),
    ];
    let mut rows = vec![
        format!("SELECT {OWNER_PART}, NULL::bigint, ctid FROM \"the owner\""),
        format!("SELECT {PROGRESS_PART}, kafka_partition, ctid FROM \"the progress\""),
    ];
    let mut first = owner + 5;
    for (at, part) in parts.iter().enumerate() {
        let table = &model.tables[part.table()];
        // A part without rows then costs Postgres hardly more than its place in the plan.
        let (condition, arrays) = (format!("${first} AND {OWNER}"), arrays_of(table));
        first += 1;
        let (change, number, arrays) = match part {
            Part::Update(_) => (update_at(table, first, &condition), "\"its number\"", 1 + arrays),
            Part::Insert(_) => (format!("{} RETURNING ctid", insert(table, first, &condition)), "NULL", arrays),
            Part::Upsert(_) => (format!("{} RETURNING ctid", upsert(table, first, &condition)), "NULL", arrays),
        };
        first += arrays;
        with.push(format!("\"part {at}\" AS ({change})"));
        rows.extend(part.answers(model).then(|| format!("SELECT {at}, {number}, ctid FROM \"part {at}\"")));
    }
    format!(
        "WITH {},
         \"the room\" AS ({HAS_ROOM}),
         \"the rows\" (part, number, place) AS ({})
         SELECT (CASE WHEN found = ${all} THEN '0' ELSE 'freshet: not where this process left it' END)::int,
             is_there, parts, numbers, places, {TELL}
         FROM (SELECT count(*) AS found, array_agg(part) AS parts, array_agg(number) AS numbers, array_agg(place) AS places
             FROM \"the rows\") AS \"the answer\", \"the room\"",
        with.join(",\n"),
        rows.join("\nUNION ALL "),
    )
}
