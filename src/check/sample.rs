//! Which records to look at: stretches spread over the partitions and over the age of their records.

use std::collections::BTreeMap;

use crate::source::Bounds;
use crate::source::offset_range::Stretch;

/// Into so many stretches the sample of a partition is parted, the first with its oldest records, the last with its
/// newest.
const STRETCHES: u64 = 10;

/// The stretches, in rounds that hold at most one of each partition. Each partition has a part of the sample that
/// follows its length.
pub fn rounds(partitions: &BTreeMap<i32, Bounds>, records: u64) -> Vec<Vec<Stretch>> {
    let total: u64 = partitions.values().map(length).sum();
    let records = records.min(total);
    let mut rounds: Vec<Vec<Stretch>> = vec![Vec::new(); STRETCHES as usize];
    let mut before = 0;
    for (partition, bounds) in partitions {
        let after = before + length(bounds);
        let part = share(records, after, total) - share(records, before, total);
        before = after;
        for (round, stretch) in rounds.iter_mut().zip(stretches(*partition, bounds, part)) {
            round.push(stretch);
        }
    }
    rounds
}

/// How many offsets a partition has.
pub fn length(bounds: &Bounds) -> u64 {
    u64::try_from(bounds.high - bounds.low).unwrap_or(0)
}

/// The stretches that look at so many records of a partition. None overlaps another.
fn stretches(partition: i32, bounds: &Bounds, records: u64) -> Vec<Stretch> {
    let skipped = length(bounds) - records;
    let parts = if skipped == 0 { records.min(1) } else { records.min(STRETCHES) };
    let begin = |part: u64| {
        let offset = share(skipped, part, parts.saturating_sub(1).max(1)) + share(records, part, parts);
        bounds.low + offset.cast_signed()
    };
    let stretch = |part| Stretch {
        partition,
        from: begin(part),
        until: if part + 1 == parts { bounds.high } else { begin(part + 1) },
        records: share(records, part + 1, parts) - share(records, part, parts),
    };
    (0..parts).map(stretch).collect()
}

/// `number * part / whole`, without overflow; 0 of nothing.
fn share(number: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(number) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked_at(partitions: &[(i64, i64)], records: u64) -> Vec<Stretch> {
        let bounds = |&(low, high): &(i64, i64)| Bounds { low, high };
        rounds(&(0..).zip(partitions.iter().map(bounds)).collect(), records).concat()
    }

    #[test]
    fn the_sample_has_its_size_and_no_record_twice() {
        for records in [1, 7, 100, 9_999, 10_000, 50_000] {
            for partitions in [&[(0, 20_000)][..], &[(0, 1), (5, 5), (100, 10_000), (7, 60)]] {
                let mut stretches = looked_at(partitions, records);
                let there: i64 = partitions.iter().map(|(low, high)| high - low).sum();
                let sum: u64 = stretches.iter().map(|stretch| stretch.records).sum();
                assert_eq!(sum, records.min(there.cast_unsigned()), "{records} of {partitions:?}");
                stretches.sort_by_key(|stretch| (stretch.partition, stretch.from));
                for pair in stretches.windows(2).filter(|pair| pair[0].partition == pair[1].partition) {
                    assert!(pair[0].from + pair[0].records.cast_signed() <= pair[1].from, "{pair:?}");
                    assert_eq!(pair[0].until, pair[1].from);
                }
            }
        }
    }

    #[test]
    fn it_reaches_from_the_oldest_to_the_newest() {
        let stretches = looked_at(&[(50, 100_050), (0, 1_000_000)], 1_100);
        let of = |partition| stretches.iter().filter(move |stretch| stretch.partition == partition);
        assert_eq!((of(0).count(), of(1).count()), (10, 10));
        assert_eq!(of(0).map(|stretch| stretch.from).min(), Some(50));
        assert_eq!(of(0).map(|stretch| stretch.from + stretch.records.cast_signed()).max(), Some(100_050));
    }
}
