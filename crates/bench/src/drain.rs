//! The pure drain: what reading alone costs a program that polls rdkafka for one record after the other, as its examples
//! do. Consumers with Freshet's settings, split over threads as its workers are, take every record and do nothing with it.
//! It runs in a process of its own, so that it is measured like the program.

use std::thread;

use anyhow::{Result, anyhow, ensure};
use rdkafka::ClientConfig;

use super::reader;

/// What to drain.
pub struct Drain {
    /// The configuration of Freshet's consumers.
    pub consumer: ClientConfig,
    /// The topic.
    pub topic: String,
    /// How many threads share its partitions.
    pub workers: u16,
    /// How many records there are.
    pub records: u64,
}

/// Takes every record that the topic holds.
pub fn drain(drain: &Drain) -> Result<()> {
    let partitions = reader::partitions(&drain.consumer, &drain.topic)?;
    let workers = i32::from(drain.workers);
    let records = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|worker| {
                let mine: Vec<i32> = partitions.iter().copied().filter(|it| it % workers == worker).collect();
                scope.spawn(move || take_all(drain, &mine))
            })
            .collect();
        let taken = workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a thread panicked"))?);
        taken.sum::<Result<u64>>()
    })?;
    ensure!(records == drain.records, "{records} of {} records were there to drain", drain.records);
    Ok(())
}

/// Takes all records of these partitions.
fn take_all(drain: &Drain, partitions: &[i32]) -> Result<u64> {
    let mut records = 0;
    reader::read(&drain.consumer, &drain.topic, partitions, |_| {
        records += 1;
        Ok(())
    })?;
    Ok(records)
}
