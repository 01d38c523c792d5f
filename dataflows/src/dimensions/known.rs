//! What is known of the members of dimensions, and the rows that follow from it.

use differential_dataflow::{AsCollection, VecCollection};
use hashbrown::{DefaultHashBuilder, HashMap, HashSet};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::vec::Partition;

use super::{Attributes, DimensionKey, DimensionUpdate, DimensionUpdates, Seen, page_host, place, product_name};
use crate::admission::Room;
use crate::per_epoch::per_epoch;
use crate::reports::Rows;
use crate::{Country, Epoch, MemberLimit, Row, RowKey, SEED, Text, Value};

/// An update of a member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum MemberChange {
    /// From a record, or from the member's row at the start.
    Record(Attributes),
    /// From the counts of a product or a store, which replaces what they said before; none once there are no counts.
    Counts(Option<(Seen, Option<Country>)>),
    /// The change in the number of workers that have counts of it.
    Workers(i8),
}

/// Updates of members.
pub(crate) type MemberChanges<'s> = VecCollection<'s, Epoch, (DimensionKey, MemberChange), isize>;

/// The changed rows: one for each member of which something new is known, or that is gone. With `forgets`, what is
/// known of those is dropped: if they come back, their updates must come again.
pub(crate) fn rows<'s>(
    by_records: DimensionUpdates<'s>,
    by_counts: MemberChanges<'s>,
    limit: MemberLimit,
    follows_hosts: bool,
    forgets: bool,
) -> Rows<'s> {
    let is_of_host = |update: &DimensionUpdate| u64::from(matches!(update.0, DimensionKey::PageHost(_)));
    let mut parts = by_records.inner.partition(2, move |update| (is_of_host(&update.0), update)).into_iter();
    let [described, seen_on_hosts] = std::array::from_fn(|_| parts.next().expect("two streams").as_collection());
    let by_records = described.concat(page_host::updates(seen_on_hosts, limit));
    let changes = by_records.map(|(member, attributes)| (member, MemberChange::Record(attributes))).concat(by_counts);
    let mut known = Known::new(limit, follows_hosts, forgets);
    let by_member =
        Exchange::new(move |((member, _), _, _): &((DimensionKey, MemberChange), _, _)| place(member, limit));
    per_epoch(changes, by_member, "Dimensions", move |epoch, mut changes: Vec<(DimensionKey, MemberChange)>| {
        // Counts first, so that in whatever order updates come, records have the last word on what is there.
        let by_counts: Vec<_> =
            changes.extract_if(.., |(_, change)| !matches!(change, MemberChange::Record(_))).collect();
        by_counts.into_iter().chain(changes).for_each(|(member, change)| known.merge(member, change, epoch));
        let rows = known.changed_rows(epoch);
        // The tables hold what came up to the seed.
        if epoch <= SEED { Vec::new() } else { rows }
    })
}

/// What is known of the members on this worker.
struct Known {
    members: IndexMap<DimensionKey, Member, DefaultHashBuilder>,
    /// Those that changed, by their places, with what their table showed before.
    changed: IndexMap<usize, Option<Attributes>, DefaultHashBuilder>,
    /// Products that have names and no counts: their names are not shown.
    gone: HashSet<Text>,
    /// Products that have just gone, or come back.
    turned: HashMap<Text, bool>,
    /// For members that only records introduce.
    referrers: Room,
    names: Room,
    /// Whether counts say which hosts of referrers there are, and which products have names.
    follows_hosts: bool,
    /// Whether members that are gone are forgotten.
    forgets: bool,
}

/// A member. What records say of it is kept even while it is gone, as they say it only once.
#[derive(Default)]
struct Member {
    known: Attributes,
    /// How many workers have counts of it.
    workers: i16,
    /// Whether it may be there at all.
    is_admitted: bool,
    /// Whether a record, or the table at the start, said something of it since it was last gone.
    is_described: bool,
}

impl Known {
    fn new(limit: MemberLimit, follows_hosts: bool, forgets: bool) -> Self {
        let (referrers, names) = (Room::new(limit), Room::new(limit));
        let (members, changed) = (IndexMap::default(), IndexMap::default());
        let (gone, turned) = (HashSet::new(), HashMap::new());
        Known { members, changed, gone, turned, referrers, names, follows_hosts, forgets }
    }

    /// Adds an update of a member.
    fn merge(&mut self, member: DimensionKey, change: MemberChange, epoch: Epoch) {
        match change {
            MemberChange::Record(attributes) => self.merge_record(member, attributes, epoch),
            MemberChange::Counts(now) => {
                if let DimensionKey::Product(id) = &member
                    && (now.is_none() || self.gone.contains(id))
                {
                    self.turned.insert(id.clone(), now.is_none());
                }
                let member = self.change(member);
                member.known.seen = now.map(|(seen, _)| seen);
                member.known.home = now.and_then(|(_, home)| home);
            }
            MemberChange::Workers(more) => {
                let is_open = matches!(member, DimensionKey::Referrer(_));
                let member = self.change(member);
                member.workers += i16::from(more);
                member.is_admitted |= !is_open;
                member.is_described &= member.workers > 0;
            }
        }
    }

    /// Adds what a record says of a member, and what follows from a name for its product. A member is admitted at its
    /// first update, or never.
    fn merge_record(&mut self, member: DimensionKey, attributes: Attributes, epoch: Epoch) {
        let product = match &member {
            DimensionKey::ProductName(name) => Some(product_name::product_in(name.as_ref())),
            _ => None,
        };
        let known = self.members.get(&member);
        if !known.is_some_and(|known| known.is_admitted) {
            let is_admitted = match (&member, &product) {
                (_, Some(product)) => self.names.admits(product, epoch),
                (DimensionKey::Referrer(host), _) => self.referrers.admits(host, epoch),
                _ => true,
            };
            if !is_admitted {
                return;
            }
        }
        let joined = match known {
            Some(Member { known, is_described, .. }) => {
                let joined = known.clone().join(attributes, &member);
                if *is_described && joined == *known {
                    return;
                }
                joined
            }
            None => attributes,
        };
        let page = joined.page.clone();
        let member = self.change(member);
        (member.known, member.is_admitted, member.is_described) = (joined, true, true);
        if let Some(product) = product {
            let of_product = Attributes { page, ..Attributes::default() };
            self.merge_record(DimensionKey::Product(product), of_product, epoch);
        }
    }

    /// A member that is about to change.
    fn change(&mut self, member: DimensionKey) -> &mut Member {
        let entry = self.members.entry(member);
        let place = entry.index();
        entry.or_default();
        self.note(place);
        &mut self.members[place]
    }

    /// Remembers what the table shows of a member.
    fn note(&mut self, place: usize) {
        if !self.changed.contains_key(&place) {
            self.changed.insert(place, self.shown(place));
        }
    }

    /// What the table shows of a member, if it is there.
    fn shown(&self, place: usize) -> Option<Attributes> {
        let (key, member) = self.members.get_index(place)?;
        let is_there = match key {
            // A product that was never admitted may have names.
            DimensionKey::Product(_) | DimensionKey::Store(_) => member.known.seen.is_some(),
            DimensionKey::ProductName(name) if !self.gone.is_empty() => {
                member.is_described && !self.gone.contains(&product_name::product_in(name.as_ref()))
            }
            // A copy reports its host too, and does not count.
            DimensionKey::Referrer(_) if self.follows_hosts => member.is_admitted && member.workers > 0,
            _ => member.is_admitted && (member.is_described || member.workers > 0),
        };
        is_there.then(|| member.known.clone().shown(key))
    }

    /// The row of each member whose table shows something else than at the last call.
    fn changed_rows(&mut self, epoch: Epoch) -> Vec<Row> {
        self.turn_names();
        // What the tables held is all there; and `turn_names` comes first, as it notes what was shown before.
        if self.follows_hosts && epoch > SEED {
            self.hide_names();
        }
        let mut changed = std::mem::take(&mut self.changed);
        let rows = changed.drain(..).filter_map(|(place, before)| {
            let (now, member) = (self.shown(place), self.members.get_index(place)?.0.clone());
            match (before, now) {
                (before, Some(now)) if before.as_ref() != Some(&now) => {
                    Some(Row { is_insert: before.is_none(), ..Row::member(member, now) })
                }
                (Some(_), None) => Some(Row::absent(RowKey::Member(member))),
                _ => None,
            }
        });
        let rows: Vec<_> = rows.collect();
        self.changed = changed;
        if self.forgets {
            rows.iter().filter(|row| row.value == Value::Absent).for_each(|row| self.forget(&row.key));
        }
        rows
    }

    /// Forgets a member, and leaves its place to others.
    fn forget(&mut self, row: &RowKey) {
        let RowKey::Member(key) = row else { return };
        self.members.swap_remove(key);
        match key {
            DimensionKey::Product(id) => drop(self.gone.remove(id)),
            DimensionKey::ProductName(name) => self.names.leave(&product_name::product_in(name.as_ref())),
            DimensionKey::Referrer(host) => self.referrers.leave(host),
            _ => {}
        }
    }

    /// Where counts fall, copies report names too, perhaps of products that are not counted: hides those.
    fn hide_names(&mut self) {
        let Known { members, changed, gone, .. } = self;
        let names = changed.keys().filter_map(|place| match members.get_index(*place) {
            Some((DimensionKey::ProductName(name), _)) => Some(product_name::product_in(name.as_ref())),
            _ => None,
        });
        let is_counted = |product: &Text| {
            let product = members.get(&DimensionKey::Product(product.clone()));
            product.is_some_and(|product| product.known.seen.is_some())
        };
        gone.extend(names.filter(|product| !is_counted(product)));
    }

    /// The names of products go, and come back, with them. Rare, so it may search all members.
    fn turn_names(&mut self) {
        if self.turned.is_empty() {
            return;
        }
        let turned = std::mem::take(&mut self.turned);
        let is_of_them = |key: &DimensionKey| matches!(key, DimensionKey::ProductName(name) if turned.contains_key(&product_name::product_in(name.as_ref())));
        let names: Vec<_> =
            self.members.keys().enumerate().filter(|(_, key)| is_of_them(key)).map(|(place, _)| place).collect();
        names.into_iter().for_each(|place| self.note(place));
        for (product, is_gone) in turned {
            if is_gone {
                self.gone.insert(product)
            } else {
                self.gone.remove(&product)
            };
        }
    }
}
