//! The notification of each commit, on the channel `freshet` of the database: how it is sent, and how it is heard.
//!
//! ```text
//! commit ──► pg_notify('freshet', Notice as JSON) ──► LISTEN freshet ──► Listener: only what the owner's session says
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;
use serde::{Deserialize, Serialize};
use tracing::debug;

use crate::batch::Progress;
use crate::database::{Schema, db_result};

/// SQL: whether there is room for a notice, as `is_there`. Without room the whole commit would fail.
pub const HAS_ROOM: &str = "SELECT pg_notification_queue_usage() < 0.9 AS is_there";
/// SQL: notifies with the text in the second parameter, if there is room.
pub const TELL: &str = "CASE WHEN is_there THEN
    pg_notify('freshet', (jsonb_build_object('schema', current_schema()) || $2::text::jsonb)::text) END";
const LISTEN: &str = "LISTEN freshet";

/// Postgres takes less than 8,000 bytes for a notice; what Postgres itself adds to one needs a few.
const NOTICE_BYTES_MAX: usize = 7_500;
/// A notice of an unknown session is a reason to look who writes the tables, but at most this often: anyone can send
/// one.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How far the tables are after a commit, as JSON. Postgres adds the `schema` of the tables, as a database may have
/// others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The schema of the tables.
    #[serde(default, skip_serializing)]
    pub schema: String,
    /// The topic.
    pub topic: String,
    /// The sum of all partitions' next offsets.
    pub next_offsets: i64,
    /// Records read.
    pub consumed: i64,
    /// Those that the reports count.
    pub counted: i64,
    /// Those of collections that are not counted.
    pub ignored: i64,
    /// Those that could not be counted.
    pub rejected: i64,
    /// Those of crawlers that were left out.
    #[serde(default)]
    pub bot: i64,
    /// The next offset of each partition that the commit moved; left out where those are too many for a notice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partitions: BTreeMap<i32, i64>,
}

impl Notice {
    /// The notice of a commit that moves partitions from where they were.
    pub fn new(topic: &str, before: &BTreeMap<i32, Progress>, after: &BTreeMap<i32, Progress>) -> Notice {
        let mut notice = Notice { topic: topic.to_owned(), ..Notice::default() };
        let unmoved = before.values().filter(|progress| !after.contains_key(&progress.partition));
        for Progress { next_offset, totals, .. } in unmoved.chain(after.values()) {
            notice.next_offsets += next_offset;
            notice.consumed += totals.consumed();
            notice.counted += totals.counted;
            notice.ignored += totals.ignored;
            notice.rejected += totals.rejected;
            notice.bot += totals.bot;
        }
        notice.partitions = after.iter().map(|(partition, progress)| (*partition, progress.next_offset)).collect();
        notice
    }

    /// The notice as JSON that Postgres takes.
    ///
    /// # Errors
    /// None that is known: all of it can be written as JSON.
    pub fn text(mut self) -> serde_json::Result<String> {
        let text = serde_json::to_string(&self)?;
        if text.len() <= NOTICE_BYTES_MAX {
            return Ok(text);
        }
        self.partitions.clear();
        serde_json::to_string(&self)
    }
}

/// What a session that listens knows of whose notices count. A pooler must not lend the session to others meanwhile.
pub struct Listener {
    /// Where the tables are.
    schema: Schema,
    /// The backend process of the owner's session, and when that was last looked up. No other session can send in its
    /// name.
    writer: i32,
    looked: Instant,
}

impl Listener {
    /// Makes this session listen to commits to the tables of this schema.
    pub fn start(client: &mut Client, schema: &Schema) -> Result<Listener> {
        db_result(client.batch_execute(LISTEN))?;
        Ok(Listener { schema: schema.clone(), writer: writer(client, schema)?, looked: Instant::now() })
    }

    /// The next commit, if there is one within this time. An error also if another session writes the tables now: one
    /// of its commits may have been ignored as foreign.
    pub fn next(&mut self, client: &mut Client, timeout: Duration) -> Result<Option<Notice>> {
        let notice = db_result(client.notifications().timeout_iter(timeout).next())?;
        match notice {
            Some(notice) if notice.process_id() == self.writer => Ok(self.understood(notice.payload())),
            Some(_) if self.looked.elapsed() < LOOK_INTERVAL => Ok(None),
            // A session that was lost is silent, too.
            Some(_) | None => self.look(client).map(|()| None),
        }
    }

    fn look(&mut self, client: &mut Client) -> Result<()> {
        self.looked = Instant::now();
        if writer(client, &self.schema)? != self.writer {
            bail!("another session writes the tables now");
        }
        Ok(())
    }

    /// The notice, if it is about these tables: a pooler may have lent the session to others since.
    fn understood(&self, text: &str) -> Option<Notice> {
        match serde_json::from_str::<Notice>(text) {
            Ok(notice) if notice.schema == self.schema.name() => Some(notice),
            Ok(_) => None,
            Err(error) => {
                debug!("ignored a notice that cannot be parsed: {error}");
                None
            }
        }
    }
}

/// The backend process whose commits count.
fn writer(client: &mut Client, schema: &Schema) -> Result<i32> {
    let query = format!("SELECT backend_pid FROM {}", schema.relation("freshet_owner"));
    let row = db_result(client.query_typed_opt(&query, &[]))?;
    Ok(row.map_or(0, |row| row.get(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Totals;

    fn progress(partition: i32, counted: i64) -> (i32, Progress) {
        let totals = Totals { counted, ..Totals::default() };
        (partition, Progress { partition, next_offset: counted + 10, totals, ..Progress::default() })
    }

    #[test]
    fn it_has_all_sums_and_moved_offsets() {
        let before = [progress(0, 1), progress(1, 2)].into();
        let notice = Notice::new("events", &before, &[progress(1, 5), progress(2, 7)].into());
        let expected = r#"{"topic":"events","next_offsets":43,"consumed":13,"counted":13,"ignored":0,"rejected":0,"bot":0,"partitions":{"1":15,"2":17}}"#;
        assert_eq!(notice.text().expect("JSON"), expected);
    }

    #[test]
    fn it_is_never_too_long() {
        let many = (0..2_000).map(|partition| progress(partition, i64::MAX >> 20)).collect();
        let text = Notice::new("events", &BTreeMap::new(), &many).text().expect("JSON");
        assert!(text.len() <= NOTICE_BYTES_MAX && !text.contains("partitions"), "{text}");
    }
}
