//! A verdict as text.

use super::Verdict;
use super::ledger::Partition;
use crate::batch::Totals;
use crate::terminal::{grouped, table};

/// All of it. Without an end of line.
pub fn text(verdict: &Verdict) -> String {
    let mut sections = vec![tables(verdict), partitions(verdict)];
    for table in verdict.tables.iter().filter(|table| table.differing > 0) {
        let more = table.differing - table.shown.len();
        let more = if more > 0 { format!("\n  and {} more", grouped(more as u64)) } else { String::new() };
        sections.push(format!("{} differs:\n  {}{more}", table.name, table.shown.join("\n  ")));
    }
    for line in verdict.partitions.iter().filter(|line| !line.differences.is_empty()) {
        let differences = line.differences.join("\n  ");
        sections.push(format!("progress of partition {} differs:\n  {differences}", line.partition));
    }
    sections.extend(verdict.unchecked.iter().map(|what| format!("Not checked: {what}.")));
    sections.join("\n\n")
}

fn tables(verdict: &Verdict) -> String {
    let row = |name: &str, rows: usize, differing: usize| {
        vec![name.to_owned(), grouped(rows as u64), grouped(differing as u64)]
    };
    let mut rows: Vec<_> = verdict.tables.iter().map(|table| row(&table.name, table.rows, table.differing)).collect();
    let wrong = verdict.partitions.iter().filter(|line| !line.differences.is_empty()).count();
    rows.push(row("progress", verdict.partitions.len(), wrong));
    table(&["table", "rows", "differing"], &rows)
}

fn partitions(verdict: &Verdict) -> String {
    let row = |line: &super::compare::Line| {
        let Partition { first_offset, next_offset, consumed, stored, recounted, .. } = &line.stored;
        let offsets = [i64::from(line.partition), *first_offset, *next_offset, *consumed];
        let numbers = offsets.into_iter().chain(stored.values()).chain([recounted.consumed()]);
        let agrees = if line.differences.is_empty() { "yes" } else { "no" };
        numbers.map(|number| number.to_string()).chain([agrees.into()]).collect()
    };
    let rows: Vec<_> = verdict.partitions.iter().map(row).collect();
    let begin = ["partition", "first offset", "next offset", "consumed"];
    let headings = [&begin[..], &Totals::OUTCOMES, &["recounted", "agrees"]].concat();
    table(&headings, &rows)
}
