//! The chart of an answer.

use std::collections::BTreeMap;

use crate::reports::{Cell, NUMBERS, ReportRows};
use crate::terminal;

/// Characters of a label.
const LABEL_CHARS_MAX: usize = 42;
/// Lines of a chart, the last of which sums up the rest.
const LINES_MAX: usize = 15;
/// Bars of a chart: nobody reads more, and a picture of many more would not fit into memory.
const BARS_MAX: usize = 200;

/// Views in each hour of a day.
pub(super) type Hours = [u64; 24];

/// What can be drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Chart {
    /// A bar for each label, in the order of the answer.
    Bars(Vec<(Label, u64)>),
    /// A column for each hour.
    Columns(Hours),
    /// A line of hours for each label, those with the most views first; the last line sums up the rest.
    Lines(Vec<(Label, Hours)>),
}

/// The label of a bar.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label {
    /// As much of it as there is room for.
    pub short: String,
    /// All of it, as text.
    pub whole: String,
}

impl Chart {
    pub fn new(answer: &ReportRows) -> Chart {
        let is_number = |name: &str| name == "rank" || name == "hour" || NUMBERS.contains(&name);
        let is_label = |index: &usize| !is_number(&answer.columns[*index]);
        let labels: Vec<_> = answer.shown().filter(is_label).collect();
        // A value without a name has its id in both columns; once is enough.
        let repeats = |row: &[Cell], index: usize| {
            answer.named.contains(&index)
                && (row[index] == Cell::Unknown || index.checked_sub(1).is_some_and(|before| row[before] == row[index]))
        };
        let label =
            |row: &[Cell]| Label::new(labels.iter().filter(|index| !repeats(row, **index)).map(|index| &row[*index]));
        let Some(hour) = answer.columns.iter().position(|column| column == "hour") else {
            return Chart::Bars(longest(&answer.rows, label, |row| answer.views(row)));
        };
        let mut lines: BTreeMap<Label, Hours> = BTreeMap::new();
        for row in &answer.rows {
            let hours = lines.entry(label(row)).or_default();
            if let Cell::Number(hour) = row[hour]
                && let Some(views) = usize::try_from(hour).ok().and_then(|hour| hours.get_mut(hour))
            {
                *views += answer.views(row);
            }
        }
        if labels.is_empty() {
            Chart::Columns(lines.into_values().next().unwrap_or_default())
        } else {
            Chart::Lines(most(lines))
        }
    }
}

impl Label {
    fn others(count: usize) -> Label {
        let name = format!("{count} others");
        Label { short: name.clone(), whole: name }
    }

    fn new<'a>(cells: impl Iterator<Item = &'a Cell>) -> Label {
        let texts = cells.map(|cell| match cell {
            Cell::Text(text) => terminal::safe(text, usize::MAX),
            Cell::Number(number) => number.to_string(),
            Cell::Day(day) => day.to_string(),
            Cell::Percent(_) | Cell::Unknown => String::new(),
        });
        let whole = texts.collect::<Vec<_>>().join(" · ");
        let mut short: String = whole.chars().take(LABEL_CHARS_MAX).collect();
        if short.len() < whole.len() {
            short.push('…');
        }
        Label { short, whole }
    }
}

/// A bar for each row; if there are too many, the last one sums up the rest.
fn longest(rows: &[Vec<Cell>], label: impl Fn(&[Cell]) -> Label, views: impl Fn(&[Cell]) -> u64) -> Vec<(Label, u64)> {
    let bar = |row: &Vec<Cell>| (label(row), views(row));
    if rows.len() <= BARS_MAX {
        return rows.iter().map(bar).collect();
    }
    let (first, rest) = rows.split_at(BARS_MAX - 1);
    let together = (Label::others(rest.len()), rest.iter().map(|row| views(row)).sum());
    first.iter().map(bar).chain([together]).collect()
}

/// The lines with the most views, and the sum of the rest.
fn most(lines: BTreeMap<Label, Hours>) -> Vec<(Label, Hours)> {
    let mut lines: Vec<_> = lines.into_iter().collect();
    // A stable sort, so that ties stay in the order of their labels.
    lines.sort_by_key(|(_, hours)| std::cmp::Reverse(hours.iter().sum::<u64>()));
    if lines.len() > LINES_MAX {
        let rest = lines.split_off(LINES_MAX - 1);
        let mut together = [0; 24];
        for (_, hours) in &rest {
            together.iter_mut().zip(hours).for_each(|(sum, views)| *sum += views);
        }
        lines.push((Label::others(rest.len()), together));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: usize) -> (Label, Hours) {
        let name = format!("{name:02}");
        (Label { short: name.clone(), whole: name }, [1; 24])
    }

    #[test]
    fn values_beyond_the_lines_are_not_lost() {
        assert_eq!(most((0..LINES_MAX).map(line).collect()).len(), LINES_MAX);
        let lines = most((0..20).map(line).collect());
        assert_eq!(lines.len(), LINES_MAX);
        assert_eq!((lines[0].0.short.as_str(), lines[14].0.short.as_str(), lines[14].1), ("00", "6 others", [6; 24]));
    }

    #[test]
    fn a_picture_has_two_hundred_bars_at_most() {
        let bars = |count| longest(&vec![vec![Cell::Number(2)]; count], |_| line(0).0, |_| 2);
        assert_eq!(bars(200).len(), 200);
        let many = bars(300_000);
        assert_eq!((many.len(), many[199].0.short.as_str(), many[199].1), (200, "299801 others", 2 * 299_801));
    }
}
