//! What the tables were built with: flags, versions, and the reports. Anything else would mix two meanings in one table, so it
//! is refused.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, bail};
use dataflows::{DaysKept, Model};
use postgres::GenericClient;
use xxhash_rust::xxh3::xxh3_64;

use super::{also_counted, definitions, forgotten, identity, kept};
use crate::database::db_result;
use crate::failure::Failure;
use crate::processes;
use crate::schema::{Change, differences};

/// The table that records it, and by which Freshet's tables are recognized.
pub(super) const SETTINGS: &str = "freshet_settings";
/// Raised when the tables that do not follow from the reports change in a way that an older or newer program would not
/// understand.
const TABLES_VERSION: &str = "4";
/// Raised when the same record would count differently than before.
const DECODE_VERSION: &str = "3";
const VERSIONS: [(&str, &str); 2] = [("tables-version", TABLES_VERSION), ("decode-version", DECODE_VERSION)];
/// The text of the file with the reports. Tables that do not have it are of a version that had the default ones only.
const REPORTS: &str = "reports";
/// Differences listed one by one.
const DIFFERENCES_MAX: usize = 10;

/// What else can be done.
const NEW: &str =
    "recompute them with `freshet rebuild`, or give --database-url an empty database (or a schema of its own)";

const OTHER: &str = "give --database-url an empty database (or a schema of its own)";
/// Flags that are no setting unless they are given.
const OPTIONAL: [&str; 3] = ["retain", "dedup", "skip-bots"];
/// The flag that no rebuild can change.
const TOPIC: &str = "topic";

/// Flags that tables are built with.
#[derive(Clone, Debug)]
pub struct TableSettings {
    /// Name, as of the flag, and value.
    settings: Vec<(&'static str, String)>,
    /// Whether tables of reports that were removed are dropped, rather than kept as they were.
    pub(super) drops_removed: bool,
}

impl TableSettings {
    /// These settings, by the name of their flag, and this version.
    pub fn new(settings: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let versions = VERSIONS.map(|(name, version)| (name, version.to_owned()));
        TableSettings { settings: versions.into_iter().chain(settings).collect(), drops_removed: false }
    }

    /// The same, and whether tables of reports that were removed are to go.
    pub fn dropping_removed(self, drops_removed: bool) -> Self {
        TableSettings { drops_removed, ..self }
    }

    /// The flags that tables with these settings were not built with. An optional one is there only if it was given.
    fn added<'a>(&'a self, settings: &'a BTreeMap<String, String>) -> impl Iterator<Item = (&'static str, &'a str)> {
        let given = self.settings.iter().filter(|(name, _)| !settings.is_empty() && !settings.contains_key(*name));
        given.map(|(name, value)| (*name, value.as_str()))
    }

    /// All settings, by the name of their flag.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.settings.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The value of this flag.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }
}

/// Refuses tables of another version, by what they say they were built with.
pub(super) fn check_version(settings: &BTreeMap<String, String>) -> Result<()> {
    for (name, version) in VERSIONS {
        let stored = settings.get(name).map_or("none", String::as_str);
        if stored != version {
            let what = format!("these tables are of another version of Freshet ({name} {stored})");
            bail!(Failure::OtherTables(format!("{what}; use the program that wrote them")));
        }
    }
    Ok(())
}

/// The reports that tables with these settings are built for, and what else counts.
pub fn stored_model(settings: &BTreeMap<String, String>) -> Result<Arc<Model>> {
    let model = match settings.get(REPORTS) {
        Some(text) if *text != Model::builtin().text => Model::parse(text, "the reports of these tables").map(Arc::new),
        _ => Ok(Model::builtin()),
    };
    match model {
        Ok(model) => Ok(also_counted::with(&model, settings)),
        Err(error) => bail!(Failure::OtherTables(format!(
            "these tables are of another version of Freshet ({error}); use the program that wrote them"
        ))),
    }
}

/// How many days tables with these settings keep of reports that do not declare their own.
fn retain(settings: &BTreeMap<String, String>) -> DaysKept {
    settings.get("retain").and_then(|days| days.parse().ok()).unwrap_or(DaysKept::All)
}

/// Refuses tables with these settings that are built for other reports.
pub fn check_reports(settings: &BTreeMap<String, String>, model: &Model) -> Result<()> {
    let differences = differences(&*stored_model(settings)?, model, retain(settings));
    if differences.is_empty() {
        return Ok(());
    }
    let mut listed: String = differences.iter().take(DIFFERENCES_MAX).map(|it| format!("\n  {it}")).collect();
    if let Some(others @ 1..) = differences.len().checked_sub(DIFFERENCES_MAX) {
        listed += &format!("\n  and {others} more");
    }
    bail!(Failure::OtherTables(format!(
        "these tables were built with other --reports:{listed}\nrun with the file that they were built with, or {NEW}"
    )))
}

/// Refuses tables that were built with something else, unless all that is given is in them. Returns what becomes of them.
pub(super) fn check(client: &mut impl GenericClient, model: &Model, built_with: &TableSettings) -> Result<Change> {
    let settings = stored(client, SETTINGS)?;
    for (name, version) in VERSIONS {
        if let Some(stored) = settings.get(name).filter(|stored| *stored != version) {
            bail!(another_version(name, stored));
        }
    }
    let change = if settings.is_empty() {
        Change::None
    } else {
        Change::between(&*stored_model(&settings)?, model, retain(&settings))
    };
    if matches!(change, Change::Addition | Change::Other) {
        check_reports(&settings, model)?;
    }
    if let Some((name, given)) = built_with.added(&settings).next() {
        let what = format!("these tables were built without --{name} {given}; run without it, or {NEW}");
        bail!(Failure::OtherTables(what));
    }
    for (name, stored) in settings.iter().filter(|(name, _)| !is_no_flag(name)) {
        match built_with.value(name) {
            Some(given) if given == stored => {}
            Some(given) => {
                let (stored, given) = (shown(stored), shown(given));
                let new = if name == TOPIC { OTHER } else { NEW };
                let what =
                    format!("these tables were built with --{name} {stored}, not {given}; run with that, or {new}");
                bail!(Failure::OtherTables(what));
            }
            None if OPTIONAL.contains(&name.as_str()) => {
                let what = format!("these tables were built with --{name} {stored}; run with that, or {NEW}");
                bail!(Failure::OtherTables(what));
            }
            None => bail!(another_version(name, stored)),
        }
    }
    Ok(change)
}

/// Why tables are to be counted again although they were built with nothing else: what they hold means what it meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// They lack reports that were added since.
    Reports,
    /// They are of an older version, which this program cannot write.
    Version,
}

/// The renewal of tables with these settings, if they are to be counted again.
pub(super) fn renewal(
    settings: &BTreeMap<String, String>,
    model: &Model,
    built_with: &TableSettings,
) -> Option<Renewal> {
    let age = |(name, version): &(&str, &str)| -> Option<Ordering> {
        let Some(stored) = settings.get(*name) else { return Some(Ordering::Equal) };
        Some(stored.parse::<u32>().ok()?.cmp(&version.parse().ok()?))
    };
    let ages =
        VERSIONS.iter().map(age).collect::<Option<Vec<_>>>().filter(|ages| !ages.contains(&Ordering::Greater))?;
    let is_older = ages.contains(&Ordering::Less);
    let is_version = |name: &str| VERSIONS.iter().any(|(version, _)| *version == name);
    let is_as_given = |(name, stored): (&String, &String)| match built_with.value(name) {
        Some(given) => given == stored,
        // A flag that this version no longer has.
        None => is_older && !OPTIONAL.contains(&name.as_str()),
    };
    // What an older version had no flag for has its default.
    let mut added = built_with.added(settings).filter(|(name, _)| !is_older || OPTIONAL.contains(name));
    let mut flags = settings.iter().filter(|(name, _)| !is_no_flag(name) && !is_version(name));
    if added.next().is_some() || !flags.all(is_as_given) {
        return None;
    }
    match Change::between(&*stored_model(settings).ok()?, model, retain(settings)) {
        Change::None | Change::Removal | Change::Derivation | Change::Addition if is_older => Some(Renewal::Version),
        Change::Addition => Some(Renewal::Reports),
        _ => None,
    }
}

/// Whether a setting is none of [`TableSettings`].
fn is_no_flag(name: &str) -> bool {
    identity::NAMES.contains(&name)
        || [REPORTS, definitions::SETTING, kept::SETTING, also_counted::SETTING, forgotten::KEY, processes::SETTING]
            .contains(&name)
}

fn another_version(name: &str, stored: &str) -> Failure {
    Failure::OtherTables(format!(
        "these tables are of another version of Freshet ({name} {stored}); run that version, or {NEW}"
    ))
}

/// A setting as a sentence can hold it; one of several lines by how many they are and a digest.
fn shown(value: &str) -> String {
    match value.lines().count() {
        0 | 1 => value.to_owned(),
        lines => format!("of {lines} lines (XXH3 {:016x})", xxh3_64(value.as_bytes())),
    }
}

/// All settings, by name, in this relation. They say nothing that objects of others could give a meaning to.
pub(super) fn stored(client: &mut impl GenericClient, relation: &str) -> Result<BTreeMap<String, String>> {
    let rows = db_result(client.query_typed(&format!("SELECT name, value FROM {relation}"), &[]))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The reports that the tables have been built for, if they are others than these; nothing if there are no tables yet.
pub(super) fn other_reports(client: &mut impl GenericClient, model: &Model) -> Result<Option<Arc<Model>>> {
    let settings = stored(client, SETTINGS)?;
    if settings.is_empty() {
        return Ok(None);
    }
    Ok(Some(stored_model(&settings)?).filter(|before| before.text != model.text))
}

/// Records what the tables are built with from now on.
pub(super) fn record(client: &mut impl GenericClient, model: &Model, built_with: &TableSettings) -> Result<()> {
    let given = built_with.settings.iter().map(|(name, value)| (*name, value.as_str()));
    let (names, values): (Vec<_>, Vec<_>) = given.unzip();
    let insert = "INSERT INTO freshet_settings SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING";
    db_result(client.execute(insert, &[&names, &values]))?;
    if stored(client, SETTINGS)?.get(REPORTS) == Some(&model.text) { Ok(()) } else { set(client, REPORTS, &model.text) }
}

/// Writes one setting, whatever it was.
pub(super) fn set(client: &mut impl GenericClient, name: &str, value: &str) -> Result<()> {
    let statement = "INSERT INTO freshet_settings (name, value) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    db_result(client.execute(statement, &[&name, &value])).map(drop)
}
