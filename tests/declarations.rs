//! Files of reports, as the program takes them; what is refused in them is told apart in dataflows/tests/bad_models.rs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use dataflows::model::Model;
use tempfile::NamedTempFile;

use crate::support::Database;
use crate::support::freshet::{Freshet, TIMEOUT};

/// A file with one report, whose table has this name.
fn declared(table: &str) -> String {
    format!(
        "[event]\ntype = \"kind\"\nviews = [\"view\"]\nlocal_time = \"at\"\n[[report]]\nname = \"days\"\ntable = \"{table}\"\nby = [\"day\"]\n"
    )
}

/// Each word that this Postgres reserves, and so takes for no name that is not quoted.
#[test]
fn no_reserved_word_is_a_name() -> Result<()> {
    let mut database = Database::create()?;
    let words = "SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')";
    let columns = "SELECT attname::text FROM pg_attribute WHERE attrelid = 'pg_class'::regclass AND attnum < 0";
    let names = database.client.query(&format!("{words} UNION ALL {columns}"), &[])?;
    ensure!(names.len() > 90, "only {} words", names.len());
    for name in names {
        let name: String = name.get(0);
        ensure!(Model::parse(&declared(&name), "file").is_err(), "{name} is taken for a table's name");
    }
    Model::parse(&declared("views_daily"), "file").map(drop).context("an ordinary name")
}

#[test]
fn a_wrong_file_ends_every_command() -> Result<()> {
    let file = NamedTempFile::new()?;
    fs::write(file.path(), declared("progress"))?;
    let path = file.path().display();
    let expected = format!("error: {path}:7:9: Freshet has a table progress of its own; take another name");
    let topic = "--brokers 127.0.0.1:1 --topic events";
    let database = "--database-url postgres://me@127.0.0.1:1/none";
    for command in [
        "schema".to_owned(),
        format!("check {topic}"),
        format!("run {topic} {database}"),
        format!("verify {topic} {database}"),
        format!("explain progress --day 2020-06-02 {topic} {database}"),
        format!("report days {database}"),
        "demo".to_owned(),
    ] {
        let flag = Freshet::run(&format!("{command} --reports {path}"))?.exits_with(2)?;
        let variable = Freshet::start_in(&[("FRESHET_REPORTS", file.path())], &command)?;
        let variable = variable.wait(TIMEOUT)?.exits_with(2)?;
        ensure!(flag.trim() == expected && variable == flag, "{command}: {flag}{variable}");
    }
    // What takes none goes on, and an empty variable is none.
    Freshet::start_in(&[("FRESHET_REPORTS", file.path())], "generate --events 1")?.wait(TIMEOUT)?.success()?;
    Freshet::start_in(&[("FRESHET_REPORTS", Path::new(""))], "schema")?.wait(TIMEOUT)?.success()?;
    fs::write(file.path(), declared("views_daily"))?;
    let ddl = Freshet::prints(&format!("schema --reports {path}"))?;
    ensure!(ddl.contains("CREATE TABLE IF NOT EXISTS views_daily ("), "{ddl}");
    ensure!(ddl.contains("CREATE OR REPLACE VIEW report_days AS"), "{ddl}");
    Ok(())
}
