//! Texts by number, so that what is kept of each key is small and quick to compare.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use roaring::RoaringBitmap;

use crate::key::MEMBER_BITS;
use crate::{SharedStr, Text};

/// Below this a number stands for itself, as most ids are whole numbers; from here on, for a place in the interner.
const FIRST_PLACE: u32 = 1 << (MEMBER_BITS - 1);

/// From here on, a place among the members that stand for those that were not admitted.
const FIRST_OTHERS_PLACE: u32 = 3 << (MEMBER_BITS - 2);

/// The texts of one worker, each under a number of its own, in the order in which they came. Another worker has other
/// numbers, so they never leave it.
///
/// A text is kept as long as there is a count of it. Now and then the live ones are marked to find the rest; until that
/// ends, a text that is looked up counts as live.
#[derive(Default)]
pub(crate) struct Interner {
    texts: Places,
    others: Places,
    /// The numbers that were looked up since marking began.
    marked: Option<RoaringBitmap>,
}

/// Texts by their places, which are reused.
#[derive(Default)]
struct Places {
    by_hash: HashTable<u32>,
    texts: Vec<(u64, Option<Text>)>,
    free: Vec<u32>,
    hasher: DefaultHashBuilder,
}

/// A text that has no number yet, by its hash.
pub(crate) struct Unknown {
    hash: u64,
}

impl Interner {
    /// The number of this text, if it has one.
    pub fn find(&self, text: &Text) -> Result<u32, Unknown> {
        match text {
            Text::Number(number) if *number < u64::from(FIRST_PLACE) => Ok(*number as u32),
            text => {
                let hash = self.texts.hasher.hash_one(text);
                self.texts.find(hash, text).map(|place| FIRST_PLACE + place).ok_or(Unknown { hash })
            }
        }
    }

    /// The number of a text that was looked up; a new one if it has none.
    pub fn intern_found(&mut self, found: Result<u32, Unknown>, text: Text) -> u32 {
        let number = found.unwrap_or_else(|Unknown { hash }| FIRST_PLACE + self.texts.place(hash, text));
        if let Some(marked) = &mut self.marked {
            marked.insert(number);
        }
        number
    }

    /// The number of this text; a new one if it has none.
    pub fn intern(&mut self, text: Text) -> u32 {
        let found = self.find(&text);
        self.intern_found(found, text)
    }

    /// The same of a member that stands for those that were not admitted. These are few, and stay.
    pub fn intern_others(&mut self, text: Text) -> u32 {
        let hash = self.others.hasher.hash_one(&text);
        FIRST_OTHERS_PLACE + self.others.place(hash, text)
    }

    /// Whether this is the number of such a member.
    pub fn is_others(&self, number: u32) -> bool {
        number >= FIRST_OTHERS_PLACE
    }

    /// The text of a number that was given out.
    pub fn resolve(&self, number: u32) -> Text<&SharedStr> {
        let (texts, first) = match number {
            0..FIRST_PLACE => return Text::Number(u64::from(number)),
            FIRST_PLACE..FIRST_OTHERS_PLACE => (&self.texts, FIRST_PLACE),
            FIRST_OTHERS_PLACE.. => (&self.others, FIRST_OTHERS_PLACE),
        };
        let text = texts.texts.get((number - first) as usize).and_then(|(_, text)| text.as_ref());
        text.expect("a number that was given out").as_ref()
    }

    /// How many places there are for texts.
    pub fn len(&self) -> usize {
        self.texts.texts.len()
    }

    /// Begins to mark the texts that are looked up.
    pub fn begin_marking(&mut self) {
        self.marked = Some(RoaringBitmap::new());
    }

    /// Drops all texts but those with these numbers and those that were marked.
    pub fn keep_only(&mut self, live: &RoaringBitmap) {
        let marked = self.marked.take().unwrap_or_default();
        self.texts.retain(|place| live.contains(FIRST_PLACE + place) || marked.contains(FIRST_PLACE + place));
    }
}

impl Places {
    fn find(&self, hash: u64, text: &Text) -> Option<u32> {
        let is_it = |place: &u32| {
            let (known_hash, known) = &self.texts[*place as usize];
            *known_hash == hash && known.as_ref() == Some(text)
        };
        self.by_hash.find(hash, is_it).copied()
    }

    /// The place of a text with this hash, a new one if it has none.
    fn place(&mut self, hash: u64, text: Text) -> u32 {
        let Places { by_hash, texts, free, .. } = self;
        let is_it = |place: &u32| {
            let (known_hash, known) = &texts[*place as usize];
            *known_hash == hash && known.as_ref() == Some(&text)
        };
        let vacant = match by_hash.entry(hash, is_it, |place| texts[*place as usize].0) {
            Entry::Occupied(known) => return *known.get(),
            Entry::Vacant(vacant) => vacant,
        };
        let place = free.pop().unwrap_or(texts.len() as u32);
        assert!(place < FIRST_OTHERS_PLACE - FIRST_PLACE, "fewer than 268 million texts on a worker");
        vacant.insert(place);
        match texts.get_mut(place as usize) {
            Some(left) => *left = (hash, Some(text)),
            None => texts.push((hash, Some(text))),
        }
        place
    }

    fn retain(&mut self, keeps: impl Fn(u32) -> bool) {
        let Places { by_hash, texts, free, .. } = self;
        by_hash.retain(|place| {
            let stays = keeps(*place);
            if !stays {
                texts[*place as usize].1 = None;
                free.push(*place);
            }
            stays
        });
    }
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

    #[test]
    fn a_released_text_frees_its_number() {
        let mut interner = Interner::default();
        let [_gone, live, marked] = ["a", "b", "c"].map(|text| interner.intern(Text::from(text)));
        interner.begin_marking();
        assert_eq!(interner.intern(Text::from("c")), marked);
        let new = interner.intern(Text::from("d"));
        interner.keep_only(&RoaringBitmap::from_iter([live]));
        for (text, number) in [("b", live), ("c", marked), ("d", new)] {
            assert_eq!(interner.intern(Text::from(text)), number, "{text}");
        }
        assert!(interner.find(&Text::from("a")).is_err());
        assert_eq!(interner.intern(Text::from("e")), _gone);
        assert_eq!(interner.intern(Text::from("a")), new + 1);
    }
}
