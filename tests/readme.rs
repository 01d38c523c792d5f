//! The pages of `docs` against the program: their SQL runs, and the settings are those that there are.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::support::Database;

const PAGES: &str = concat!(
    include_str!("../docs/configuration.md"),
    include_str!("../docs/security.md"),
    include_str!("../docs/tables.md"),
    include_str!("../docs/warehouse.md"),
);

#[test]
fn its_sql_runs() -> Result<()> {
    let mut database = Database::create()?;
    database.client.batch_execute(include_str!("../schema.sql"))?;
    let blocks: Vec<_> = PAGES.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    ensure!(blocks.len() >= 5, "only {} blocks of SQL were found", blocks.len());
    for sql in blocks {
        database.client.batch_execute(sql).with_context(|| sql.to_owned())?;
    }
    Ok(())
}

#[test]
fn its_settings_are_those_of_the_program() -> Result<()> {
    let output = Command::new(env!("CARGO_BIN_EXE_freshet")).args(["run", "--help"]).output()?;
    let help = String::from_utf8(output.stdout)?;
    let variable = |line: &str| Some(line.split_once("[env: ")?.1.trim_end_matches([']', '=']).to_owned());
    // An option is told over several lines: its flags, what it means, its variable, its default.
    let (mut flag, mut rows) = (String::new(), 0);
    for line in help.lines().map(str::trim) {
        if line.starts_with('-') && line != "-h, --help" && !line.starts_with("- ") {
            let flags = line.split([' ', ',']).filter(|word| word.starts_with('-'));
            flag = flags.max_by_key(|flag| flag.len()).unwrap_or_default().to_owned();
        }
        if let Some(name) = variable(line.split('=').next().unwrap_or(line)) {
            let row = PAGES.lines().find(|row| row.starts_with(&format!("| `{flag}`")));
            let row = row.with_context(|| format!("docs/configuration.md does not list {flag}"))?;
            ensure!(
                row.contains(&format!("`{name}`")),
                "docs/configuration.md does not say {name} beside {flag}: {row}"
            );
            rows += 1;
        }
        if let Some(default) = line.strip_prefix("[default: ").map(|line| line.trim_end_matches(']')) {
            let row = PAGES.lines().find(|row| row.starts_with(&format!("| `{flag}`"))).unwrap_or_default();
            ensure!(
                row.contains(&format!("| `{default}` |")),
                "docs/configuration.md says another default of {flag}: {row}"
            );
        }
    }
    let listed = PAGES.lines().filter(|row| row.starts_with("| `-")).count();
    ensure!(rows == listed, "{rows} settings, but docs/configuration.md lists {listed}");
    Ok(())
}
