//! A set of days.

use smallvec::SmallVec;

use super::Seen;
use crate::Day;

/// Days, as bits: those of a year take a hundred bytes, and single ones far apart sixteen each.
#[derive(Debug, Default)]
pub(super) struct Days(SmallVec<[(i32, u64); 1]>);

impl Days {
    /// Adds a day, or removes it.
    pub fn set(&mut self, Day(day): Day, is_in: bool) {
        let (word, bit) = (day.div_euclid(64), 1 << day.rem_euclid(64));
        match (self.0.binary_search_by_key(&word, |(word, _)| *word), is_in) {
            (Ok(place), true) => self.0[place].1 |= bit,
            (Ok(place), false) => {
                self.0[place].1 &= !bit;
                if self.0[place].1 == 0 {
                    self.0.remove(place);
                }
            }
            (Err(place), true) => self.0.insert(place, (word, bit)),
            (Err(_), false) => {}
        }
    }

    /// The first and the last of them.
    pub fn seen(&self) -> Option<Seen> {
        let ((first, least), (last, greatest)) = self.0.first().zip(self.0.last())?;
        let day = |word: &i32, bit: u32| Day(word * 64 + bit as i32);
        Some(Seen { first: day(first, least.trailing_zeros()), last: day(last, greatest.ilog2()) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn first_and_last_are_those_of_a_set(
            days in prop::collection::vec((prop_oneof![-3..3i32, 60..70i32, Just(18_000)], any::<bool>()), 0..40),
        ) {
            let (mut set, mut expected) = (Days::default(), BTreeSet::new());
            for (day, is_in) in days {
                set.set(Day(day), is_in);
                if is_in { expected.insert(Day(day)) } else { expected.remove(&Day(day)) };
                let seen = expected.first().zip(expected.last()).map(|(first, last)| Seen { first: *first, last: *last });
                prop_assert_eq!(set.seen(), seen);
            }
        }
    }
}
