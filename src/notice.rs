//! The notification of each commit, on the channel `freshet` of the database (`LISTEN freshet`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::batch::Progress;

/// Postgres takes less than 8,000 bytes for a notice; what Postgres itself adds to one needs a few.
const NOTICE_BYTES_MAX: usize = 7_500;

/// How far the tables are by a commit, as JSON. Postgres adds the `schema` of the tables, as a database may have others.
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
    /// Of a commit that moves partitions from where they were.
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
