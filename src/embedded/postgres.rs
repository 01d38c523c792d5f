//! A private Postgres out of the installed server binaries.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use postgres::{Client, NoTls};
use rustix::process::{Signal, geteuid};
use tempfile::TempDir;

use super::server::{Server, free_port};

/// Ready in about a second on an idle machine; recovery after a crash, on a busy one, takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Postgres server with an empty cluster, on a free port of 127.0.0.1, gone with its data when dropped.
pub struct Postgres {
    // Before `home`: the server must have ended when its directory is removed.
    server: Option<Server>,
    bin: PathBuf,
    port: u16,
    owner: Option<Owner>,
    settings: Vec<(String, String)>,
    home: TempDir,
}

/// The user that the server runs as when we are root, which Postgres refuses.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub uid: u32,
    pub gid: u32,
}

impl Postgres {
    /// Starts a server with Postgres' own settings.
    pub fn start() -> Result<Postgres> {
        Postgres::start_with(&[])
    }

    /// Starts a server with `settings` (as in `postgresql.conf`) and waits until it answers.
    pub fn start_with(settings: &[(&str, &str)]) -> Result<Postgres> {
        let bin = bin_dir()?;
        let home = tempfile::Builder::new().prefix("freshet-postgres-").tempdir()?;
        let owner = Owner::needed()?;
        if let Some(Owner { uid, gid }) = owner {
            chown(home.path(), Some(uid), Some(gid))?;
        }
        let settings = settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let mut postgres = Postgres { server: None, bin, port: free_port()?, owner, settings, home };
        postgres.init()?;
        postgres.restart()?;
        postgres.close_public()?;
        Ok(postgres)
    }

    /// Up to version 14 everybody may create in the schema `public`, where Freshet then makes no tables.
    fn close_public(&self) -> Result<()> {
        for database in ["template1", "postgres"] {
            let mut client = Client::connect(&self.url_of(database), NoTls)?;
            client.batch_execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")?;
        }
        Ok(())
    }

    /// Starts a standby of this server, which follows it by streaming until [`Postgres::promote`].
    pub fn replica(&self) -> Result<Postgres> {
        let home = tempfile::Builder::new().prefix("freshet-postgres-").tempdir()?;
        if let Some(Owner { uid, gid }) = self.owner {
            chown(home.path(), Some(uid), Some(gid))?;
        }
        let (bin, owner, settings) = (self.bin.clone(), self.owner, self.settings.clone());
        let mut replica = Postgres { server: None, bin, port: free_port()?, owner, settings, home };
        let mut backup = self.command("pg_basebackup");
        backup.args(["--write-recovery-conf", "--checkpoint=fast", "-d", &self.url(), "-D"]).arg(replica.data());
        run(backup)?;
        replica.restart()?;
        Ok(replica)
    }

    /// Makes a standby a server that takes writes, whatever of its primary it has not got.
    pub fn promote(&self) -> Result<()> {
        let mut client = Client::connect(&self.url(), NoTls)?;
        let promoted: bool = client.query_one("SELECT pg_promote()", &[])?.get(0);
        ensure!(promoted, "the standby was not promoted");
        Ok(())
    }

    /// Copies a database into a new one of this server, as from a backup.
    pub fn copy_database(&self, from: &str, to: &str) -> Result<()> {
        let dump = self.home.path().join(format!("{to}.dump"));
        let mut save = self.command("pg_dump");
        save.args(["--format=custom", "-d", &self.url_of(from), "-f"]).arg(&dump);
        run(save)?;
        Client::connect(&self.url(), NoTls)?.batch_execute(&format!("CREATE DATABASE {to}"))?;
        let mut restore = self.command("pg_restore");
        restore.args(["-d", &self.url_of(to)]).arg(&dump);
        run(restore)
    }

    /// Where clients find it: the database `postgres`, as its superuser.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Where clients find the database of that name.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The directory of its data, which it owns.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server in order: sessions are cut, everything is written to disk.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Signal::INT)
    }

    /// Ends the server as a crash would: nothing is written, the next start recovers from the log.
    ///
    /// It is Postgres' immediate shutdown and not SIGKILL, whose orphaned sessions could stand in the way of a restart.
    pub fn kill(&mut self) -> Result<()> {
        self.end(Signal::QUIT)
    }

    /// Starts the server again, on the same port with the same data; one that runs is stopped first.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        for (name, value) in &self.settings {
            command.args(["-c", &format!("{name}={value}")]);
        }
        let mut server = Server::spawn(&mut command, &self.log(), self.home.path(), Signal::QUIT)?;
        let url = self.url();
        server.ready(&self.log(), PATIENCE, || Client::connect(&url, NoTls).is_ok()).context("Postgres")?;
        self.server = Some(server);
        Ok(())
    }

    fn init(&self) -> Result<()> {
        let mut initdb = self.command("initdb");
        initdb.args(["-N", "--no-locale", "-E", "UTF8", "-A", "trust", "-U", "postgres", "-D"]).arg(self.data());
        run(initdb)
    }

    /// A program of the server, as its owner, in a directory that the owner may enter.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir("/");
        if let Some(Owner { uid, gid }) = self.owner {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        self.server.take().map_or(Ok(()), |server| server.end(signal).map(drop))
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("log")
    }
}

/// Runs a program of the server to its end, which must be good.
fn run(mut command: Command) -> Result<()> {
    // Not in the terminal's group, whose Ctrl-C is for us to handle.
    let output =
        command.process_group(0).output().with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{:?}: {}", command.get_program(), errors.trim());
    Ok(())
}

impl Owner {
    /// None if we are not root.
    pub fn needed() -> Result<Option<Owner>> {
        if geteuid().is_root() { Owner::of_servers().map(Some) } else { Ok(None) }
    }

    /// `postgres`, which the package creates, or `nobody`.
    fn of_servers() -> Result<Owner> {
        let accounts = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|user| accounts.lines().find_map(|line| Owner::parse(line, user)))
            .context("Postgres does not run as root, and there is neither a user postgres nor a user nobody")
    }

    fn parse(line: &str, user: &str) -> Option<Owner> {
        let mut fields = line.split(':');
        let found = fields.next() == Some(user);
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        found.then_some(Owner { uid, gid })
    }
}

/// The directory of the server's programs. PATH comes last: what stands there are often wrappers or lone copies, which
/// is also why both programs must be there.
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
    fn data_survive_a_stop_and_a_crash_but_not_the_drop() -> Result<()> {
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
