//! Rows turned into columns: arrays that Postgres's `unnest` turns into rows again.

use chrono::{Days, NaiveDate};
use dataflows::{Cell, Day, Kind, Row, Table};
use postgres::types::ToSql;
use sha2::{Digest, Sha256};

/// The day 0 of [`Day`].
pub(super) const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");

/// The length of a text's digest, in bytes: no two texts will ever share one, not even on purpose.
const DIGEST: usize = 16;

/// One column of several rows.
#[derive(Debug)]
pub(super) enum Column {
    Text(Vec<String>),
    LongText(Vec<String>, Vec<Vec<u8>>),
    Date(Vec<NaiveDate>),
    Smallint(Vec<i16>),
    Bigint(Vec<i64>),
}

impl Column {
    fn new(kind: Kind) -> Column {
        match kind {
            Kind::Text => Column::Text(Vec::new()),
            Kind::LongText => Column::LongText(Vec::new(), Vec::new()),
            Kind::Date => Column::Date(Vec::new()),
            Kind::Smallint => Column::Smallint(Vec::new()),
            Kind::Bigint => Column::Bigint(Vec::new()),
        }
    }

    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Column::Text(column), Cell::Text(text)) => column.push(text.into_owned()),
            (Column::LongText(column, digests), Cell::Text(text)) => {
                digests.push(digest(&text).to_vec());
                column.push(text.into_owned());
            }
            (Column::Date(column), Cell::Date(day)) => column.push(date(day)),
            (Column::Smallint(column), Cell::Smallint(number)) => column.push(number),
            (Column::Bigint(column), Cell::Bigint(number)) => column.push(number),
            (column, cell) => unreachable!("a cell {cell:?} in {column:?}: a table's description is wrong"),
        }
    }

    /// The arrays that this column is given to Postgres as.
    fn arrays<'a>(&'a self, give: &mut Vec<&'a (dyn ToSql + Sync)>) {
        match self {
            Column::Text(column) => give.push(column),
            Column::LongText(column, digests) => give.extend([column as &(dyn ToSql + Sync), digests]),
            Column::Date(column) => give.push(column),
            Column::Smallint(column) => give.push(column),
            Column::Bigint(column) => give.push(column),
        }
    }
}

/// What a text that is too long for an index is found by.
pub(super) fn digest(text: &str) -> [u8; DIGEST] {
    let mut digest = [0; DIGEST];
    digest.copy_from_slice(&Sha256::digest(text.as_bytes())[..DIGEST]);
    digest
}

/// These columns of these rows.
pub(super) fn of<'a>(
    table: &Table,
    columns: impl Iterator<Item = &'static dataflows::Column>,
    rows: impl IntoIterator<Item = &'a Row>,
) -> Vec<Column> {
    debug_assert!(!table.key.is_empty());
    let mut columns: Vec<_> = columns.map(|column| Column::new(column.kind)).collect();
    for row in rows {
        let mut column = columns.iter_mut();
        row.cells(|cell| {
            if let Some(column) = column.next() {
                column.push(cell);
            }
        });
    }
    columns
}

/// The columns as parameters of a statement.
pub(super) fn parameters(columns: &[Column]) -> Vec<&(dyn ToSql + Sync)> {
    let mut parameters = Vec::new();
    columns.iter().for_each(|column| column.arrays(&mut parameters));
    parameters
}

fn date(Day(day): Day) -> NaiveDate {
    let distance = Days::new(u64::from(day.unsigned_abs()));
    let date = if day < 0 { EPOCH.checked_sub_days(distance) } else { EPOCH.checked_add_days(distance) };
    // Days of events lie between the years 2000 and 9999.
    date.unwrap_or(NaiveDate::MAX)
}
