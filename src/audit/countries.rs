//! The table of all countries, which no event changes.

use anyhow::Result;
use dataflows::model::Model;

use super::ledger::Rows;
use crate::schema;
use crate::sink::Snapshot;

/// Its name, the column of its key, and the others.
pub const TABLE: &str = "dim_country";
pub const KEY: [&str; 1] = ["country"];
pub const COLUMNS: [&str; 2] = ["country_name", "region"];

/// The stored rows.
pub fn stored(snapshot: &mut Snapshot<'_>) -> Result<Rows> {
    let mut rows = Rows::new();
    let columns = [&KEY[..], &COLUMNS].concat().join("::text, ");
    snapshot.rows(&format!("SELECT {columns}::text FROM {TABLE}"), |row| {
        rows.insert(row.get(0), vec![row.get(1), row.get(2)]);
        Ok(())
    })?;
    Ok(rows)
}

/// The rows that the DDL inserts, one per line.
pub fn declared(model: &Model) -> Rows {
    schema::ddl(model)
        .lines()
        .filter_map(|line| literals(line.trim()))
        .map(|[key, columns @ ..]| (key, columns.map(Some).into()))
        .collect()
}

/// The three texts of a line like `('CI', 'Côte d''Ivoire', 'Africa'),`.
fn literals(line: &str) -> Option<[String; 3]> {
    let inner = line.trim_end_matches(',').strip_prefix("('")?.strip_suffix("')")?;
    let texts: Vec<_> = inner.split("', '").map(|text| text.replace("''", "'")).collect();
    texts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_countries_of_the_ddl_are_found() {
        let countries = declared(&Model::builtin());
        assert_eq!(countries.len(), 251);
        assert_eq!(countries["CI"], [Some("Côte d'Ivoire".into()), Some("Africa".into())]);
        assert_eq!(countries["ZZ"], [Some("Unknown".into()), Some("Unknown".into())]);
    }
}
