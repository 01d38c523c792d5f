//! Which records to look at: ranges spread over the partitions and over the age of their records.

use std::collections::BTreeMap;

use crate::source::Watermarks;
use crate::source::offset_range::OffsetRange;

/// Ranges of a partition's sample: the first has its oldest records, the last its newest.
const RANGES: u64 = 10;

/// The ranges, in rounds that hold at most one of each partition. A partition's part of the sample is proportional to its
/// length.
pub fn rounds(partitions: &BTreeMap<i32, Watermarks>, records: u64) -> Vec<Vec<OffsetRange>> {
    let total: u64 = partitions.values().map(length).sum();
    let records = records.min(total);
    let mut rounds: Vec<Vec<OffsetRange>> = vec![Vec::new(); RANGES as usize];
    let mut before = 0;
    for (partition, watermarks) in partitions {
        let after = before + length(watermarks);
        let part = share(records, after, total) - share(records, before, total);
        before = after;
        for (round, range) in rounds.iter_mut().zip(ranges(*partition, watermarks, part)) {
            round.push(range);
        }
    }
    rounds
}

/// How many offsets a partition has.
pub fn length(watermarks: &Watermarks) -> u64 {
    u64::try_from(watermarks.high - watermarks.low).unwrap_or(0)
}

/// Ranges with this many records of a partition, without overlaps.
fn ranges(partition: i32, watermarks: &Watermarks, records: u64) -> Vec<OffsetRange> {
    let skipped = length(watermarks) - records;
    let parts = if skipped == 0 { records.min(1) } else { records.min(RANGES) };
    let begin = |part: u64| {
        let offset = share(skipped, part, parts.saturating_sub(1).max(1)) + share(records, part, parts);
        watermarks.low + offset.cast_signed()
    };
    let range = |part| OffsetRange {
        partition,
        from: begin(part),
        until: if part + 1 == parts { watermarks.high } else { begin(part + 1) },
        records: share(records, part + 1, parts) - share(records, part, parts),
    };
    (0..parts).map(range).collect()
}

/// `number * part / whole`, without overflow; 0 if `whole` is 0.
fn share(number: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(number) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked_at(partitions: &[(i64, i64)], records: u64) -> Vec<OffsetRange> {
        let watermarks = |&(low, high): &(i64, i64)| Watermarks { low, high };
        rounds(&(0..).zip(partitions.iter().map(watermarks)).collect(), records).concat()
    }

    #[test]
    fn a_sample_has_no_record_twice() {
        for records in [1, 7, 100, 9_999, 10_000, 50_000] {
            for partitions in [&[(0, 20_000)][..], &[(0, 1), (5, 5), (100, 10_000), (7, 60)]] {
                let mut ranges = looked_at(partitions, records);
                let there: i64 = partitions.iter().map(|(low, high)| high - low).sum();
                let sum: u64 = ranges.iter().map(|range| range.records).sum();
                assert_eq!(sum, records.min(there.cast_unsigned()), "{records} of {partitions:?}");
                ranges.sort_by_key(|range| (range.partition, range.from));
                for pair in ranges.windows(2).filter(|pair| pair[0].partition == pair[1].partition) {
                    assert!(pair[0].from + pair[0].records.cast_signed() <= pair[1].from, "{pair:?}");
                    assert_eq!(pair[0].until, pair[1].from);
                }
            }
        }
    }

    #[test]
    fn it_reaches_from_the_oldest_to_the_newest() {
        let ranges = looked_at(&[(50, 100_050), (0, 1_000_000)], 1_100);
        let of = |partition| ranges.iter().filter(move |range| range.partition == partition);
        assert_eq!((of(0).count(), of(1).count()), (10, 10));
        assert_eq!(of(0).map(|range| range.from).min(), Some(50));
        assert_eq!(of(0).map(|range| range.from + range.records.cast_signed()).max(), Some(100_050));
    }
}
