//! Word of each commit, as Postgres gives it to whoever listens.

use std::time::Duration;

use anyhow::Result;
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;
use tracing::debug;

use crate::database::{Target, connect, explained};
use crate::notice::Notice;

/// A session that listens.
pub struct Commits {
    client: Client,
    schema: String,
}

impl Commits {
    /// Listens from now on.
    pub fn listen(target: &Target) -> Result<Commits> {
        let mut client = connect(target)?;
        explained(client.batch_execute("SET default_transaction_read_only = on; LISTEN freshet"))?;
        let schema: Option<String> = explained(client.query_one("SELECT current_schema()::text", &[]))?.get(0);
        Ok(Commits { client, schema: schema.unwrap_or_default() })
    }

    /// The next commit to these tables, if there is one within this time.
    pub fn next(&mut self, patience: Duration) -> Result<Option<Notice>> {
        let notice = explained(self.client.notifications().timeout_iter(patience).next())?;
        match notice {
            Some(notice) => Ok(self.understood(notice.payload())),
            // Silence is also how a session that was lost sounds.
            None => explained(self.client.simple_query("")).map(|_| None),
        }
    }

    /// What was said, if it was said of these tables: others may stand in the same database, and anybody may notify.
    fn understood(&self, text: &str) -> Option<Notice> {
        match serde_json::from_str::<Notice>(text) {
            Ok(notice) if notice.schema == self.schema => Some(notice),
            Ok(_) => None,
            Err(error) => {
                debug!("a notice that nobody understands: {error}");
                None
            }
        }
    }
}
