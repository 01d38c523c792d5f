//! What servers of our own leave to other users of the same machine: nothing, neither while they run nor after a `kill -9`.

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use freshet_embedded::{Kafka, PgBouncer, PoolMode, Postgres};
use postgres::{Client, NoTls};
use tempfile::TempDir;

use crate::support::freshet::TIMEOUT;
use crate::support::{postgres, require_kafka, require_pgbouncer, until};

/// Tries to come in as another user of this machine, which only root can.
fn as_another_user(url: &str) -> Result<Option<String>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let mut psql = Command::new("psql");
    psql.args(["-w", "-c", "SELECT 1", url]).current_dir("/").uid(65_534).gid(65_534);
    let output = psql.output().context("no psql")?;
    ensure!(!output.status.success(), "another user comes in by {url}");
    Ok(Some(String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn no_other_user_enters_a_private_postgres() -> Result<()> {
    let mut client = Client::connect(&postgres().url(), NoTls)?;
    let addresses: String = client.query_one("SHOW listen_addresses", &[])?.get(0);
    ensure!(addresses.is_empty(), "it listens on {addresses}");
    ensure!(TcpStream::connect(("127.0.0.1", postgres().port())).is_err(), "it listens all the same");
    let refused = as_another_user(&postgres().url())?;
    ensure!(refused.as_ref().is_none_or(|errors| errors.contains("Permission denied")), "{refused:?}");
    if require_pgbouncer() {
        let pooler = PgBouncer::start(postgres(), PoolMode::Session, 1)?;
        Client::connect(&pooler.url_of("postgres"), NoTls)?;
        let refused = as_another_user(&pooler.url_of("postgres"))?;
        ensure!(refused.as_ref().is_none_or(|errors| errors.contains("Permission denied")), "{refused:?}");
    }
    Ok(())
}

#[test]
fn a_private_postgres_asks_for_a_password() -> Result<()> {
    let server = Postgres::start_with(&[("listen_addresses", "127.0.0.1"), ("fsync", "off")])?;
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port());
    let refused = Client::connect(&url, NoTls).err().context("anybody comes in")?;
    ensure!(format!("{refused:?}").contains("password"), "{refused:?}");
    let Err(refused) = Client::connect(&url.replace("postgres@", "postgres:guessed@"), NoTls) else {
        anyhow::bail!("any password will do");
    };
    ensure!(format!("{refused:?}").contains("password authentication failed"), "{refused:?}");
    Ok(())
}

fn must_be_private(directory: &Path) -> Result<()> {
    let mode = fs::metadata(directory)?.permissions().mode() & 0o7777;
    ensure!(mode == 0o700, "{} is of mode {mode:o}", directory.display());
    Ok(())
}

#[test]
fn directories_of_private_servers_are_of_mode_0700() -> Result<()> {
    must_be_private(postgres().home())?;
    if require_pgbouncer() {
        must_be_private(PgBouncer::start(postgres(), PoolMode::Session, 1)?.home())?;
    }
    require_kafka().map(Kafka::home).map_or(Ok(()), must_be_private)
}

/// The processes that have this directory on their command line.
fn processes_in(directory: &Path) -> Result<Vec<String>> {
    let lines = fs::read_dir("/proc")?.flatten().filter_map(|process| {
        // One that has ended meanwhile has none.
        let line = fs::read(process.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    let name = directory.to_string_lossy();
    Ok(lines.filter(|line| line.contains(&*name)).collect())
}

/// Kills a demo as soon as the condition holds of its directory; nothing may be left.
fn kill_when(what: &str, when: impl Fn(&Path) -> bool) -> Result<()> {
    let directory = TempDir::new()?;
    // So that the user whom Postgres runs as comes through.
    fs::set_permissions(directory.path(), Permissions::from_mode(0o711))?;
    let mut demo = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .args(["demo", "--http", "off"])
        .env("TMPDIR", directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let begin = Instant::now();
    let moment = || fs::read_dir(directory.path()).into_iter().flatten().flatten().any(|home| when(&home.path()));
    while !moment() {
        ensure!(begin.elapsed() < TIMEOUT && demo.try_wait()?.is_none(), "it does not come to this: {what}");
        sleep(Duration::from_millis(1));
    }
    demo.kill()?;
    demo.wait()?;
    until(&format!("nothing is left of a demo killed: {what}"), || {
        Ok(fs::read_dir(directory.path())?.next().is_none() && processes_in(directory.path())?.is_empty())
    })
}

#[test]
fn a_demo_killed_at_once_leaves_nothing() -> Result<()> {
    kill_when("as soon as there is anything", |_| true)?;
    kill_when("as initdb begins", |home| home.join("data").exists())?;
    kill_when("while initdb fills the catalogue", |home| home.join("data/base/1").exists())?;
    kill_when("as the server starts", |home| home.join("data/postmaster.pid").exists() && home.join("log").exists())
}
