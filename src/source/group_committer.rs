//! Commits to the consumer group how far the tables are, for the tools that watch groups.
//!
//! In a thread of its own, which waits for the answer: librdkafka reports the error of a commit only to the waiting
//! caller.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};

use super::context::Context;

/// How long to wait at the end for the answer to the last commit. It is for others, so it must not delay a stop.
const LAST_COMMIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The ends of the channels to the thread.
pub(super) struct GroupCommitter {
    offsets: Sender<TopicPartitionList>,
    /// Carries nothing: it is closed when the thread ends.
    ended: Receiver<()>,
}

impl GroupCommitter {
    /// Starts the thread.
    pub fn spawn(client: Arc<BaseConsumer<Context>>) -> Result<GroupCommitter> {
        let (offsets, received) = channel::<TopicPartitionList>();
        let (end, ended) = channel();
        thread::Builder::new().name("group".into()).spawn(move || {
            for offsets in received {
                if let Err(error) = client.commit(&offsets, CommitMode::Sync) {
                    client.context().commit_failed(&error);
                }
            }
            drop((client, end));
        })?;
        Ok(GroupCommitter { offsets, ended })
    }

    /// Commits these offsets, sooner or later: without a broker it waits for one.
    pub fn commit(&self, offsets: TopicPartitionList) {
        // Fails only if the thread has panicked, which has ended the process.
        let _ = self.offsets.send(offsets);
    }

    /// Waits until everything is committed, but not for long.
    pub fn flush(self) {
        drop(self.offsets);
        // A broker that does not answer keeps nobody from stopping.
        let _ = self.ended.recv_timeout(LAST_COMMIT_TIMEOUT);
    }
}
