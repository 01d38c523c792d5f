//! Reading ranges of partitions to their end, for looking at records without keeping up with them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Consumer, Fetched, Item, Position, Record, Settings};

/// How long to wait for one record or end.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// How long Kafka may send nothing at all.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// A range of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetRange {
    /// The partition.
    pub partition: i32,
    /// Its first offset.
    pub from: i64,
    /// The offset after its last one.
    pub until: i64,
    /// Records of it that are read at most.
    pub records: u64,
}

/// Calls `each` with the records of these ranges, each of another partition. Ends where they end, or at the end of the
/// partition, if that comes first.
pub fn read(settings: &Settings, ranges: &[OffsetRange], mut each: impl FnMut(Record<'_>) -> Result<()>) -> Result<()> {
    let ranges = ranges.iter().filter(|range| range.from < range.until && range.records > 0);
    let mut open: BTreeMap<i32, OffsetRange> = ranges.map(|range| (range.partition, *range)).collect();
    if open.is_empty() {
        return Ok(());
    }
    let consumer = Consumer::new(settings)?;
    let position = |it: &OffsetRange| Position { partition: it.partition, offset: it.from, leader_epoch: None };
    consumer.assign(open.values().map(position))?;
    let mut heard = Instant::now();
    while !open.is_empty() {
        let taken = consumer.wait(POLL_TIMEOUT)?;
        if !taken.is_empty() {
            heard = Instant::now();
        } else if heard.elapsed() >= SILENCE_TIMEOUT {
            bail!("no record came from Kafka for {} s; is it running?", SILENCE_TIMEOUT.as_secs());
        }
        for item in taken.items() {
            let ended = match item {
                Item::Record(record) => give_record(&mut open, record, &mut each)?.then_some(record.partition),
                Item::End(partition, _) => Some(partition),
            };
            if let Some(partition) = ended
                && open.remove(&partition).is_some()
            {
                consumer.release([partition])?;
            }
        }
    }
    Ok(())
}

/// Records of a partition that are no more offsets apart are read in one range.
const RANGE_GAP_MAX: i64 = 500;

/// Calls `each` with the records at these places, partition and offset, as far as there are any; `read` reads ranges.
/// All must be within the watermarks of their partition.
pub fn read_at(
    read: impl Fn(&[OffsetRange], &mut dyn FnMut(Record<'_>) -> Result<()>) -> Result<()>,
    places: &BTreeSet<(i32, i64)>,
    mut each: impl FnMut(Record<'_>) -> Result<()>,
) -> Result<()> {
    let mut rest: BTreeMap<i32, VecDeque<OffsetRange>> = BTreeMap::new();
    for &(partition, offset) in places {
        let ranges = rest.entry(partition).or_default();
        match ranges.back_mut() {
            Some(last) if offset - last.until <= RANGE_GAP_MAX => last.until = offset + 1,
            _ => ranges.push_back(OffsetRange { partition, from: offset, until: offset + 1, records: u64::MAX }),
        }
    }
    loop {
        let next: Vec<_> = rest.values_mut().filter_map(VecDeque::pop_front).collect();
        if next.is_empty() {
            return Ok(());
        }
        read(&next, &mut |record| {
            if places.contains(&(record.partition, record.offset)) { each(record) } else { Ok(()) }
        })?;
    }
}

/// Passes a record on, if its range holds it. True if the range ends with it.
fn give_record(
    open: &mut BTreeMap<i32, OffsetRange>,
    record: Record<'_>,
    each: &mut impl FnMut(Record<'_>) -> Result<()>,
) -> Result<bool> {
    let Some(range) = open.get_mut(&record.partition) else { return Ok(false) };
    if record.offset < range.until {
        each(record)?;
        range.records -= 1;
    }
    Ok(record.offset + 1 >= range.until || range.records == 0)
}
