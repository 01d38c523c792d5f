//! Answers as text.

use std::borrow::Cow;

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Cell, ReportRows};
use crate::terminal;

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table with bars, for a person
    Table,
    /// Comma-separated values with a line of headings
    Csv,
    /// A JSON array of objects
    Json,
    /// A picture that stays sharp at any size
    Svg,
    /// A picture of dots; not for a terminal
    Png,
}

/// How a CSV shows a text that a spreadsheet would take for a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvCells {
    /// As it is, for programs.
    Raw,
    /// With an apostrophe before it, which spreadsheets do not show.
    Safe,
}

impl CsvCells {
    fn shown(self, cell: &Cell) -> Cow<'_, Cell> {
        match cell {
            Cell::Text(text) if self == CsvCells::Safe && text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
                Cow::Owned(Cell::Text(format!("'{text}")))
            }
            cell => Cow::Borrowed(cell),
        }
    }
}

/// The size of a table.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Rows at most.
    pub rows: usize,
    /// Characters of a text.
    pub text: usize,
    /// Characters of the longest bar.
    pub bar: usize,
}

impl Default for Room {
    fn default() -> Self {
        Room { rows: usize::MAX, text: 60, bar: 30 }
    }
}

/// A row as a map from its columns' names, in their order.
pub struct Record<'a>(&'a [String], &'a [Cell]);

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (column, cell) in self.0.iter().zip(self.1) {
            map.serialize_entry(column, cell)?;
        }
        map.end()
    }
}

impl ReportRows {
    /// The rows, each with its columns' names.
    pub fn records(&self) -> Vec<Record<'_>> {
        self.rows.iter().map(|row| Record(&self.columns, row)).collect()
    }

    /// The answer as text in this format; PNG is none. CSV and JSON have whole texts of events, JSON with escaped control
    /// characters; a table and a picture show them cut and escaped.
    pub fn text(&self, format: Format, cells: CsvCells) -> Result<String> {
        match format {
            Format::Table => Ok(format!("{}\n{}", self.title, self.table(Room::default()))),
            Format::Csv => Ok(self.csv(cells)?.trim_end_matches('\n').to_owned()),
            Format::Json => Ok(terminal::safe_json(&serde_json::to_string_pretty(&self.records())?)),
            Format::Svg => Ok(self.svg()),
            Format::Png => bail!("a PNG is no text"),
        }
    }

    /// The answer as comma-separated values with a line of headings.
    pub fn csv(&self, cells: CsvCells) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.columns)?;
        for row in &self.rows {
            writer.serialize(row.iter().map(|cell| cells.shown(cell)).collect::<Vec<_>>())?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }

    /// The answer as a table with bars, without columns that the title covers already.
    pub fn table(&self, room: Room) -> String {
        let most = self.rows.iter().map(|row| self.views(row)).max().unwrap_or_default();
        let shown: Vec<_> = self.shown().collect();
        let headings: Vec<_> = shown.iter().map(|index| self.columns[*index].as_str()).chain([""]).collect();
        let rows = self.rows.iter().take(room.rows).map(|row| {
            let cells = shown.iter().map(|index| match &row[*index] {
                Cell::Text(text) => terminal::safe(text, room.text),
                Cell::Number(number) => terminal::grouped(number.unsigned_abs()),
                Cell::Day(day) => day.to_string(),
                Cell::Percent(percent) => format!("{percent:.1} %"),
                Cell::Unknown => String::new(),
            });
            cells.chain([terminal::bar(self.views(row), most, room.bar)]).collect()
        });
        terminal::table(&headings, &rows.collect::<Vec<_>>())
    }

    /// The columns that the title does not cover already.
    pub(super) fn shown(&self) -> impl Iterator<Item = usize> {
        (0..self.columns.len()).filter(|index| !self.said.contains(index))
    }

    /// Where a column of this name is.
    pub(super) fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().rposition(|name| name == column)
    }

    /// The views of one of the rows.
    pub(super) fn views(&self, row: &[Cell]) -> u64 {
        match self.place("views").and_then(|place| row.get(place)) {
            Some(Cell::Number(views)) => views.unsigned_abs(),
            _ => 0,
        }
    }
}
