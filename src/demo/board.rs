//! The six reports on one screen.

use std::time::Duration;

use anyhow::Result;
use comfy_table::Table;
use console::{Term, truncate_str};

use super::Settings;
use crate::reports::{Answer, Cell, Position, Query, Reader, Shape};
use crate::terminal::grouped;

/// What is shown, and what was shown last.
#[derive(Default)]
pub(super) struct Board {
    position: Option<Position>,
    lines: usize,
}

/// Small enough that two stand side by side on a screen of 100 letters.
const SMALL: Shape = Shape { rows: 5, text: 24, bar: 10 };

impl Board {
    /// Draws the reports over the last ones, if the tables have moved since.
    pub fn draw(&mut self, reader: &mut Reader, elapsed: Duration, settings: &Settings) -> Result<()> {
        let position = reader.position()?;
        if self.position.replace(position) == Some(position) {
            return Ok(());
        }
        let rate = position.consumed as f64 / elapsed.as_secs_f64().max(1.0);
        let text = format!(
            "Freshet · {} events/s in, {} wanted · {} read, {} counted, {} ignored, {} rejected · {} s\n{}",
            grouped(rate as u64),
            grouped(settings.rate.into()),
            grouped(position.consumed.unsigned_abs()),
            grouped(position.counted.unsigned_abs()),
            grouped(position.ignored.unsigned_abs()),
            grouped(position.rejected.unsigned_abs()),
            elapsed.as_secs(),
            self.text(reader)?
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

    /// The six reports, two side by side, all as of one moment.
    pub fn text(&self, reader: &mut Reader) -> Result<String> {
        let tops = [
            Query::TopProducts { day: None },
            Query::TopCountries,
            Query::TopReferrers { day: None },
            Query::BrowserOsHours { day: None },
        ];
        let (_, mut answers) = reader.read_all(&tops)?;
        // A store report of the first country, and the hours of the first product.
        let first = |answer: &Option<Answer>, column: &str| {
            let answer = answer.as_ref()?;
            let index = answer.columns.iter().position(|name| name == column)?;
            match answer.rows.first()?.get(index)? {
                Cell::Text(text) => Some(text.clone()),
                _ => None,
            }
        };
        let details = [
            first(&answers[1], "country").map(|country| Query::StoreViews { country }),
            first(&answers[0], "product_id").map(|product| Query::ProductHours { product, day: None }),
        ];
        let details: Vec<_> = details.into_iter().flatten().collect();
        answers.extend(reader.read_all(&details)?.1);
        answers.iter_mut().flatten().for_each(shorten);
        let mut board = Table::new();
        board.load_style(comfy_table::TableStyle::new());
        let shown: Vec<_> = answers.iter().flatten().map(small).collect();
        for pair in shown.chunks(2) {
            board.add_row(pair);
        }
        Ok(board.trim_fmt())
    }
}

/// Of a report by hours the board shows the last ones that have any views: those move.
fn shorten(answer: &mut Answer) {
    let Some(hour) = answer.columns.iter().position(|column| column == "hour") else { return };
    answer.rows.retain(|row| row.last() != Some(&Cell::Number(0)));
    let last = answer.rows.iter().filter_map(|row| if let Cell::Number(hour) = row[hour] { Some(hour) } else { None });
    if answer.columns.iter().any(|column| column == "browser") {
        let last = last.max();
        answer.rows.retain(|row| last.is_some_and(|last| row[hour] == Cell::Number(last)));
    }
    let surplus = answer.rows.len().saturating_sub(SMALL.rows);
    if !answer.columns.iter().any(|column| column == "browser") {
        answer.rows.drain(..surplus);
    }
}

fn small(answer: &Answer) -> String {
    format!("{}\n{}", answer.title, answer.table(SMALL))
}
