//! Postgres's errors: which of them are transient, and all of them as sentences for a person.

use std::io;

use anyhow::anyhow;
use postgres::Error;
use postgres::error::{DbError, SqlState};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::terminal;

/// Postgres is away or cannot work now; the operation may be retried in a new session.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Outage {
    sentence: String,
    code: Option<SqlState>,
}

impl Outage {
    /// An outage of a store that is not Postgres.
    pub fn new(sentence: &str) -> Outage {
        Outage { sentence: sentence.to_owned(), code: None }
    }
}

/// Transient SQLSTATEs, and classes of them: they pass by themselves or once an operator has repaired the server:
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
const PASSING: [&str; 11] = [
    "08",    // connection exception
    "25006", // read-only transaction: a server that became a standby, or was told so
    "25P03", // idle in a transaction for too long
    "25P04", // a transaction took too long
    "40",    // transaction rollback: deadlock, serialization failure
    "53",    // insufficient resources: disk full, out of memory, too many connections
    "54000", // a limit of the program: the queue of notices is full
    "55P03", // lock not available
    "57014", // query cancelled: a statement timeout
    "57P0",  // shut down, crashed or starting up
    "58",    // system error: the disk
];

/// The code of a dropped database, which does not come back, though its class is transient.
const DROPPED: &str = "57P04";

/// The library's message if a server asks for a password and it has none.
const NO_PASSWORD: &str = "password missing";

/// The result with an error that has Postgres's message, and what to do where that is known; an `Outage` if it is
/// transient.
pub fn db_result<T>(result: Result<T, Error>) -> anyhow::Result<T> {
    result.map_err(|error| classified(&error, sentence(&error)))
}

fn classified(error: &Error, sentence: String) -> anyhow::Error {
    let code = error.code().cloned();
    if passes(error) { anyhow!(Outage { sentence, code }) } else { anyhow!(sentence) }
}

/// Whether an error says that Postgres is away, or cannot work now.
pub fn is_outage(error: &anyhow::Error) -> bool {
    error.is::<Outage>()
}

/// Whether a lock could not be acquired in time.
pub fn is_lock_timeout(error: &anyhow::Error) -> bool {
    has_code(error, &SqlState::LOCK_NOT_AVAILABLE)
}

/// Whether a statement exceeded the time limit of its session.
pub fn is_cancelled(error: &anyhow::Error) -> bool {
    has_code(error, &SqlState::QUERY_CANCELED)
}

/// Whether an error says that Postgres has no free session, for this role or at all.
pub fn has_no_free_session(error: &anyhow::Error) -> bool {
    has_code(error, &SqlState::TOO_MANY_CONNECTIONS)
}

fn has_code(error: &anyhow::Error, code: &SqlState) -> bool {
    error.downcast_ref().is_some_and(|outage: &Outage| outage.code.as_ref() == Some(code))
}

fn passes(error: &Error) -> bool {
    match error.as_db_error() {
        Some(db) => {
            let code = db.code().code();
            code != DROPPED && PASSING.iter().any(|class| code.starts_with(class))
        }
        None => error.is_closed() || causes(error).any(|cause| cause.is::<io::Error>()),
    }
}

fn sentence(error: &Error) -> String {
    let Some(db) = error.as_db_error() else { return format!("the connection to Postgres failed: {}", chain(error)) };
    let code = db.code();
    let said = said(db);
    if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        let rights = "the user of --database-url needs rights to create and write Freshet's tables (`freshet schema` prints them)";
        format!("Postgres refuses: {said}; {rights}")
    } else {
        format!("Postgres reports: {said} (SQLSTATE {})", code.code())
    }
}

/// A server's message, escaped, as it may hold texts of events and control characters.
pub(super) fn said(db: &DbError) -> String {
    terminal::safe(db.message(), usize::MAX)
}

/// The error of a session that could not be opened.
pub(super) fn unreachable(error: &Error, place: &str) -> anyhow::Error {
    let sentence = match error.as_db_error() {
        Some(db) => format!("Postgres at {place} refuses the connection: {}; is --database-url right?", said(db)),
        None if causes(error).any(|cause| cause.to_string() == NO_PASSWORD) => {
            let where_from = "in --database-url, in PGPASSWORD or, as for psql, in ~/.pgpass";
            format!("Postgres at {place} asks for a password and there is none; give it {where_from}")
        }
        None => {
            format!("no Postgres answers at {place} ({}); is it running, and is --database-url right?", chain(error))
        }
    };
    // An internal error here is an outage: the server has no room for a cache that a session writes as it begins.
    let code = error.code().filter(|code| **code == SqlState::INTERNAL_ERROR).cloned();
    if code.is_some() { anyhow!(Outage { sentence, code }) } else { classified(error, sentence) }
}

/// Host, port and database, without user and password.
pub(super) fn place(config: &Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    let ports = config.get_ports().iter().copied().chain(std::iter::repeat(5432));
    let places: Vec<_> = hosts.zip(ports).map(|(host, port)| format!("{host}:{port}")).collect();
    format!("{}/{}", places.join(","), config.get_dbname().or(config.get_user()).unwrap_or_default())
}

/// An error with its causes, which the postgres crate does not print by itself.
fn chain(error: &Error) -> String {
    causes(error).fold(error.to_string(), |text, cause| {
        let more = cause.to_string();
        if text.contains(&more) { text } else { format!("{text}: {more}") }
    })
}

fn causes(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
}

#[cfg(test)]
mod tests {
    use anyhow::Result;
    use postgres::{Client, NoTls};

    use super::*;
    use freshet_embedded::Postgres;

    #[test]
    fn a_server_drives_no_terminal() -> Result<()> {
        let server = Postgres::start()?;
        let mut client = Client::connect(&server.url(), NoTls)?;
        let raise = "DO $$ BEGIN RAISE EXCEPTION '%', E'\\x1b[2J\\u202e\\nfreshet: all is well'; END $$";
        let sentence = db_result(client.batch_execute(raise)).map_err(|error| error.to_string());
        let expected = r"Postgres reports: \u{1b}[2J\u{202e}\nfreshet: all is well (SQLSTATE P0001)";
        assert_eq!(sentence, Err(expected.to_owned()));
        Ok(())
    }
}
