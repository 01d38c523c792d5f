//! A password that is not in the URL: from the environment or from libpq's password file, whose format is at
//! <https://www.postgresql.org/docs/current/libpq-pgpass.html>.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio_postgres::Config;
use tokio_postgres::config::Host;
use tracing::warn;

/// `PGPASSWORD`, or the entry of `PGPASSFILE` (by default `~/.pgpass`) for this server, database and user. Read again for each
/// session, so that a password can be changed while the program runs.
pub(super) fn find(config: &Config) -> Option<String> {
    let given = env::var("PGPASSWORD").ok().filter(|password| !password.is_empty());
    given.or_else(|| in_file(&fs::read_to_string(file()?).ok()?, config))
}

/// The password file, if nobody else may read it; libpq requires the same.
fn file() -> Option<PathBuf> {
    let given = env::var_os("PGPASSFILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let file = given.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".pgpass")))?;
    let metadata = fs::metadata(&file).ok()?;
    if is_open_to_others(&metadata) {
        warn!("the password file {} is not used, as others may read it: chmod 600 makes it private", file.display());
        return None;
    }
    Some(file)
}

/// Whether anybody but the owner of a file has any permission on it.
pub(super) fn is_open_to_others(metadata: &fs::Metadata) -> bool {
    metadata.permissions().mode() & 0o077 != 0
}

/// The password of the first line that fits one of the hosts.
fn in_file(text: &str, config: &Config) -> Option<String> {
    let user = config.get_user()?;
    let database = config.get_dbname().unwrap_or(user);
    let ports = config.get_ports();
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).map(fields).collect();
    config.get_hosts().iter().enumerate().find_map(|(index, host)| {
        let host = match host {
            Host::Tcp(name) => name.as_str(),
            #[cfg(unix)]
            Host::Unix(_) => "localhost",
        };
        let port = ports.get(index).or(ports.first()).unwrap_or(&5432).to_string();
        let wanted = [host, &port, database, user];
        let fits = |line: &&Vec<String>| {
            line.len() == 5 && line.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted)
        };
        lines.iter().find(fits).map(|line| line[4].clone())
    })
}

/// The fields of a line, separated by colons; a backslash escapes a colon or a backslash.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut letters) = (vec![String::new()], line.chars());
    while let Some(letter) = letters.next() {
        let letter = match letter {
            ':' => {
                fields.push(String::new());
                continue;
            }
            '\\' => letters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(field) = fields.last_mut() {
            field.push(letter);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let file =
            "# host:port:database:user:password\nother:*:*:*:no\ndb.example:5433:*:me:tw\\:o\\\\\n*:*:shop:me:one\n";
        let of = |url: &str| in_file(file, &url.parse().expect(url));
        assert_eq!(of("postgres://me@db.example:5433/shop").as_deref(), Some("tw:o\\"));
        assert_eq!(of("postgres://me@db.example/shop").as_deref(), Some("one"));
        assert_eq!(of("postgres://you@db.example:5433/shop"), None);
        assert_eq!(of("host=/tmp user=me dbname=shop").as_deref(), Some("one"));
    }
}
