//! Texts by number, so that what is kept of each key is small and quick to compare.

use hashbrown::DefaultHashBuilder;
use indexmap::IndexSet;
use roaring::RoaringBitmap;

use crate::{OTHERS, SharedStr, Text};

/// What stands for a text: a whole number for itself, as most ids are; from here on, a place in the interner.
const FIRST: u32 = 1 << 31;

/// The texts of one worker, each under a number of its own, in the order in which they came. Another worker has other
/// numbers, so they stay in it.
///
/// Nothing is ever taken out: a text is kept as long as there is a count of it, and counts are kept for ever.
pub(crate) struct Interner {
    texts: IndexSet<Text, DefaultHashBuilder>,
    /// The numbers of members that stand for those that were not admitted.
    others: RoaringBitmap,
}

impl Default for Interner {
    fn default() -> Self {
        Interner { texts: IndexSet::from_iter([Text::from(OTHERS)]), others: RoaringBitmap::from_iter([FIRST]) }
    }
}

impl Interner {
    /// The number of this text, if it has one.
    pub fn find(&self, text: &Text) -> Option<u32> {
        match text {
            Text::Number(number) if *number < u64::from(FIRST) => Some(*number as u32),
            text => self.texts.get_index_of(text).map(|place| FIRST + place as u32),
        }
    }

    /// The number of this text, from now on if it is new.
    pub fn intern(&mut self, text: Text) -> u32 {
        match text {
            Text::Number(number) if number < u64::from(FIRST) => number as u32,
            text => {
                let place = u32::try_from(self.texts.insert_full(text).0).ok().filter(|place| *place < FIRST);
                FIRST + place.expect("fewer than two thousand million texts on a worker")
            }
        }
    }

    /// The same of a member that stands for those that were not admitted.
    pub fn intern_others(&mut self, text: Text) -> u32 {
        let number = self.intern(text);
        self.others.insert(number);
        number
    }

    /// Whether this is the number of such a member.
    pub fn is_others(&self, number: u32) -> bool {
        number >= FIRST && self.others.contains(number)
    }

    /// The text of a number that was given out.
    pub fn resolve(&self, number: u32) -> Text<&SharedStr> {
        match number.checked_sub(FIRST) {
            Some(place) => self.texts[place as usize].as_ref(),
            None => Text::Number(u64::from(number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_a_number_of_its_own() {
        let mut interner = Interner::default();
        let texts = ["0", "85", "2147483647", "2147483648", "18446744073709551615", "007", "", "a", "Ä"];
        let numbers = texts.map(|text| interner.intern(Text::from(text)));
        for (text, number) in texts.into_iter().zip(numbers) {
            assert_eq!(interner.resolve(number).cloned(), Text::from(text));
            assert_eq!(interner.intern(Text::from(text)), number, "{text}");
        }
        assert_eq!(numbers.into_iter().collect::<std::collections::BTreeSet<_>>().len(), texts.len());
    }
}
