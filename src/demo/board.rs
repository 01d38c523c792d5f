//! The six reports on one screen.

use std::time::Duration;

use anyhow::Result;
use comfy_table::Table;
use console::{Term, truncate_str};

use super::Settings;
use crate::reports::{Answer, Cell, Nothing, Position, Query, Reader, Shape, Snapshot};
use crate::terminal::grouped;

/// What is shown, and what was shown last.
#[derive(Default)]
pub(super) struct Board {
    position: Option<Position>,
    lines: usize,
    /// Lines that say where else to look, and what came before.
    places: String,
    /// Where the tables stood when the live events began.
    begin: Position,
}

/// Small enough that two stand side by side on a screen of 100 letters.
const SMALL: Shape = Shape { rows: 5, text: 24, bar: 10 };

impl Board {
    /// A board that also says where else to look, and tells the rate since `begin`.
    pub fn of(places: String, begin: Position) -> Board {
        Board { places, begin, ..Board::default() }
    }

    /// Draws the reports over the last ones, if the tables have moved since.
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
        // Over the old lines instead of a cleared screen, which would flicker; so no line may wrap, nor the screen scroll.
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

/// The six reports, two side by side.
pub(super) fn text(tables: &mut Snapshot<'_>) -> Result<String> {
    let products = said(tables, &Query::TopProducts { day: None })?;
    let countries = said(tables, &Query::TopCountries)?;
    let mut answers =
        vec![said(tables, &Query::TopReferrers { day: None })?, said(tables, &Query::BrowserOsHours { day: None })?];
    // The stores of the first country, and the hours of the first product.
    if let Some(country) = first(countries.as_ref(), "country") {
        answers.push(said(tables, &Query::StoreViews { country })?);
    }
    if let Some(product) = first(products.as_ref(), "product_id") {
        answers.push(said(tables, &Query::ProductHours { product, day: None })?);
    }
    let mut board = Table::new();
    board.load_style(comfy_table::TableStyle::new());
    let shown: Vec<_> = [products, countries].into_iter().chain(answers).flatten().map(small).collect();
    for pair in shown.chunks(2) {
        board.add_row(pair);
    }
    Ok(board.trim_fmt())
}

/// What a report says, if it says anything yet.
fn said(tables: &mut Snapshot<'_>, query: &Query) -> Result<Option<Answer>> {
    match tables.read(query, None) {
        Err(error) if error.is::<Nothing>() => Ok(None),
        other => other.map(Some),
    }
}

/// What a column's first row holds.
fn first(answer: Option<&Answer>, column: &str) -> Option<String> {
    let answer = answer?;
    let index = answer.columns.iter().position(|name| name == column)?;
    match answer.rows.first()?.get(index)? {
        Cell::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// Of a report by hours only the last ones that have any views are shown: those move.
fn small(mut answer: Answer) -> String {
    // A product's name says enough, and is its id where it has none.
    if let Some(id) = answer.columns.iter().position(|column| column == "product_id") {
        answer.columns.remove(id);
        answer.rows.iter_mut().for_each(|row| drop(row.remove(id)));
    }
    let column = |name: &str| answer.columns.iter().position(|column| column == name);
    let (hour, browser) = (column("hour"), column("browser"));
    if let Some(hour) = hour {
        answer.rows.retain(|row| row.last() != Some(&Cell::Number(0)));
        if browser.is_some() {
            let last = answer.rows.last().map(|row| row[hour].clone());
            answer.rows.retain(|row| Some(&row[hour]) == last.as_ref());
        } else {
            answer.rows.drain(..answer.rows.len().saturating_sub(SMALL.rows));
        }
    }
    format!("{}\n{}", answer.title, answer.table(SMALL))
}
