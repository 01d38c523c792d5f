//! Compares the report views with their tables: what each should show follows from the rows that were copied.
//!
//! A view may have as many rows as the largest table. So first only sums of the rows' hashes are compared, and the rows
//! themselves where these differ.

use std::cmp::Reverse;

use anyhow::Result;
use dataflows::model::{Count, Dimension, DimensionTable, Model, Ranking, Report, TableRows};
use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_128;

use super::compare::{DIFFERENCES_SHOWN_MAX, Table, named};
use super::ledger::{Key, Ledger, SEPARATOR, Views, cell};
use super::stored::WRONG_DIGEST;
use crate::sink::Snapshot;

/// The view with the day that reports of one day show.
const DAY: &str = "report_day";

/// How each view compares.
pub fn compare(snapshot: &mut Snapshot<'_>, ledger: &Ledger) -> Result<Vec<Table>> {
    let day = day(snapshot, ledger)?;
    let is_there = |each: &mut dyn FnMut(&str)| day.iter().for_each(|day| each(day));
    let mut tables = vec![view(snapshot, DAY, &["day".to_owned()], &is_there)?];
    for report in &ledger.model.reports {
        let columns = columns(&ledger.model, report);
        let show = |each: &mut dyn FnMut(&str)| rows(ledger, report, day.as_deref(), each);
        tables.push(view(snapshot, &report.view(), &columns, &show)?);
    }
    Ok(tables)
}

/// Today, or else the latest day before it that has events, or else the earliest after it.
fn day(snapshot: &mut Snapshot<'_>, ledger: &Ledger) -> Result<Option<String>> {
    let mut today = String::new();
    let zone = "coalesce((SELECT value FROM freshet_settings WHERE name = 'time-zone'), 'UTC')";
    snapshot.rows(&format!("SELECT to_char(now() AT TIME ZONE {zone}, 'YYYY-MM-DD')"), |row| {
        today = row.get(0);
        Ok(())
    })?;
    let days = ledger.stored(DimensionTable::Date);
    let latest = days.range(..=today.clone()).next_back();
    Ok(latest.or_else(|| days.range(today..).next()).map(|(day, _)| day.clone()))
}

/// A checksum of rows in any order.
#[derive(Clone, Copy, Default, PartialEq)]
struct Sum {
    rows: usize,
    hashes: u128,
}

impl Sum {
    fn add(&mut self, row: &str) {
        self.rows += 1;
        self.hashes = self.hashes.wrapping_add(xxh3_128(row.as_bytes()));
    }
}

/// Calls back with each row, as its texts separated by [`SEPARATOR`].
type Show<'a> = dyn Fn(&mut dyn FnMut(&str)) + 'a;

/// Compares a view with the columns and rows that it should have.
fn view(snapshot: &mut Snapshot<'_>, name: &str, columns: &[String], show: &Show<'_>) -> Result<Table> {
    let table = |rows, shown: Vec<String>| Table { name: name.to_owned(), rows, differing: shown.len(), shown };
    let there = columns_of(snapshot, name)?;
    if there != columns {
        let there = if there.is_empty() { "none".into() } else { there.join(", ") };
        return Ok(table(0, vec![format!("the view has the columns {there}, not {}", columns.join(", "))]));
    }
    let (mut right, mut shown) = (Sum::default(), Sum::default());
    show(&mut |row| right.add(row));
    read(snapshot, name, columns, |row| shown.add(row))?;
    if right == shown {
        return Ok(table(shown.rows, Vec::new()));
    }
    let mut surplus: HashMap<Key, i64> = HashMap::new();
    show(&mut |row| *surplus.entry_ref(row).or_default() -= 1);
    read(snapshot, name, columns, |row| *surplus.entry_ref(row).or_default() += 1)?;
    let mut differing: Vec<_> = surplus.into_iter().filter(|(_, surplus)| *surplus != 0).collect();
    differing.sort_unstable();
    let columns: Vec<_> = columns.iter().map(String::as_str).collect();
    let describe = |(row, surplus): &(Key, i64)| {
        let says =
            if *surplus > 0 { "the view has this row, its table does not give it" } else { "the view has no such row" };
        format!("{}: {says}", named(&columns, row))
    };
    let examples = differing.iter().take(DIFFERENCES_SHOWN_MAX).map(describe).collect();
    Ok(Table { differing: differing.len(), ..table(shown.rows, examples) })
}

/// The columns that a view has; none if there is no such view.
fn columns_of(snapshot: &mut Snapshot<'_>, view: &str) -> Result<Vec<String>> {
    let mut columns = Vec::new();
    let query = format!(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass('{view}') AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum"
    );
    snapshot.rows(&query, |row| {
        columns.push(row.get(0));
        Ok(())
    })?;
    Ok(columns)
}

/// Calls `each` with the rows of a view.
fn read(snapshot: &mut Snapshot<'_>, view: &str, columns: &[String], mut each: impl FnMut(&str)) -> Result<()> {
    let text = |column: &String| match column.as_str() {
        "day" => format!("to_char({column}, 'YYYY-MM-DD')"),
        _ => format!("{column}::text"),
    };
    let texts = columns.iter().map(text).collect::<Vec<_>>().join(", ");
    let mut shown = String::new();
    snapshot.rows(&format!("SELECT {texts} FROM {view}"), |row| {
        shown.clear();
        for column in 0..row.len() {
            if column > 0 {
                shown.push(SEPARATOR);
            }
            shown.push_str(row.get::<_, Option<&str>>(column).unwrap_or_default());
        }
        // There is no day yet.
        if view != DAY || !shown.is_empty() {
            each(&shown);
        }
        Ok(())
    })
}

/// The dimensions that a view shows, and whether it has ranks.
fn shown(model: &Model, report: &Report) -> (Vec<Dimension>, bool) {
    match model.tables[report.table].rows {
        TableRows::Count(count) => {
            let by = model.counts[count].by.iter().copied();
            (by.filter(|by| !report.all_days || *by != Dimension::Day).collect(), report.limit.is_some())
        }
        TableRows::Ranking(ranking) => {
            let Ranking { by, of, .. } = &model.rankings[ranking];
            (by.iter().copied().chain([Dimension::Field(*of)]).collect(), true)
        }
        TableRows::Members(_) => (Vec::new(), false),
    }
}

/// The columns of a view. The rank comes before what is ranked, and a country's name after the country.
fn columns(model: &Model, report: &Report) -> Vec<String> {
    let (dimensions, has_rank) = shown(model, report);
    let mut columns = Vec::new();
    for (place, dimension) in dimensions.iter().enumerate() {
        if has_rank && place == rank_place(model, report) {
            columns.push("rank".to_owned());
        }
        let name = model.dimension_name(*dimension);
        columns.push(name.to_owned());
        if is_named(model, &dimensions, *dimension) {
            columns.push(format!("{name}_name"));
        }
    }
    columns.push("views".to_owned());
    columns
}

/// The dimension before which a view has the rank.
fn rank_place(model: &Model, report: &Report) -> usize {
    match model.tables[report.table].rows {
        TableRows::Ranking(ranking) => model.rankings[ranking].by.len(),
        _ => 0,
    }
}

/// Whether a dimension is followed by its name: a country is, unless a field has that name.
fn is_named(model: &Model, dimensions: &[Dimension], dimension: Dimension) -> bool {
    let name = format!("{}_name", model.dimension_name(dimension));
    let is_country = |field: usize| model.fields[field].kind.is_country();
    matches!(dimension, Dimension::Field(field) if is_country(field))
        && !dimensions.iter().any(|other| model.dimension_name(*other) == name)
}

/// Calls `each` with the rows that a view should show.
fn rows(ledger: &Ledger, report: &Report, day: Option<&str>, each: &mut dyn FnMut(&str)) {
    let model = &ledger.model;
    let (dimensions, _) = shown(model, report);
    let is_named: Vec<_> = dimensions.iter().map(|dimension| is_named(model, &dimensions, *dimension)).collect();
    let (rank_place, mut row) = (rank_place(model, report), String::new());
    let mut give = |key: &str, rank: Option<u64>, views: i64| {
        row.clear();
        for (place, text) in key.split(SEPARATOR).take(dimensions.len()).enumerate() {
            if let Some(rank) = rank.filter(|_| place == rank_place) {
                row.push_str(&format!("{rank}{SEPARATOR}"));
            }
            let text = text.strip_suffix(WRONG_DIGEST).unwrap_or(text);
            row.push_str(text);
            row.push(SEPARATOR);
            if is_named[place] {
                let name = ledger.countries.get(text).and_then(|columns| columns[0].as_deref());
                row.push_str(name.unwrap_or(text));
                row.push(SEPARATOR);
            }
        }
        row.push_str(&views.to_string());
        each(&row);
    };
    match (model.tables[report.table].rows, report.limit) {
        (TableRows::Ranking(place), _) => {
            let ranking = &model.rankings[place];
            let of_day = ranking.by.iter().position(|by| *by == Dimension::Day);
            for ((group, rank), (item, views)) in &ledger.ranked[place] {
                if of_day.is_none_or(|place| Some(cell(group, place)) == day) {
                    let key = if ranking.by.is_empty() { item.clone() } else { format!("{group}{SEPARATOR}{item}") };
                    give(&key, Some(*rank), *views);
                }
            }
        }
        (TableRows::Count(place), Some(limit)) => {
            let rows = first(&model.counts[place], &ledger.counted[place], limit.into());
            (1..).zip(rows).for_each(|(rank, (key, views))| give(key, Some(rank), views));
        }
        (TableRows::Count(place), None) if report.all_days => {
            let sums = ledger.sums_of_rows(place, &dimensions, |views| views.stored);
            sums.iter().for_each(|(key, views)| give(key, None, *views));
        }
        (TableRows::Count(place), None) => {
            let rows = ledger.counted[place].iter().filter(|(_, views)| views.stored > 0);
            rows.for_each(|(key, views)| give(key, None, views.stored));
        }
        (TableRows::Members(_), _) => {}
    }
}

/// The rows of a count with the most views; ties by key.
fn first<'a>(count: &Count, rows: &'a HashMap<Key, Views>, limit: usize) -> Vec<(&'a Key, i64)> {
    let hour = count.by.iter().position(|by| *by == Dimension::Hour);
    let sort_key = |key: &str| -> Vec<String> {
        let cells = key.split(SEPARATOR).enumerate();
        cells.map(|(place, text)| if Some(place) == hour { format!("{text:0>2}") } else { text.to_owned() }).collect()
    };
    let mut rows: Vec<_> =
        rows.iter().map(|(key, views)| (key, views.stored)).filter(|(_, views)| *views > 0).collect();
    rows.sort_by_cached_key(|(key, views)| (Reverse(*views), sort_key(key)));
    rows.truncate(limit);
    rows
}
