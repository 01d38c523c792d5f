//! Reading stretches of partitions to their end, for whoever looks at records without keeping up with them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Consumer, Polled, Taken};

/// How long to wait for one record or end.
const WAIT: Duration = Duration::from_millis(100);
/// How long Kafka may give nothing at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stretch of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The partition.
    pub partition: i32,
    /// Its first offset.
    pub from: i64,
    /// The offset after its last one.
    pub until: i64,
    /// At most so many records of it.
    pub records: u64,
}

/// Gives the records of these stretches, of which no two may be of one partition. Ends where they end, or at the end
/// of the partition, if that comes first.
pub fn read(consumer: &Consumer, stretches: &[Stretch], mut each: impl FnMut(&Taken<'_>) -> Result<()>) -> Result<()> {
    let stretches = stretches.iter().filter(|stretch| stretch.from < stretch.until && stretch.records > 0);
    let mut open: BTreeMap<i32, Stretch> = stretches.map(|stretch| (stretch.partition, *stretch)).collect();
    consumer.assign(open.values().map(|stretch| (stretch.partition, stretch.from)))?;
    let mut heard = Instant::now();
    while !open.is_empty() {
        let ended = match consumer.wait(WAIT)? {
            Polled::Record(record) => {
                heard = Instant::now();
                take(&mut open, &record, &mut each)?.then_some(record.partition())
            }
            Polled::End(partition) => Some(partition),
            Polled::Nothing if heard.elapsed() >= PATIENCE => {
                bail!("Kafka has given no record for {} s; is it running?", PATIENCE.as_secs())
            }
            Polled::Nothing => None,
        };
        if let Some(partition) = ended
            && open.remove(&partition).is_some()
        {
            consumer.release([partition])?;
        }
    }
    Ok(())
}

/// Gives a record on, if its stretch holds it. True if the stretch ends with it.
fn take(
    open: &mut BTreeMap<i32, Stretch>,
    record: &Taken<'_>,
    each: &mut impl FnMut(&Taken<'_>) -> Result<()>,
) -> Result<bool> {
    let Some(stretch) = open.get_mut(&record.partition()) else { return Ok(false) };
    if record.offset() < stretch.until {
        each(record)?;
        stretch.records -= 1;
    }
    Ok(record.offset() + 1 >= stretch.until || stretch.records == 0)
}
