//! The ways to the members that the model reads: a tree of names.

use dataflows::model::Way;

/// The ways to the members that are read, each with its slot.
#[derive(Debug)]
pub(super) struct Paths {
    /// The first is of the event itself.
    nodes: Vec<Node>,
    slots: usize,
}

/// The members of an object that are read or entered, or the keys of pairs that are read.
///
/// It is searched for every member of every record, and most of those are not read: length and first letter tell nearly
/// all of them apart, with one look at a small table.
#[derive(Debug)]
pub(super) struct Node {
    /// By length and first letter, the first name that has them.
    first: Box<[u16; PLACES]>,
    names: Vec<Name>,
}

/// A member that is read, entered, or both.
#[derive(Debug)]
pub(super) struct Name {
    spelling: Box<[u8]>,
    ends: Ends,
    /// The next with the same length and first letter.
    next: u16,
    /// Where its value goes, if it is read.
    pub slot: Option<usize>,
    /// What is read inside of it; of most members nothing is.
    pub inside: Option<Box<Inside>>,
}

/// What is read inside of a member.
#[derive(Debug, Default)]
pub(super) struct Inside {
    /// If it is an object.
    pub object: Option<Ways>,
    /// If it is an array of pairs, by their keys.
    pub pairs: Option<Ways>,
}

/// Ways on from a member.
#[derive(Debug)]
pub(super) struct Ways {
    node: usize,
    /// All slots that they lead to.
    pub slots: Vec<usize>,
}

/// 16 lengths and 32 letters.
const PLACES: usize = 512;
const NONE: u16 = u16::MAX;

impl Paths {
    /// None yet.
    pub fn new() -> Self {
        Paths { nodes: vec![Node::new()], slots: 0 }
    }

    /// The slot of what this way leads to; the same for the same way.
    pub fn add(&mut self, way: &Way) -> usize {
        let (last, before) = way.names.split_last().expect("the model names one");
        let mut node = 0;
        for name in before {
            node = self.enter(node, name, |inside| &mut inside.object);
        }
        let (node, name) = match &way.key {
            None => (node, last),
            Some(key) => (self.enter(node, last, |inside| &mut inside.pairs), key),
        };
        let slots = self.slots;
        let slot = *self.nodes[node].name(name).slot.get_or_insert(slots);
        self.slots = slots.max(slot + 1);
        self.lead(way, slot);
        slot
    }

    /// The node behind this member.
    fn enter(&mut self, node: usize, name: &str, ways: impl Fn(&mut Inside) -> &mut Option<Ways>) -> usize {
        let next = self.nodes.len();
        let ways = ways(self.nodes[node].name(name).inside.get_or_insert_default());
        let node = ways.get_or_insert_with(|| Ways { node: next, slots: Vec::new() }).node;
        if node == next {
            self.nodes.push(Node::new());
        }
        node
    }

    /// Notes with each member on the way that it leads to this slot.
    fn lead(&mut self, way: &Way, slot: usize) {
        let mut node = 0;
        for (place, name) in way.names.iter().enumerate() {
            let Some(inside) = &mut self.nodes[node].name(name).inside else { return };
            let is_last = place + 1 == way.names.len();
            let ways = match (is_last, &way.key) {
                (false, _) => &mut inside.object,
                (true, Some(_)) => &mut inside.pairs,
                (true, None) => return,
            };
            let Some(ways) = ways else { return };
            if !ways.slots.contains(&slot) {
                ways.slots.push(slot);
            }
            node = ways.node;
        }
    }

    /// Whether a way begins with this name.
    pub fn has(&self, name: &str) -> bool {
        self.event().find(name.as_bytes()).is_some()
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.slots
    }

    /// The members of an event.
    #[inline]
    pub fn event(&self) -> &Node {
        &self.nodes[0]
    }

    /// The members, or keys, that these ways go over.
    pub fn node(&self, ways: &Ways) -> &Node {
        &self.nodes[ways.node]
    }
}

impl Node {
    fn new() -> Self {
        Node { first: Box::new([NONE; PLACES]), names: Vec::new() }
    }

    /// The name, added if it is new.
    fn name(&mut self, name: &str) -> &mut Name {
        let known = self.names.iter().position(|known| *known.spelling == *name.as_bytes());
        let known = known.unwrap_or_else(|| {
            let at = self.names.len();
            // No name is empty, and there are fewer of them than that.
            let place = &mut self.first[place(name.as_bytes()).unwrap_or(0)];
            let next = std::mem::replace(place, u16::try_from(at).expect("fewer members than that"));
            let (spelling, ends) = (name.as_bytes().into(), Ends::new(name.as_bytes()));
            self.names.push(Name { spelling, ends, next, slot: None, inside: None });
            at
        });
        &mut self.names[known]
    }

    /// The member of this name; none, if it is neither read nor entered.
    #[inline(always)]
    pub fn find(&self, name: &[u8]) -> Option<&Name> {
        let first = self.first[place(name)?];
        if first == NONE { None } else { self.find_from(first, name) }
    }

    #[inline(always)]
    fn find_from(&self, first: u16, name: &[u8]) -> Option<&Name> {
        let (mut at, ends) = (first, Ends::new(name));
        while let Some(known) = self.names.get(usize::from(at)) {
            let is_it = known.ends == ends && known.spelling.len() == name.len();
            if is_it && (name.len() <= Ends::BYTES || *known.spelling == *name) {
                return Some(known);
            }
            at = known.next;
        }
        None
    }

    /// The same for a name as it is spelt in JSON, perhaps with escapes.
    pub fn find_spelling(&self, name: &str) -> Option<&Name> {
        match name.as_bytes() {
            [b'"', plain @ .., b'"'] if !plain.contains(&b'\\') => self.find(plain),
            // One that Rust does not hold, for half a surrogate pair, is not read.
            _ => self.find(serde_json::from_str::<String>(name).ok()?.as_bytes()),
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
    fn new(name: &[u8]) -> Ends {
        match (name.first_chunk(), name.last_chunk()) {
            (Some(first), Some(last)) => Ends(u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => match (name.first_chunk(), name.last_chunk()) {
                (Some(first), Some(last)) => Ends(u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into()),
                _ => Ends(name.iter().rev().fold(0, |bytes, byte| bytes << 8 | u64::from(*byte)), 0),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_member_has_its_slot_and_no_other(names in prop::collection::vec("[ab]{1,9}|[ab]{15,18}|.{1,40}", 0..60)) {
            let (added, others) = names.split_at(names.len() / 2);
            let mut paths = Paths::new();
            let way = |name: &String| Way { names: vec![name.clone()], key: None };
            let slots: Vec<_> = added.iter().map(|name| paths.add(&way(name))).collect();
            let slot = |name: Option<&Name>| name.and_then(|name| name.slot);
            for (name, expected) in added.iter().zip(slots) {
                prop_assert_eq!(slot(paths.event().find(name.as_bytes())), Some(expected), "{}", name);
                let spelling = serde_json::to_string(name).expect("a text");
                prop_assert_eq!(slot(paths.event().find_spelling(&spelling)), Some(expected), "{}", name);
            }
            for name in others.iter().filter(|name| !added.contains(name)) {
                prop_assert!(paths.event().find(name.as_bytes()).is_none(), "{}", name);
            }
        }
    }
}
