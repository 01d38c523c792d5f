//! The reports on one screen.

use std::time::Duration;

use anyhow::Result;
use comfy_table::Table;
use console::{Term, truncate_str};
use dataflows::model::{Dimension, Shape};

use super::Settings;
use crate::reports::{Cell, NoData, Position, Reader, ReportQuery, ReportRows, Room, Snapshot, parameters};
use crate::terminal::grouped;

/// The board, and what it showed last.
#[derive(Default)]
pub(super) struct Board {
    position: Option<Position>,
    lines: usize,
    /// Lines with the places to look at, and with the history.
    places: String,
    /// Where the tables stood when the live events began.
    begin: Position,
}

/// Reports that fit a screen.
const PANELS_MAX: usize = 6;
/// Small enough that two fit side by side on a screen of 100 columns.
const SMALL: Room = Room { rows: 5, text: 24, bar: 10 };

impl Board {
    /// A board that also shows these lines, and the rate since `begin`.
    pub fn new(places: String, begin: Position) -> Board {
        Board { places, begin, ..Board::default() }
    }

    /// Draws the reports over the last ones, if the tables have changed since.
    pub fn draw(&mut self, reader: &mut Reader, elapsed: Duration, settings: &Settings) -> Result<()> {
        let mut tables = reader.snapshot()?;
        let position = tables.position()?;
        if self.position.replace(position) == Some(position) {
            return Ok(());
        }
        let rate = position.since(self.begin).consumed as f64 / elapsed.as_secs_f64().max(1.0);
        let text = format!(
            "Freshet · {} events/s in, {} wanted · {} read, {} counted, {} ignored, {} rejected · {} s\n{}{}",
            grouped(rate as u64),
            grouped(settings.rate.into()),
            grouped(position.consumed.unsigned_abs()),
            grouped(position.counted.unsigned_abs()),
            grouped(position.ignored.unsigned_abs()),
            grouped(position.rejected.unsigned_abs()),
            elapsed.as_secs(),
            self.places,
            text(&mut tables)?
        );
        let terminal = Term::stdout();
        let (height, width) = terminal.size();
        // Over the old lines, as clearing the screen would flicker; so no line may wrap, and the screen may not scroll.
        terminal.move_cursor_up(self.lines)?;
        let lines = text.lines().count().min(usize::from(height).saturating_sub(1));
        for line in text.lines().take(lines) {
            terminal.clear_line()?;
            terminal.write_line(&truncate_str(line, width.into(), "…"))?;
        }
        if lines < self.lines {
            terminal.clear_to_end_of_screen()?;
        }
        self.lines = lines;
        Ok(())
    }
}

/// The reports, two side by side. One that requires a member shows the first of a ranking; a daily report is left out, as its
/// report of all days is shown.
pub(super) fn text(tables: &mut Snapshot<'_>) -> Result<String> {
    let model = tables.model();
    let mut firsts: Vec<(usize, String)> = Vec::new();
    let mut shown = vec![None; model.reports.len()];
    // The rankings come first, as they supply the members of the others.
    let is_ranking = |place: &usize| model.reports[*place].shape == Shape::Bars;
    let (rankings, others): (Vec<_>, Vec<_>) = (0..model.reports.len()).partition(is_ranking);
    for place in rankings.into_iter().chain(others) {
        let is_part = model.reports.iter().any(|report| report.daily == Some(place));
        let needed = parameters(&model, &model.reports[place]).into_iter().filter(|parameter| parameter.is_needed);
        let first = |dimension| firsts.iter().find(|(field, _)| Dimension::Field(*field) == dimension).cloned();
        let members = needed.map(|parameter| first(parameter.dimension)).collect::<Option<Vec<_>>>();
        let Some(members) = members.filter(|_| !is_part) else { continue };
        let query = ReportQuery { report: place, members, ..ReportQuery::default() };
        let Some(rows) = said(tables, &query)? else { continue };
        firsts.extend(
            (0..model.fields.len()).filter_map(|field| Some((field, first_of(&rows, &model.fields[field].name)?))),
        );
        shown[place] = Some(small(rows, model.reports[place].shape));
    }
    let mut board = Table::new();
    board.load_style(comfy_table::TableStyle::new());
    let shown: Vec<_> = shown.into_iter().flatten().take(PANELS_MAX).collect();
    for pair in shown.chunks(2) {
        board.add_row(pair);
    }
    Ok(board.trim_fmt())
}

/// The answer of a report, if it has any rows yet.
fn said(tables: &mut Snapshot<'_>, query: &ReportQuery) -> Result<Option<ReportRows>> {
    match tables.read(query, None) {
        Err(error) if error.is::<NoData>() => Ok(None),
        other => other.map(Some),
    }
}

/// The text in a column's first row.
fn first_of(rows: &ReportRows, column: &str) -> Option<String> {
    let index = rows.columns.iter().position(|name| name == column)?;
    match rows.rows.first()?.get(index)? {
        Cell::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// A report as a small table. Of hours it shows only the last ones with views, as those change.
fn small(mut answer: ReportRows, shape: Shape) -> String {
    if let Some(hour) = answer.columns.iter().position(|name| name == "hour") {
        answer.rows.retain(|row| row.last() != Some(&Cell::Number(0)));
        if shape == Shape::HeatMap {
            let last = answer.rows.last().map(|row| row[hour].clone());
            answer.rows.retain(|row| Some(&row[hour]) == last.as_ref());
        } else if shape == Shape::Hours {
            answer.rows.drain(..answer.rows.len().saturating_sub(SMALL.rows));
        }
    }
    // The name is enough, and is the value itself if it has none.
    answer.said.extend(answer.named.iter().filter_map(|name| name.checked_sub(1)));
    format!("{}\n{}", answer.title, answer.table(SMALL))
}
