//! A private pgbouncer from the installed program: sessions of a Postgres, lent to many.

use std::fmt::Write;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::Postgres;
use super::home::Home;
use super::postgres::url_at;
use super::server::Server;

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// For how long a session is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// Until the client ends its session.
    Session,
    /// Until the transaction ends.
    Transaction,
}

/// The port that its socket is named after, as its clients would guess it.
const PORT: u16 = 5432;

/// A pgbouncer before a Postgres, at a socket in a directory that nobody else may enter, gone when dropped.
pub struct PgBouncer {
    // Before `home`: the server must have ended when its directory is removed.
    _server: Server,
    home: Home,
}

impl PgBouncer {
    /// Whether the program is installed.
    pub fn is_installed() -> bool {
        program().is_some()
    }

    /// Starts one that lends at most `sessions` of a database at once, and waits until it answers.
    pub fn start(postgres: &Postgres, mode: PoolMode, sessions: usize) -> Result<PgBouncer> {
        let home = Home::create_unprivileged("pgbouncer", Signal::QUIT)?;
        let settings = write_settings(home.path(), postgres, mode, sessions)?;
        let program = program().context("there is no pgbouncer here; scripts/setup.sh installs it")?;
        let (log, socket) = (home.path().join("output"), home.path().join(format!(".s.PGSQL.{PORT}")));
        let mut server = Server::spawn(home.command(program).arg(settings), &log, &home, Signal::QUIT)?;
        server.ready(&log, START_TIMEOUT, || UnixStream::connect(&socket).is_ok()).context("pgbouncer")?;
        Ok(PgBouncer { _server: server, home })
    }

    /// Where clients find the database of that name.
    pub fn url_of(&self, database: &str) -> String {
        url_at(self.home.path(), PORT, database)
    }

    /// The directory of its socket.
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

/// Writes the settings into a directory that the server may enter, and returns their file.
fn write_settings(home: &Path, postgres: &Postgres, mode: PoolMode, sessions: usize) -> Result<PathBuf> {
    let users = home.join("users");
    fs::write(&users, "\"postgres\" \"\"\n")?;
    let mode = match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
    };
    let mut text = format!("[databases]\n* = host={} port={}\n", postgres.home().display(), postgres.port());
    text += "[pgbouncer]\n";
    for (name, value) in [
        ("listen_port", PORT.to_string().as_str()),
        ("unix_socket_dir", &home.display().to_string()),
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

/// Debian installs it where only root has it in PATH.
fn program() -> Option<&'static Path> {
    ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"]
        .map(Path::new)
        .into_iter()
        .find(|path| path.is_file())
}
