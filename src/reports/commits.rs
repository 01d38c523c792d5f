//! Word of each commit, as Postgres gives it to whoever listens.

use std::time::Duration;

use anyhow::Result;
use postgres::fallible_iterator::FallibleIterator;
use tracing::debug;

use super::{Reader, Snapshot};
use crate::database::{Target, explained};
use crate::notice::Notice;

/// A session that listens, which a pooler must not lend to others meanwhile.
pub struct Commits {
    reader: Reader,
    schema: String,
}

impl Commits {
    /// Listens from now on.
    pub fn listen(target: &Target, patience: Duration) -> Result<Commits> {
        let mut reader = Reader::connect(target, patience)?;
        explained(reader.client.batch_execute("LISTEN freshet"))?;
        let query = "SELECT current_schema()::text";
        let schema: Option<String> = explained(reader.client.query_typed_one(query, &[]))?.get(0);
        Ok(Commits { reader, schema: schema.unwrap_or_default() })
    }

    /// All tables as they are now. What is committed meanwhile is heard of afterwards.
    pub fn snapshot(&mut self) -> Result<Snapshot<'_>> {
        self.reader.snapshot()
    }

    /// The next commit to these tables, if there is one within this time.
    pub fn next(&mut self, patience: Duration) -> Result<Option<Notice>> {
        let notice = explained(self.reader.client.notifications().timeout_iter(patience).next())?;
        match notice {
            Some(notice) => Ok(self.understood(notice.payload())),
            // Silence is also how a session that was lost sounds.
            None => explained(self.reader.client.simple_query("")).map(|_| None),
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
