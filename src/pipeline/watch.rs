//! Watches the topic while it is read: whether it is still the same, and whether it has new partitions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use tracing::{debug, info, warn};

use super::plan::{Policy, first, resume};
use crate::batch::{Progress, TopicIdentity};
use crate::engine::Assignment;
use crate::failure::Failure;
use crate::source::{Presence, Topic, another_topic};

/// How often the topic's id is asked for.
const REFRESH_INTERVAL: Duration = Duration::from_secs(2);
/// How often to look for new partitions.
const PARTITIONS_INTERVAL: Duration = Duration::from_secs(10);
/// How long a topic may be missing before it counts as deleted: a broker may have passing trouble.
const GONE_TIMEOUT: Duration = Duration::from_secs(10);

/// A thread that asks for the topic's id; it ends soon after this is dropped.
pub(super) struct IdentityWatch {
    is_over: Arc<AtomicBool>,
}

impl IdentityWatch {
    /// Ends the run by `result` once the topic has another id, or is deleted; a run that may continue with another topic
    /// ends only once that exists.
    pub fn start(
        topic: Arc<Topic>,
        identity: TopicIdentity,
        policy: Policy,
        result: Sender<Result<()>>,
    ) -> Result<IdentityWatch> {
        let is_over = Arc::new(AtomicBool::new(false));
        let watch = IdentityWatch { is_over: is_over.clone() };
        thread::Builder::new().name("topic".into()).spawn(move || {
            let mut gone = None;
            while !is_over.load(Ordering::Relaxed) {
                if let Err(error) = look(&topic, &identity, policy, &mut gone) {
                    // The receiver is gone if the process is about to end.
                    let _ = result.send(Err(error));
                    return;
                }
                thread::park_timeout(REFRESH_INTERVAL);
            }
        })?;
        Ok(watch)
    }
}

impl Drop for IdentityWatch {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn look(topic: &Topic, identity: &TopicIdentity, policy: Policy, gone: &mut Option<Instant>) -> Result<()> {
    match topic.presence() {
        Ok(Presence::There(now)) if now.differs(identity) => Err(another_topic(topic.name()).into()),
        Ok(Presence::There(_)) => {
            if gone.take().is_some() {
                info!("topic '{}' exists again", topic.name());
            }
            Ok(())
        }
        Ok(Presence::Gone) => {
            if gone.is_none() {
                warn!("Kafka reports that topic '{}' no longer exists", topic.name());
            }
            let since = *gone.get_or_insert_with(Instant::now);
            if policy.skip_lost || since.elapsed() < GONE_TIMEOUT { Ok(()) } else { Err(deleted(topic.name()).into()) }
        }
        Ok(Presence::Unknown(why)) => {
            debug!("the topic's id cannot be asked for: {why}");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn deleted(name: &str) -> Failure {
    Failure::OffsetsLost(format!(
        "topic '{name}' was deleted; create it again and give --on-lost-offsets earliest to count the new topic too, or \
         give --database-url an empty database to count again"
    ))
}

/// The partitions that are read, and those that are not yet.
pub(super) struct Partitions {
    topic: Arc<Topic>,
    /// Those that are read.
    known: Vec<i32>,
    /// Where the tables stood at the start.
    stored: BTreeMap<i32, Progress>,
    /// When new ones were last looked for.
    looked: Instant,
}

impl Partitions {
    /// `known` are those that are read already.
    pub fn new(topic: Arc<Topic>, known: Vec<i32>, stored: BTreeMap<i32, Progress>) -> Partitions {
        Partitions { topic, known, stored, looked: Instant::now() }
    }

    /// Partitions that are new, or have a leader again, if it is time to look for them. One that cannot be queried now is
    /// queried again later.
    pub fn look_for_new(&mut self) -> Result<Vec<Assignment>> {
        if self.looked.elapsed() < PARTITIONS_INTERVAL {
            return Ok(Vec::new());
        }
        self.looked = Instant::now();
        let leaders = match self.topic.leaders() {
            Ok(leaders) => leaders,
            Err(error) => {
                debug!("new partitions cannot be looked for: {error:#}");
                return Ok(Vec::new());
            }
        };
        let is_missing = |partition: &i32| !self.known.contains(partition);
        let led = leaders.into_iter().filter(|(_, is_led)| *is_led).map(|(partition, _)| partition);
        let missing: Vec<i32> = led.filter(is_missing).collect();
        let Ok(watermarks) = self.topic.watermarks_of(missing) else { return Ok(Vec::new()) };
        let mut new = Vec::new();
        for (partition, watermarks) in watermarks {
            let progress = match self.stored.get(&partition) {
                Some(progress) => resume(&self.topic, progress, watermarks)?,
                None => first(partition, watermarks.low),
            };
            new.push(Assignment { progress, end: watermarks.high });
            self.known.push(partition);
            let what = if self.stored.contains_key(&partition) { "has a leader again" } else { "is new" };
            info!("reading partition {partition}, which {what}");
        }
        Ok(new)
    }
}
