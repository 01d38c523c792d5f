//! Postgres's errors as sentences for a person.

use anyhow::anyhow;
use postgres::config::Host;
use postgres::error::SqlState;
use postgres::{Config, Error};

/// The result with an error that says what Postgres said, and what to do where that is known.
pub(super) fn explained<T>(result: Result<T, Error>) -> anyhow::Result<T> {
    result.map_err(|error| anyhow!(sentence(&error)))
}

fn sentence(error: &Error) -> String {
    let gone = |what: &str| format!("the database went away ({what}); start again once it is back, nothing is lost");
    let Some(db) = error.as_db_error() else { return gone(&chain(error)) };
    let code = db.code();
    // Operator intervention (57) and connection exceptions (08).
    if ["57P", "08"].iter().any(|class| code.code().starts_with(class)) {
        gone(db.message())
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        let rights = "the user of --database-url needs rights to create and write Freshet's tables (schema.sql)";
        format!("Postgres refuses: {}; {rights}", db.message())
    } else {
        format!("Postgres reports: {} (SQLSTATE {})", db.message(), code.code())
    }
}

/// The error of a session that could not be opened.
pub(super) fn unreachable(error: &Error, place: &str) -> anyhow::Error {
    match error.as_db_error() {
        Some(db) => anyhow!("Postgres at {place} refuses the connection: {}; is --database-url right?", db.message()),
        None => {
            anyhow!("no Postgres answers at {place} ({}); is it running, and is --database-url right?", chain(error))
        }
    }
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
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
