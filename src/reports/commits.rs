//! The notification of each commit, as Postgres gives it to listeners.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use dataflows::model::Model;
use postgres::fallible_iterator::FallibleIterator;
use tracing::debug;

use super::{Reader, Snapshot};
use crate::database::{Target, db_result};
use crate::notice::Notice;

/// A notice of an unknown session is a reason to look who writes the tables, but not as often as others would like.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A session that listens, which a pooler must not lend to others meanwhile.
pub struct Commits {
    reader: Reader,
    /// The process of Postgres that the owner's session has, and when that was last asked for. No other session can send in
    /// its name.
    writer: i32,
    looked: Instant,
}

impl Commits {
    /// Listens from now on.
    pub fn listen(target: &Target, patience: Duration, model: Arc<Model>) -> Result<Commits> {
        let mut reader = Reader::connect(target, patience, model)?;
        db_result(reader.client.batch_execute("LISTEN freshet"))?;
        Ok(Commits { writer: writer(&mut reader)?, reader, looked: Instant::now() })
    }

    /// All tables as they are now. What is committed meanwhile is heard of afterwards.
    pub fn snapshot(&mut self) -> Result<Snapshot<'_>> {
        self.reader.snapshot()
    }

    /// The next commit to these tables, if there is one within this time. An error also if another session writes them now:
    /// a commit of it may have been taken for somebody else's noise.
    pub fn next(&mut self, patience: Duration) -> Result<Option<Notice>> {
        let notice = db_result(self.reader.client.notifications().timeout_iter(patience).next())?;
        match notice {
            Some(notice) if notice.process_id() == self.writer => Ok(self.understood(notice.payload())),
            Some(_) if self.looked.elapsed() < LOOK_INTERVAL => Ok(None),
            // Silence is also how a session that was lost sounds.
            Some(_) | None => self.look().map(|()| None),
        }
    }

    fn look(&mut self) -> Result<()> {
        self.looked = Instant::now();
        if writer(&mut self.reader)? != self.writer {
            bail!("another session writes the tables now");
        }
        Ok(())
    }

    /// What was said, if it was said of these tables: a pooler may have lent the session for others since.
    fn understood(&self, text: &str) -> Option<Notice> {
        match serde_json::from_str::<Notice>(text) {
            Ok(notice) if notice.schema == self.reader.schema.name() => Some(notice),
            Ok(_) => None,
            Err(error) => {
                debug!("a notice that nobody understands: {error}");
                None
            }
        }
    }
}

/// The process of Postgres whose commits count.
fn writer(reader: &mut Reader) -> Result<i32> {
    let query = format!("SELECT backend_pid FROM {}", reader.schema.relation("freshet_owner"));
    let row = db_result(reader.client.query_typed_opt(&query, &[]))?;
    Ok(row.map_or(0, |row| row.get(0)))
}
