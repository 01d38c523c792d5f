//! `freshet demo`, as somebody would try it who has nothing but a Postgres installed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::{NamedTempFile, TempDir};

use crate::support::Database;
use crate::support::freshet::{Freshet, TIMEOUT};

/// The numbers of the line of totals: produced, read, counted, ignored, rejected.
fn totals(printed: &str) -> Result<[u64; 5]> {
    let line = printed.lines().last().context("nothing was printed")?;
    let numbers = line.split(' ').filter_map(|word| word.trim_end_matches(',').parse().ok());
    numbers.collect::<Vec<_>>().try_into().map_err(|numbers| anyhow::anyhow!("{numbers:?} in {line}"))
}

fn must_add_up(printed: &str) -> Result<()> {
    let [produced, read, counted, ignored, rejected] = totals(printed)?;
    ensure!(produced > 0 && produced == read, "{produced} produced, {read} read");
    ensure!(read == counted + ignored + rejected && counted > 0, "{counted} + {ignored} + {rejected} of {read}");
    Ok(())
}

fn must_be_empty(directory: &Path) -> Result<()> {
    let left: Vec<_> = fs::read_dir(directory)?.flatten().map(|entry| entry.path()).collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}

/// A directory for temporary files that also the user whom Postgres runs as may enter.
fn temporary() -> Result<TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new()?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    Ok(directory)
}

#[test]
fn it_shows_the_reports_and_leaves_nothing_behind() -> Result<()> {
    let directory = temporary()?;
    let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .args(["demo", "--history", "1d", "--for", "3s", "--rate", "1000"])
        .env("TMPDIR", directory.path())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout)?;
    must_add_up(&printed)?;
    let log = String::from_utf8(output.stderr)?;
    ensure!(log.contains("1 day of history: 20,000 events loaded in "), "it does not say what it loaded:\n{log}");
    ensure!(log.contains("page: http://127.0.0.1:"), "it does not say where the page is:\n{log}");
    ensure!(log.contains("tables: psql postgresql://postgres@%2F"), "it does not say where the tables are:\n{log}");
    for title in
        ["Top products", "Top countries", "Top referrers", "Views by store", "Hourly views of a product", "browser"]
    {
        ensure!(printed.contains(title), "no {title} in:\n{printed}");
    }
    must_be_empty(directory.path())
}

#[test]
fn it_shows_events_of_a_builtin_model() -> Result<()> {
    let printed = Freshet::prints("demo --reports nginx --history 1d --for 2s --rate 500 --hostile 0.02 --http off")?;
    must_add_up(&printed)?;
    let [_, read, counted, ..] = totals(&printed)?;
    ensure!(counted * 100 >= read * 95, "{counted} of {read} are counted");
    for title in ["Top pages", "Requests by status", "Hourly requests by host and status", "/wp-login.php"] {
        ensure!(printed.contains(title), "no {title} in:\n{printed}");
    }
    Ok(())
}

/// Starts a demo, and interrupts it as soon as the condition holds of its directory and its log.
fn interrupt(when: impl Fn(&Path, &str) -> bool) -> Result<()> {
    let (directory, log) = (temporary()?, NamedTempFile::new()?);
    let child = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .args(["demo", "--history", "300d", "--rate", "1000"])
        .env("TMPDIR", directory.path())
        .stdout(Stdio::null())
        .stderr(log.reopen()?)
        .spawn()?;
    let begin = Instant::now();
    while !when(directory.path(), &fs::read_to_string(&log)?) {
        ensure!(begin.elapsed() < TIMEOUT, "it does not begin: {}", fs::read_to_string(&log)?);
        sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_raw(i32::try_from(child.id())?).context("no process")?, Signal::INT)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{}", fs::read_to_string(&log)?);
    must_be_empty(directory.path())
}

#[test]
fn it_ends_well_when_interrupted() -> Result<()> {
    // While its database is made, and while it loads what would take long.
    interrupt(|directory, _| fs::read_dir(directory).is_ok_and(|entries| entries.count() > 0))?;
    interrupt(|_, log| log.contains("loading 300 days of history"))
}

#[test]
fn it_uses_the_database_that_is_given() -> Result<()> {
    let mut database = Database::create()?;
    let arguments = format!("demo --history 2d --for 2s --rate 500 --database-url {}", database.url);
    let printed = Freshet::prints(&arguments)?;
    must_add_up(&printed)?;
    ensure!(u64::try_from(database.consumed()?)? == totals(&printed)?[1], "the tables hold something else");
    history_is_there(&mut database)
}

/// Every hour of two days has views, none is of a day that is not over or of long ago, and no report is empty. Live events
/// may be late by three days.
fn history_is_there(database: &mut Database) -> Result<()> {
    let today = "(now() AT TIME ZONE 'UTC')::date";
    let hours = format!(
        "SELECT count(DISTINCT (day, hour)) FROM product_views_hourly WHERE day BETWEEN {today} - 2 AND {today} - 1"
    );
    let hours: i64 = database.client.query_one(&hours, &[])?.get(0);
    // Midnight may have come since.
    ensure!(hours == 48 || hours == 24, "{hours} hours of two days have views");
    let strange = format!("SELECT count(*) FROM product_views_hourly WHERE day NOT BETWEEN {today} - 4 AND {today}");
    ensure!(database.client.query_one(&strange, &[])?.get::<_, i64>(0) == 0, "there are views of strange days");
    for report in ["top_products", "top_countries", "top_referrers", "store_views", "product_hours", "browser_os_hours"]
    {
        let rows: i64 = database.client.query_one(&format!("SELECT count(*) FROM report_{report}"), &[])?.get(0);
        ensure!(rows > 0, "{report} is empty");
    }
    Ok(())
}
