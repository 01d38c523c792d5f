//! A peer: another program that keeps some of the same tables. docs/benchmarks.md describes its interface.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use postgres::Client;

use super::env::{BenchEnv, Database, Topic};
use super::process::{found, without_settings};

/// The program.
pub(super) struct Peer {
    path: PathBuf,
}

/// The columns of each table of views; other tables of a peer are not compared.
const TABLES: &str = "SELECT table_name::text, string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position)
    FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'
    GROUP BY table_name HAVING bool_or(column_name = 'views') ORDER BY table_name";

impl Peer {
    /// The one at this path.
    pub fn at(path: &Path) -> Result<Peer> {
        Ok(Peer { path: found("--peer", path)? })
    }

    /// Its name in the report: that of its file, without the extension.
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The command that reads the topic into the database, and ends.
    pub fn command(&self, env: &BenchEnv, topic: &Topic, views: &str, database: &Database) -> Command {
        let mut command = without_settings(&self.path);
        command.args(["--brokers", &env.broker.brokers(), "--topic", &topic.name, "--views", views]);
        command.env("FRESHET_DATABASE_URL", &database.url);
        command
    }

    /// An error if a table that both have differs, or if there is none.
    pub fn must_agree(&self, right: &mut Client, found: &mut Client) -> Result<()> {
        let (mut same, path) = (0, self.path.display());
        for row in found.query(TABLES, &[])? {
            let (table, columns): (String, String) = (row.get(0), row.get(1));
            let is_ours = "SELECT to_regclass(quote_ident($1)) IS NOT NULL";
            if !right.query_one(is_ours, &[&table])?.get::<_, bool>(0) {
                continue;
            }
            let digest = format!(
                "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(ROW({columns})::text, 0)), 0) FROM \"{table}\""
            );
            let of = |client: &mut Client| -> Result<String> { Ok(client.query_one(&digest, &[])?.get(0)) };
            let [right, found] = [of(right).with_context(|| format!("{path}: the table {table}"))?, of(found)?];
            ensure!(right == found, "{path} has other rows in {table}, so its figures say nothing");
            same += 1;
        }
        ensure!(same > 0, "{path} made none of the tables that Freshet makes");
        Ok(())
    }
}
