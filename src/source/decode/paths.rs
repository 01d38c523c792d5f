//! Where the members that the model reads are kept, by their names.

/// The names of the members that are read, each with its slot.
///
/// It is asked for every member of every record, and most of those are not read: length and first letter tell nearly all of
/// them apart, in one look at a small table.
#[derive(Debug)]
pub(super) struct Paths {
    /// By length and first letter, the first name that has them.
    first: Box<[u16; PLACES]>,
    /// By slot.
    names: Vec<Name>,
}

#[derive(Debug)]
struct Name {
    spelling: Box<[u8]>,
    ends: Ends,
    /// The next with the same length and first letter.
    next: u16,
}

/// 16 lengths and 32 letters.
const PLACES: usize = 512;
const NONE: u16 = u16::MAX;

impl Paths {
    /// None yet.
    pub fn new() -> Self {
        Paths { first: Box::new([NONE; PLACES]), names: Vec::new() }
    }

    /// The slot of this member from now on; the same for the same name.
    pub fn add(&mut self, name: &str) -> usize {
        let known = self.names.iter().position(|known| *known.spelling == *name.as_bytes());
        known.unwrap_or_else(|| {
            let slot = self.names.len();
            // More than there can be names; none has no letter.
            let place = &mut self.first[place(name.as_bytes()).unwrap_or(0)];
            let next = std::mem::replace(place, u16::try_from(slot).expect("fewer members than that"));
            self.names.push(Name { spelling: name.as_bytes().into(), ends: Ends::of(name.as_bytes()), next });
            slot
        })
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The slot of the member of this name; none, if it is not read.
    #[inline]
    pub fn slot(&self, name: &[u8]) -> Option<usize> {
        let first = self.first[place(name)?];
        if first == NONE { None } else { self.find(first, name) }
    }

    #[inline]
    fn find(&self, first: u16, name: &[u8]) -> Option<usize> {
        let (mut slot, ends) = (first, Ends::of(name));
        while let Some(known) = self.names.get(usize::from(slot)) {
            let is_it = known.ends == ends && known.spelling.len() == name.len();
            if is_it && (name.len() <= Ends::BYTES || *known.spelling == *name) {
                return Some(usize::from(slot));
            }
            slot = known.next;
        }
        None
    }

    /// The same for a name as it is spelt in JSON, perhaps with escapes.
    pub fn slot_of_spelling(&self, name: &str) -> Option<usize> {
        match name.as_bytes() {
            [b'"', plain @ .., b'"'] if !plain.contains(&b'\\') => self.slot(plain),
            // One that Rust does not hold, for half a surrogate pair, is not read.
            _ => self.slot(serde_json::from_str::<String>(name).ok()?.as_bytes()),
        }
    }
}

#[inline]
fn place(name: &[u8]) -> Option<usize> {
    Some((name.len() % 16) << 5 | usize::from(name.first()? % 32))
}

/// The first and the last bytes of a name, which overlap or leave out none if there are 16 or fewer: so nearly all names are
/// compared in two instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends(u64, u64);

impl Ends {
    const BYTES: usize = 16;

    #[inline]
    fn of(name: &[u8]) -> Ends {
        match (name.first_chunk(), name.last_chunk()) {
            (Some(first), Some(last)) => Ends(u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => Ends(name.iter().rev().fold(0, |bytes, byte| bytes << 8 | u64::from(*byte)), 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_member_has_its_slot_and_no_other(names in prop::collection::vec("[ab]{0,3}|[ab]{7,9}|[ab]{15,18}|.{0,40}", 0..60)) {
            let (added, others) = names.split_at(names.len() / 2);
            let mut paths = Paths::new();
            let slots: Vec<_> = added.iter().map(|name| paths.add(name)).collect();
            for (name, slot) in added.iter().zip(slots) {
                let expected = Some(slot).filter(|_| !name.is_empty());
                prop_assert_eq!(paths.slot(name.as_bytes()), expected, "{}", name);
                prop_assert_eq!(paths.slot_of_spelling(&serde_json::to_string(name).expect("a text")), expected, "{}", name);
            }
            for name in others.iter().filter(|name| !added.contains(name)) {
                prop_assert_eq!(paths.slot(name.as_bytes()), None, "{}", name);
            }
        }
    }
}
