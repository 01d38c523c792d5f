//! The report as tables: for a person on a terminal, else as Markdown.

use std::io::{IsTerminal, Write, stdout};

use anyhow::Result;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::report::{CatchUp, Described, Epochs, Freshness, Report, Restart, Spread, Summary};
use super::workers::Workers;

/// Prints it on standard output.
pub fn print(report: &Report) -> Result<()> {
    let mut out = stdout().lock();
    describe(&mut out, &report.described)?;
    if let Some(catch_up) = &report.catch_up {
        let runs = report.described.settings.runs;
        writeln!(
            out,
            "\nCatching up with {} records. Median of {runs} runs, least and most in brackets. A record costs CPU of \
             the process (user's and system's) and of Postgres; the drain polls rdkafka for one record after the other \
             and does nothing with them.\n",
            catch_up.records
        )?;
        writeln!(out, "{}", caught_up(catch_up))?;
    }
    if let Some(first) = report.freshness.first() {
        writeln!(
            out,
            "\nFreshness with --views {}, --workers {}: from a record's Kafka timestamp to its being seen in Postgres. CPU \
             in percent of a core.\n",
            first.views, first.workers
        )?;
        writeln!(out, "{}", fresh(&report.freshness))?;
    }
    if let Some(first) = report.restarts.first() {
        writeln!(
            out,
            "\nRestart with {} counts, --workers {}: until the first record is committed, and the memory of the process.\n",
            first.counts, first.workers
        )?;
        writeln!(out, "{}", restarted(&report.restarts))?;
    }
    if let Some(first) = report.epochs.first() {
        writeln!(
            out,
            "\nEpochs with --workers {}: {} products viewed once each, of so many that the day has. CPU for one epoch, over {}.\n",
            first.workers, first.changed, first.epochs
        )?;
        writeln!(out, "{}", changed(&report.epochs))?;
    }
    Ok(())
}

fn describe(out: &mut impl Write, described: &Described) -> Result<()> {
    let Described { date, machine, versions, settings } = described;
    let memory = machine.memory_bytes.map_or(String::new(), |bytes| format!(", {} GiB", bytes >> 30));
    writeln!(out, "- date: {date}")?;
    let load = machine.load_before.map_or(String::new(), |load| format!(", load {load} before"));
    writeln!(out, "- machine: {}, {} cores{memory}, {}{load}", machine.processor, machine.cores, machine.system)?;
    writeln!(out, "- freshet {}, profile {}, librdkafka {}", versions.freshet, versions.profile, versions.librdkafka)?;
    writeln!(out, "- broker: {}", versions.broker)?;
    writeln!(out, "- Postgres {}", versions.postgres)?;
    write!(out, "- {} partitions, {}, seed {}", settings.partitions, settings.compression, settings.seed)?;
    if settings.hot > 0.0 {
        write!(out, ", {} % of the records one event", settings.hot * 100.0)?;
    }
    write!(out, ", tick {}", settings.tick.as_deref().unwrap_or("as by default"))?;
    for (name, value) in [("dedup", &settings.dedup), ("retain", &settings.retain)] {
        if let Some(value) = value {
            write!(out, ", {name} {value}")?;
        }
    }
    if !settings.properties.is_empty() {
        write!(out, ", with {}", settings.properties.join(", "))?;
    }
    writeln!(out)?;
    let against = settings.against.iter().map(|path| ("against", path));
    for (name, path) in against.chain(settings.peers.iter().map(|path| ("peer", path))) {
        writeln!(out, "- {name}: {path}")?;
    }
    Ok(())
}

fn caught_up(catch_up: &CatchUp) -> Table {
    let header = [
        "views",
        "workers",
        "program",
        "records/s",
        "CPU µs",
        "× drain",
        "Postgres CPU µs",
        "rows",
        "WAL bytes",
        "peak MiB",
        "sent bytes",
    ];
    let mut table = table(&header, 3);
    for summary in &catch_up.drains {
        table.add_row(row(summary));
    }
    for variant in &catch_up.variants {
        table.add_row(row(variant));
        let is_peer = variant.program != "against";
        let same = |it: &&Summary| {
            it.program == "this"
                && it.views == variant.views
                && (is_peer || (it.processes, it.workers) == (variant.processes, variant.workers))
        };
        if let Some(this) = catch_up.variants.iter().find(same).filter(|_| variant.program != "this") {
            table.add_row(ratios(this, variant));
        }
    }
    table
}

fn row(summary: &Summary) -> Vec<String> {
    let figure = |spread: Option<&Spread>, digits, unit: f64| match spread {
        Some(Spread { median, least, most }) => {
            format!("{:.digits$} ({:.digits$}–{:.digits$})", median / unit, least / unit, most / unit)
        }
        None => "–".into(),
    };
    let mebibyte = f64::from(1 << 20);
    vec![
        summary.views.clone().unwrap_or("–".into()),
        Workers { processes: summary.processes, of_each: summary.workers }.to_string(),
        summary.program.clone(),
        figure(Some(&summary.records_per_second), 0, 1.0),
        figure(Some(&summary.cpu_micros_per_record), 2, 1.0),
        format!("{:.2}", summary.cpu_of_drains),
        figure(summary.postgres_cpu_micros_per_record.as_ref(), 2, 1.0),
        figure(summary.rows_per_record.as_ref(), 3, 1.0),
        figure(summary.wal_bytes_per_record.as_ref(), 0, 1.0),
        figure(summary.peak_memory_bytes.as_ref(), 0, mebibyte),
        figure(summary.sent_bytes_per_record.as_ref(), 1, 1.0),
    ]
}

/// The medians of this program, divided by those of the other.
fn ratios(this: &Summary, other: &Summary) -> Vec<String> {
    let ratio = |value: fn(&Summary) -> Option<f64>| match (value(this), value(other)) {
        (Some(this), Some(other)) if other > 0.0 => format!("{:.3}", this / other),
        _ => "–".into(),
    };
    vec![
        String::new(),
        String::new(),
        format!("this ÷ {}", other.program),
        ratio(|it| Some(it.records_per_second.median)),
        ratio(|it| Some(it.cpu_micros_per_record.median)),
        ratio(|it| Some(it.cpu_of_drains)),
        ratio(|it| it.postgres_cpu_micros_per_record.map(|it| it.median)),
        ratio(|it| it.rows_per_record.map(|it| it.median)),
        ratio(|it| it.wal_bytes_per_record.map(|it| it.median)),
        ratio(|it| it.peak_memory_bytes.map(|it| it.median)),
        ratio(|it| it.sent_bytes_per_record.map(|it| it.median)),
    ]
}

fn fresh(all: &[Freshness]) -> Table {
    let header = [
        "program",
        "records/s",
        "records",
        "published/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "commits/s",
        "WAL kB a commit",
        "CPU %",
        "Postgres %",
        "idle CPU %",
        "idle Postgres %",
        "idle broker %",
    ];
    let mut table = table(&header, 1);
    for it in all {
        let percent = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.1}"));
        table.add_row([
            it.program.to_owned(),
            it.rate.to_string(),
            it.records.to_string(),
            format!("{:.0}", it.published_per_second),
            format!("{:.1}", it.p50_ms),
            format!("{:.1}", it.p99_ms),
            format!("{:.1}", it.max_ms),
            format!("{:.1}", it.commits_per_second),
            format!("{:.1}", it.wal_bytes_per_commit / 1e3),
            percent(it.busy.cpu_percent),
            percent(it.busy.postgres_cpu_percent),
            percent(it.idle.cpu_percent),
            percent(it.idle.postgres_cpu_percent),
            percent(it.idle.broker_cpu_percent),
        ]);
    }
    table
}

fn restarted(all: &[Restart]) -> Table {
    let mut table = table(&["program", "seconds", "held bytes a count", "peak bytes a count"], 1);
    for it in all {
        let bytes = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.0}"));
        table.add_row([
            it.program.to_owned(),
            format!("{:.1}", it.seconds),
            bytes(it.held_bytes_per_count),
            bytes(it.peak_bytes_per_count),
        ]);
    }
    table
}

fn changed(all: &[Epochs]) -> Table {
    let mut table = table(&["program", "products", "CPU ms", "Postgres CPU ms"], 1);
    for it in all {
        let cpu = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.1}"));
        table.add_row([it.program.to_owned(), it.products.to_string(), cpu(it.cpu_ms), cpu(it.postgres_cpu_ms)]);
    }
    table
}

/// A table whose first few columns are texts, and the others figures.
fn table(header: &[&str], texts: usize) -> Table {
    let mut table = Table::new();
    if stdout().is_terminal() {
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.load_style(presets::ASCII_MARKDOWN);
    }
    table.set_header(header.iter().map(Cell::new));
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
