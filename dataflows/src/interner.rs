//! Texts by number, so that what is kept of each key is small and quick to compare.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use indexmap::IndexMap;
use indexmap::map::raw_entry_v1::{RawEntryApiV1, RawEntryMut};

use crate::key::MEMBER_BITS;
use crate::{SharedStr, Text};

/// What stands for a text: a whole number for itself, as most ids are; from here on, a place in the interner.
const FIRST: u32 = 1 << (MEMBER_BITS - 1);

/// From here on, a place among the members that stand for those that were not admitted.
const FIRST_OTHERS: u32 = 3 << (MEMBER_BITS - 2);

/// The texts of one worker, each under a number of its own, in the order in which they came. Another worker has other
/// numbers, so they stay in it.
///
/// Nothing is ever taken out: a text is kept as long as there is a count of it, and counts are kept for ever.
#[derive(Default)]
pub(crate) struct Interner {
    texts: Places,
    others: Places,
}

type Places = IndexMap<Text, (), DefaultHashBuilder>;

/// A text that has no number yet, by its hash.
pub(crate) struct Unknown {
    hash: u64,
}

impl Interner {
    /// The number of this text, if it has one.
    pub fn find(&self, text: &Text) -> Result<u32, Unknown> {
        match text {
            Text::Number(number) if *number < u64::from(FIRST) => Ok(*number as u32),
            text => {
                let hash = self.texts.hasher().hash_one(text);
                let place = self.texts.raw_entry_v1().index_from_hash(hash, |known| known == text);
                place.map(|place| FIRST + place as u32).ok_or(Unknown { hash })
            }
        }
    }

    /// The number of a text that was looked for, from now on if it has none.
    pub fn intern_found(&mut self, found: Result<u32, Unknown>, text: Text) -> u32 {
        found.unwrap_or_else(|Unknown { hash }| FIRST + place_of(&mut self.texts, hash, text))
    }

    /// The number of this text, from now on if it is new.
    pub fn intern(&mut self, text: Text) -> u32 {
        let found = self.find(&text);
        self.intern_found(found, text)
    }

    /// The same of a member that stands for those that were not admitted.
    pub fn intern_others(&mut self, text: Text) -> u32 {
        let hash = self.others.hasher().hash_one(&text);
        FIRST_OTHERS + place_of(&mut self.others, hash, text)
    }

    /// Whether this is the number of such a member.
    pub fn is_others(&self, number: u32) -> bool {
        number >= FIRST_OTHERS
    }

    /// The text of a number that was given out.
    pub fn resolve(&self, number: u32) -> Text<&SharedStr> {
        let (texts, first) = match number {
            0..FIRST => return Text::Number(u64::from(number)),
            FIRST..FIRST_OTHERS => (&self.texts, FIRST),
            FIRST_OTHERS.. => (&self.others, FIRST_OTHERS),
        };
        texts.get_index((number - first) as usize).expect("a number that was given out").0.as_ref()
    }
}

/// The place of a text with this hash, the last one if it is new.
fn place_of(texts: &mut Places, hash: u64, text: Text) -> u32 {
    let next = texts.len();
    let place = match texts.raw_entry_mut_v1().from_key_hashed_nocheck(hash, &text) {
        RawEntryMut::Occupied(known) => known.index(),
        RawEntryMut::Vacant(place) => {
            place.insert_hashed_nocheck(hash, text, ());
            next
        }
    };
    u32::try_from(place)
        .ok()
        .filter(|place| *place < FIRST_OTHERS - FIRST)
        .expect("fewer than 268 million texts on a worker")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_a_number_of_its_own() {
        let mut interner = Interner::default();
        let texts = ["0", "85", "536870911", "536870912", "18446744073709551615", "007", "", "a", "Ä"];
        let numbers = texts.map(|text| interner.intern(Text::from(text)));
        for (text, number) in texts.into_iter().zip(numbers) {
            assert_eq!(interner.resolve(number).cloned(), Text::from(text));
            assert_eq!(interner.intern(Text::from(text)), number, "{text}");
        }
        assert_eq!(numbers.into_iter().collect::<std::collections::BTreeSet<_>>().len(), texts.len());
    }
}
