//! The status as a text.

use indicatif::HumanBytes;

use super::{Owner, Partition, Status, Table};
use crate::batch::Totals;
use crate::processes::Process;
use crate::terminal::{grouped, safe, table};

/// Characters of a text.
const TEXT_CHARS_MAX: usize = 100;
/// Characters of an error of Kafka.
const ERROR_CHARS_MAX: usize = 400;

/// The status, for a person.
pub fn text(status: &Status) -> String {
    let topic = safe(&status.topic, TEXT_CHARS_MAX);
    let partitions = partitions(&status.partitions);
    let tables = tables(&status.tables);
    let processes = processes(&status.processes);
    format!("topic: {topic}\nowner: {}\n{}\n{processes}\n{partitions}\n\n{tables}", owner(&status.owner), fresh(status))
}

fn owner(owner: &Owner) -> String {
    let heard = owner.heard_seconds_ago.unwrap_or_default();
    match &owner.instance {
        None => "none; the last one stopped cleanly".into(),
        Some(instance) if owner.is_alive => {
            format!("{}, last heartbeat {heard:.1} s ago", safe(instance, TEXT_CHARS_MAX))
        }
        Some(instance) => {
            format!("{}, which seems to be gone: last heartbeat {heard:.0} s ago", safe(instance, TEXT_CHARS_MAX))
        }
    }
}

fn fresh(status: &Status) -> String {
    let newest = match (status.newest_record, status.newest_record_age_seconds) {
        (Some(newest), Some(age)) => {
            format!("newest record: {}, {age:.1} s ago", newest.format("%Y-%m-%d %H:%M:%S%.3f UTC"))
        }
        _ => "newest record: none yet".into(),
    };
    if let Some(error) = &status.kafka_error {
        return format!("{newest}\nlag: unknown; {}", safe(error, ERROR_CHARS_MAX));
    }
    let lags: Option<Vec<_>> = status.partitions.iter().map(|partition| partition.lag).collect();
    match lags {
        Some(lags) if !lags.is_empty() => format!("{newest}\nlag: {} offsets", number(lags.iter().sum())),
        _ => newest,
    }
}

/// A table of its own, if there are several.
fn processes(processes: &[Process]) -> String {
    if processes.is_empty() {
        return String::new();
    }
    let rows = processes.iter().map(|it| {
        let address = safe(&it.address, TEXT_CHARS_MAX);
        let partitions: Vec<_> = it.partitions.iter().map(i32::to_string).collect();
        vec![it.process.to_string(), address, it.lag.map_or("–".into(), number), partitions.join(" ")]
    });
    format!("\n{}\n", table(&["process", "address", "lag", "partitions"], &rows.collect::<Vec<_>>()))
}

fn partitions(partitions: &[Partition]) -> String {
    let rows = partitions.iter().map(|it| {
        let known = |offset: Option<i64>| offset.map_or("–".into(), number);
        let offsets = [number(it.first_offset), number(it.next_offset), known(it.end), known(it.lag)];
        let partition = std::iter::once(it.partition.to_string());
        partition.chain(offsets).chain(it.totals.values().map(number)).collect()
    });
    let headings = [&["partition", "first offset", "next offset", "end", "lag"][..], &Totals::OUTCOMES].concat();
    table(&headings, &rows.collect::<Vec<_>>())
}

fn tables(tables: &[Table]) -> String {
    let size = |bytes: i64| HumanBytes(bytes.unsigned_abs()).to_string();
    let rows = tables.iter().map(|it| vec![it.table.clone(), number(it.rows), size(it.bytes)]);
    table(&["table", "rows, about", "size"], &rows.collect::<Vec<_>>())
}

fn number(number: i64) -> String {
    grouped(number.unsigned_abs())
}
