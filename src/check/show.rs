//! Findings as tables for a person.

use super::Findings;
use crate::terminal::{grouped, safe, table};

/// Characters of a name that are shown, and the number of collections and countries.
const NAME_CHARS_MAX: usize = 60;
const NAMES_SHOWN_MAX: usize = 15;
/// Members that are shown, the share of events that must have one, and the characters of an example.
const MEMBERS_MAX: usize = 100;
const EVENTS_SHARE_MIN: f64 = 0.005;
const EXAMPLE_CHARS_MAX: usize = 32;

/// The findings as text, without a final line end.
pub fn tables(findings: &Findings) -> String {
    let topic = safe(&findings.topic, NAME_CHARS_MAX);
    if findings.looked_at == 0 {
        let partitions = findings.partitions.len();
        return format!("topic '{topic}' has {partitions} partitions and no record that can be read");
    }
    let looked_at = format!(
        "Looked at {} of at most {} records of topic '{topic}', spread over its partitions and from the oldest to the newest.",
        grouped(findings.looked_at),
        grouped(findings.offsets)
    );
    let mut sections = vec![looked_at, outcomes(findings), reasons(findings), collections(findings)];
    sections.extend([members(findings), models(findings)]);
    sections.extend([days(findings), countries(findings), rows(findings), sizes(findings), partitions(findings)]);
    sections.extend(findings.hints.iter().map(|hint| format!("Hint: {}", safe(hint, 300))));
    sections.retain(|section| !section.is_empty());
    sections.join("\n\n")
}

fn outcomes(findings: &Findings) -> String {
    let rows = findings.outcomes.iter().map(|it| vec![it.outcome.to_owned(), grouped(it.records), percent(it.share)]);
    let title = format!("What would become of them, with --views {}", safe(&findings.views, NAME_CHARS_MAX));
    titled(&title, &["outcome", "records", "share"], rows.collect())
}

fn reasons(findings: &Findings) -> String {
    let rows = findings.reasons.iter().map(|it| {
        let example = format!("partition {}, offset {}", it.partition, it.offset);
        vec![safe(&it.reason, 2 * NAME_CHARS_MAX), grouped(it.records), percent(it.share), example]
    });
    titled("Why records would be rejected", &["reason", "records", "share", "for example"], rows.collect())
}

fn collections(findings: &Findings) -> String {
    let rows = findings.collections.iter().take(NAMES_SHOWN_MAX).map(|it| {
        let is_view = if it.is_view { "yes" } else { "no" };
        vec![name(&it.collection), grouped(it.records), percent(it.share), is_view.to_owned(), grouped(it.countable)]
    });
    let title = format!("Collections{}", first_of(findings.collections.len()));
    titled(&title, &["collection", "records", "share", "among --views", "countable"], rows.collect())
}

/// A name; in quotes where white space around it would not be seen.
fn name(name: &str) -> String {
    let shown = safe(name, NAME_CHARS_MAX);
    if name.trim() == name { shown } else { format!("'{shown}'") }
}

fn members(findings: &Findings) -> String {
    let row = |it: &super::findings::Member| {
        let examples: Vec<_> = it.examples.iter().map(|example| safe(example, EXAMPLE_CHARS_MAX)).collect();
        vec![safe(&it.member, NAME_CHARS_MAX), percent(it.share), it.types.join(", "), examples.join(" · ")]
    };
    let shown: Vec<_> =
        findings.members.iter().filter(|it| it.share >= EVENTS_SHARE_MIN).take(MEMBERS_MAX).map(row).collect();
    let more = findings.members.len() - shown.len();
    let more = if more == 0 { String::new() } else { format!(" (without {more} rare ones: --format json has them)") };
    titled(&format!("Members{more}"), &["member", "share", "types", "for example"], shown)
}

fn models(findings: &Findings) -> String {
    let fitting = findings.models.iter().filter(|it| it.counted > 0);
    let rows = fitting.map(|it| vec![it.model.clone(), grouped(it.counted), percent(it.share)]);
    let tried = findings.models.first().map_or(0, |it| it.tried);
    let title = format!("What the built-in models would count of {} records: --reports MODEL", grouped(tried));
    titled(&title, &["model", "records", "share"], rows.collect())
}

fn days(findings: &Findings) -> String {
    let Some(days) = &findings.days else { return String::new() };
    let largest = format!("{} with {} views", days.largest, grouped(days.largest_views.cast_unsigned()));
    format!("Days of the counted: {} from {} to {}; the largest is {largest}.", days.days, days.first, days.last)
}

fn countries(findings: &Findings) -> String {
    let row =
        |it: &super::findings::Country| vec![it.country.clone(), grouped(it.views.cast_unsigned()), percent(it.share)];
    let title = format!("Countries of the counted{}", first_of(findings.countries.len()));
    titled(&title, &["country", "views", "share"], findings.countries.iter().take(NAMES_SHOWN_MAX).map(row).collect())
}

fn rows(findings: &Findings) -> String {
    let rows = findings.tables.iter().map(|it| vec![it.table.clone(), grouped(it.rows)]);
    titled("Rows that these records alone would make", &["table", "rows"], rows.collect())
}

fn sizes(findings: &Findings) -> String {
    let Some(sizes) = findings.bytes else { return String::new() };
    let [median, p99, max] = [sizes.median, sizes.p99, sizes.max].map(|bytes| grouped(bytes as u64));
    format!("Bytes of a value: {median} in the middle, {p99} at 99 %, {max} at most.")
}

fn partitions(findings: &Findings) -> String {
    let row = |it: &super::findings::Partition| {
        let offsets = [it.first_offset, it.next_offset].map(|offset| offset.to_string());
        let [first, next] = offsets;
        vec![it.partition.to_string(), first, next, grouped(it.offsets), grouped(it.looked_at)]
    };
    let headings = ["partition", "first offset", "next offset", "records at most", "looked at"];
    titled("Partitions", &headings, findings.partitions.iter().map(row).collect())
}

/// A table under its title; nothing if it has no rows.
fn titled(title: &str, headings: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() { String::new() } else { format!("{title}\n{}", table(headings, &rows)) }
}

fn first_of(number: usize) -> String {
    if number > NAMES_SHOWN_MAX {
        format!(" (the first {NAMES_SHOWN_MAX} of {})", grouped(number as u64))
    } else {
        String::new()
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
