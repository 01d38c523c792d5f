//! A private Postgres from the installed server binaries.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use postgres::{Client, NoTls};
use rustix::process::Signal;

use super::home::Home;
use super::server::{Server, free_port};

/// Ready in about a second on an idle machine; recovery after a crash, on a busy one, takes longer.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Characters that need encoding in a URL's host.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// A Postgres server with an empty cluster, at a socket in a directory that nobody else may enter, gone with its data
/// when dropped. Its superuser needs no password there, and so could run any program as the user who started it.
pub struct Postgres {
    // Before `home`: the server must have ended when its directory is removed.
    server: Option<Server>,
    bin: PathBuf,
    port: u16,
    settings: Vec<(String, String)>,
    home: Home,
}

impl Postgres {
    /// Starts a server with Postgres' own settings.
    pub fn start() -> Result<Postgres> {
        Postgres::start_with(&[])
    }

    /// Starts a server with `settings` (as in `postgresql.conf`) and waits until it answers.
    pub fn start_with(settings: &[(&str, &str)]) -> Result<Postgres> {
        let settings = settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let mut postgres = Postgres::new(bin_dir()?, settings)?;
        postgres.init()?;
        postgres.restart()?;
        postgres.close_public()?;
        Ok(postgres)
    }

    /// Up to version 14 everybody may create objects in the schema `public`, and Freshet then creates no tables there.
    fn close_public(&self) -> Result<()> {
        for database in ["template1", "postgres"] {
            let mut client = Client::connect(&self.url_of(database), NoTls)?;
            client.batch_execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")?;
        }
        Ok(())
    }

    fn new(bin: PathBuf, settings: Vec<(String, String)>) -> Result<Postgres> {
        let home = Home::create_unprivileged("postgres", Signal::QUIT)?;
        Ok(Postgres { server: None, bin, port: free_port()?, settings, home })
    }

    /// Starts a standby of this server, which follows it by streaming until [`Postgres::promote`].
    pub fn replica(&self) -> Result<Postgres> {
        let mut replica = Postgres::new(self.bin.clone(), self.settings.clone())?;
        replica.run("pg_basebackup", |backup| {
            backup.args(["--write-recovery-conf", "--checkpoint=fast", "-d", &self.url(), "-D"]).arg(replica.data());
        })?;
        replica.restart()?;
        Ok(replica)
    }

    /// Promotes a standby to a server that accepts writes, even if it lacks some of its primary's.
    pub fn promote(&self) -> Result<()> {
        let mut client = Client::connect(&self.url(), NoTls)?;
        let promoted: bool = client.query_one("SELECT pg_promote()", &[])?.get(0);
        ensure!(promoted, "the standby was not promoted");
        Ok(())
    }

    /// Copies a database into a new one of this server, as from a backup.
    pub fn copy_database(&self, from: &str, to: &str) -> Result<()> {
        let dump = self.home.path().join(format!("{to}.dump"));
        self.run("pg_dump", |save| {
            save.args(["--format=custom", "-d", &self.url_of(from), "-f"]).arg(&dump);
        })?;
        Client::connect(&self.url(), NoTls)?.batch_execute(&format!("CREATE DATABASE {to}"))?;
        self.run("pg_restore", |restore| {
            restore.args(["-d", &self.url_of(to)]).arg(&dump);
        })
    }

    /// Where clients find it: the database `postgres`, as its superuser.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Where clients find the database of that name.
    pub fn url_of(&self, database: &str) -> String {
        url_at(self.home(), self.port, database)
    }

    /// The directory of its data and its socket, which it owns.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The port that its socket is named after. With the setting `listen_addresses` it also listens there, and requires a
    /// password, which only some roles have.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server cleanly: sessions are closed, everything is written to disk.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Signal::INT)
    }

    /// Ends the server as a crash would: nothing is written, the next start recovers from the log.
    ///
    /// It is Postgres' immediate shutdown and not SIGKILL, whose orphaned sessions could stand in the way of a restart.
    pub fn kill(&mut self) -> Result<()> {
        self.end(Signal::QUIT)
    }

    /// Starts the server again, at the same socket with the same data; one that runs is stopped first.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        let mut command = self.home.command(self.bin.join("postgres"));
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-c", "listen_addresses="]);
        command.args(["-c", &format!("unix_socket_directories={}", self.home().display())]);
        for (name, value) in &self.settings {
            command.args(["-c", &format!("{name}={value}")]);
        }
        let mut server = Server::spawn(&mut command, &self.log(), &self.home, Signal::QUIT)?;
        let url = self.url();
        server.ready(&self.log(), START_TIMEOUT, || Client::connect(&url, NoTls).is_ok()).context("Postgres")?;
        self.server = Some(server);
        Ok(())
    }

    fn init(&self) -> Result<()> {
        self.run("initdb", |initdb| {
            initdb.args(["-N", "--no-locale", "-E", "UTF8", "-U", "postgres"]);
            initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256", "-D"]).arg(self.data());
        })
    }

    /// Runs a program of the server with these arguments; it must succeed.
    fn run(&self, program: &str, arguments: impl FnOnce(&mut Command)) -> Result<()> {
        let mut command = self.home.command(self.bin.join(program));
        arguments(&mut command);
        let output = self.home.output(&mut command).with_context(|| format!("cannot run {program}"))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program}: {}", errors.trim());
        Ok(())
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        self.server.take().map_or(Ok(()), |server| server.end(signal).map(drop))
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The server's log.
    pub fn log(&self) -> PathBuf {
        self.home.path().join("log")
    }
}

/// The URL of a database of a server, or of a pooler, whose socket for this port is in this directory.
pub(super) fn url_at(directory: &Path, port: u16, database: &str) -> String {
    let host = directory.to_string_lossy();
    format!("postgresql://postgres@{}:{port}/{database}", utf8_percent_encode(&host, &ENCODED))
}

/// The directory of the server's programs. PATH comes last, as it often has wrappers or single copies; for the same reason both
/// programs must be there.
fn bin_dir() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = pg_config_dir()
        .into_iter()
        .chain(debian_dirs())
        .chain(env::split_paths(&path))
        .find(|dir| ["initdb", "postgres"].iter().all(|program| dir.join(program).is_file()));
    match found {
        Some(dir) => Ok(dir),
        None => bail!("no Postgres server found: install its binaries (`apt-get install postgresql`)"),
    }
}

fn pg_config_dir() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// `/usr/lib/postgresql/<version>/bin`, the newest first.
fn debian_dirs() -> Vec<PathBuf> {
    let root = Path::new("/usr/lib/postgresql");
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let versions: BTreeSet<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.iter().rev().map(|version| root.join(version.to_string()).join("bin")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(postgres: &Postgres) -> Result<i64> {
        let mut client = Client::connect(&postgres.url(), NoTls)?;
        Ok(client.query_one("SELECT count(*) FROM kept", &[])?.get(0))
    }

    #[test]
    fn data_survive_stops_and_crashes() -> Result<()> {
        let mut postgres = Postgres::start_with(&[("max_connections", "7")])?;
        let mut client = Client::connect(&postgres.url(), NoTls)?;
        client.batch_execute("CREATE TABLE kept AS SELECT 1 AS one")?;
        let shown: String = client.query_one("SHOW max_connections", &[])?.get(0);
        assert_eq!(shown, "7");
        postgres.stop()?;
        assert!(Client::connect(&postgres.url(), NoTls).is_err());
        postgres.restart()?;
        assert_eq!(count(&postgres)?, 1);
        postgres.kill()?;
        postgres.restart()?;
        assert_eq!(count(&postgres)?, 1);
        let (home, url) = (postgres.home.path().to_owned(), postgres.url());
        drop(postgres);
        assert!(!home.exists());
        assert!(Client::connect(&url, NoTls).is_err());
        Ok(())
    }
}
