//! The tables as of one moment, for readers only: no lease is taken, and nothing is locked.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};
use postgres::{Client, Row, Transaction};

use super::forgotten::{self, Forgotten};
use super::{locate, table_settings};
use crate::batch::Totals;
use crate::database::{For, Schema, Target, connect, db_result, snapshot};
use crate::failure::Failure;

/// The outcomes in `progress`, for a SELECT: 0 where the tables are of a build that did not have one.
pub fn outcome_columns() -> String {
    let column = |outcome| format!("coalesce((to_jsonb(progress) ->> '{outcome}')::bigint, 0) AS {outcome}");
    Totals::OUTCOMES.map(column).join(", ")
}

/// A database without tables of Freshet.
#[derive(Debug, thiserror::Error)]
#[error("there are no tables of Freshet in this database; `freshet run` makes them, or --database-url is wrong")]
pub struct NoTables;

/// A session that reads the tables. Nothing outlives its transactions, no setting and no statement, so a pooler may lend it to
/// others between two of them.
pub struct Reader {
    pub(crate) client: Client,
    /// Where the tables are.
    pub(crate) schema: Schema,
}

impl Reader {
    /// Connects to a database that has tables.
    ///
    /// # Errors
    /// [`NoTables`], for one.
    pub fn open(target: &Target) -> Result<Reader> {
        let mut client = connect(target)?;
        let schema = locate(&mut snapshot(&mut client)?)?.ok_or(NoTables)?;
        Ok(Reader { client, schema })
    }

    /// All tables as they are now, whatever is committed meanwhile.
    pub fn snapshot(&mut self) -> Result<Snapshot<'_>> {
        let mut transaction = snapshot(&mut self.client)?;
        self.schema.enter(&mut transaction, For::Transaction)?;
        Ok(Snapshot { transaction })
    }
}

/// One moment. It ends when it is dropped; a long one keeps Postgres from cleaning up.
pub struct Snapshot<'a> {
    pub(crate) transaction: Transaction<'a>,
}

impl Snapshot<'_> {
    /// What the tables of this topic were built with, by the name of the flag. An error if they are of another topic.
    pub fn settings_of(&mut self, topic: &str) -> Result<BTreeMap<String, String>> {
        let settings = self.settings()?;
        let built_with = settings.get("topic").map_or("", String::as_str);
        if built_with != topic {
            let built_with = built_with.escape_debug();
            bail!(Failure::OtherTables(format!("these tables are of topic '{built_with}'; give that with --topic")));
        }
        Ok(settings)
    }

    /// What the tables were built with. An error if that is another version than this one.
    pub fn settings(&mut self) -> Result<BTreeMap<String, String>> {
        let mut settings = BTreeMap::new();
        self.rows("SELECT name, value FROM freshet_settings", |row| {
            settings.insert(row.get(0), row.get(1));
            Ok(())
        })?;
        table_settings::check_version(&settings)?;
        Ok(settings)
    }

    /// What was forgotten of the tables' events.
    pub fn forgotten(&mut self) -> Result<Forgotten> {
        forgotten::stored(&mut self.transaction)
    }

    /// The one number that a query returns, its parameters being texts.
    pub fn number(&mut self, query: &str, parameters: &[&str]) -> Result<i64> {
        let parameters: Vec<_> = parameters.iter().map(|text| (text as &(dyn ToSql + Sync), Type::TEXT)).collect();
        Ok(db_result(self.transaction.query_typed_one(query, &parameters))?.get(0))
    }

    /// Calls `each` with the rows of a query one after the other: a large table need not fit into memory twice.
    pub fn rows(&mut self, query: &str, each: impl FnMut(&Row) -> Result<()>) -> Result<()> {
        self.rows_with(query, &[], each)
    }

    /// The same for a query whose parameters are texts.
    pub fn rows_with(
        &mut self,
        query: &str,
        parameters: &[&str],
        mut each: impl FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        let parameters = parameters.iter().map(|text| (*text, Type::TEXT));
        let mut rows = db_result(self.transaction.query_typed_raw(query, parameters))?;
        while let Some(row) = db_result(rows.next())? {
            each(&row)?;
        }
        Ok(())
    }
}
