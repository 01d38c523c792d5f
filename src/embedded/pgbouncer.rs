//! A private pgbouncer out of the installed program: sessions of a Postgres, lent to many.

use std::fmt::Write;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tempfile::TempDir;

use super::Postgres;
use super::postgres::Owner;
use super::server::{Server, free_port};

const PATIENCE: Duration = Duration::from_secs(20);

/// For how long a session is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// Until the client ends its own.
    Session,
    /// Until the transaction ends.
    Transaction,
}

/// A pgbouncer before a Postgres, gone when dropped. Everybody who is `postgres` there may come in.
pub struct PgBouncer {
    // Before `_home`: the server must have ended when its directory is removed.
    _server: Server,
    port: u16,
    _home: TempDir,
}

impl PgBouncer {
    /// Whether the program is installed.
    pub fn is_installed() -> bool {
        program().is_some()
    }

    /// Starts one that lends at most so many sessions of a database at once, and waits until it answers.
    pub fn start(postgres: &Postgres, mode: PoolMode, sessions: usize) -> Result<PgBouncer> {
        let home = tempfile::Builder::new().prefix("freshet-pgbouncer-").tempdir()?;
        let (port, owner) = (free_port()?, Owner::needed()?);
        let settings = write_settings(home.path(), postgres.port(), port, mode, sessions)?;
        let mut command = Command::new(program().context("there is no pgbouncer here; scripts/setup.sh installs it")?);
        command.arg(settings).current_dir("/");
        if let Some(Owner { uid, gid }) = owner {
            chown(home.path(), Some(uid), Some(gid))?;
            command.uid(uid).gid(gid);
        }
        let log = home.path().join("output");
        let mut server = Server::spawn(&mut command, &log, home.path(), Signal::QUIT)?;
        server.ready(&log, PATIENCE, || TcpStream::connect(("127.0.0.1", port)).is_ok()).context("pgbouncer")?;
        Ok(PgBouncer { _server: server, port, _home: home })
    }

    /// Where clients find the database of that name.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

/// Writes the settings into a directory that the server may enter, and gives their file.
fn write_settings(
    home: &Path,
    postgres: u16,
    port: u16,
    mode: PoolMode,
    sessions: usize,
) -> Result<std::path::PathBuf> {
    let users = home.join("users");
    fs::write(&users, "\"postgres\" \"\"\n")?;
    let mode = match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
    };
    let mut text = format!("[databases]\n* = host=127.0.0.1 port={postgres}\n[pgbouncer]\n");
    for (name, value) in [
        ("listen_addr", "127.0.0.1"),
        ("listen_port", &port.to_string()),
        ("unix_socket_dir", ""),
        ("auth_type", "trust"),
        ("auth_file", &users.display().to_string()),
        ("pool_mode", mode),
        ("default_pool_size", &sessions.to_string()),
    ] {
        writeln!(text, "{name} = {value}")?;
    }
    let settings = home.join("pgbouncer.ini");
    fs::write(&settings, text)?;
    Ok(settings)
}

/// Debian has it where only root looks for programs.
fn program() -> Option<&'static Path> {
    ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"]
        .map(Path::new)
        .into_iter()
        .find(|path| path.is_file())
}
