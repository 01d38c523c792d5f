//! From events to changed rows, as the model says: counts, rankings, dimensions.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::trace::cursor::cursor_list;
use differential_dataflow::trace::{Cursor, TraceReader};
use differential_dataflow::{AsCollection, VecCollection};
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::frontier::AntichainRef;

use crate::admission::Admission;
use crate::count::{self, Arrangement, CountUpdate, Counts, Texts, Updates, count};
use crate::dimensions::{self, CountChange, CountChanges, CountedMembers, DimensionUpdates};
use crate::interner::Interner;
use crate::key::{PackedKey, member_of, part};
use crate::model::{Count, Dimension, MEMBERS_MAX, Model, Ranking, fields};
use crate::retention::Retention;
use crate::top_k::{Counted, Item, top_k};
use crate::{Day, DaysKept, Epoch, Kept, Key, MemberLimit, Row, RowKey, SEED, SharedStr, Text};

/// Pre-aggregated events: each key with the change of its count, negative where events are taken back. At the end of an
/// epoch no key has a negative count.
pub type Events<'s> = VecCollection<'s, Epoch, Key, i64>;

/// Changed rows with what they hold now.
pub type Rows<'s> = VecCollection<'s, Epoch, Row, isize>;

/// All tables of the model: from pre-aggregated events, and what their records say of members, to changed rows. The
/// tables already hold what comes in epochs up to [`SEED`]; of these only the rows of derived tables come out.
///
/// Where counts fall, hosts of referrers stay: see [`falling_reports`].
pub fn reports<'s>(
    model: &Arc<Model>,
    events: Events<'s>,
    dimension_updates: DimensionUpdates<'s>,
    limit: MemberLimit,
) -> Rows<'s> {
    build(model, events, dimension_updates, limit, Falls::Never).0
}

/// The same where some counts will fall: a host of referrers goes with the last of its referrers. This counts the
/// referrers of each host, and nearly every second event has a new one.
pub fn falling_reports<'s>(
    model: &Arc<Model>,
    events: Events<'s>,
    dimension_updates: DimensionUpdates<'s>,
    limit: MemberLimit,
) -> Rows<'s> {
    build(model, events, dimension_updates, limit, Falls::Sometimes).0
}

/// The same with retention, which takes expired days back. Members that go with them leave nothing in memory: whatever
/// reports members must have forgotten what it reported before a day is taken back.
pub fn retaining_reports<'s>(
    model: &Arc<Model>,
    events: Events<'s>,
    dimension_updates: DimensionUpdates<'s>,
    limit: MemberLimit,
    kept: Kept,
) -> (Rows<'s>, Retention) {
    build(model, events, dimension_updates, limit, Falls::ByDays(kept))
}

/// Whether counts fall.
#[derive(PartialEq, Eq)]
enum Falls {
    Never,
    Sometimes,
    /// And whole days leave.
    ByDays(Kept),
}

fn build<'s>(
    model: &Arc<Model>,
    events: Events<'s>,
    dimension_updates: DimensionUpdates<'s>,
    limit: MemberLimit,
    falls: Falls,
) -> (Rows<'s>, Retention) {
    let (follows_hosts, forgets) = (falls != Falls::Never, matches!(falls, Falls::ByDays(_)));
    let counted_members = CountedMembers::all(model, follows_hosts);
    let Counts { updates, texts, arrangement, admission } = count(model, events, limit);
    let Effects { rows, changes, items } = effects(model, &counted_members, updates, texts.clone());
    let by_counts = dimensions::changes_by_counts(counted_members, changes, texts.clone());
    let counted = Arranged::new(model, texts.clone(), arrangement.clone(), admission.clone());
    let of_members = dimensions::rows(dimension_updates, by_counts, limit, follows_hosts, forgets);
    let kept = if let Falls::ByDays(kept) = falls { kept } else { Kept::new(model, DaysKept::All) };
    let retention = Retention::new(model, kept, arrangement, texts, admission);
    (rows.concatenate([ranking_rows(items, counted), of_members]), retention)
}

/// The worker that keeps a row which follows from no other, so that it can be seeded there.
pub fn worker(model: &Model, key: &RowKey, workers: usize, limit: MemberLimit) -> usize {
    let place = match key {
        // A hash for each of millions would tell nothing.
        _ if workers == 1 => 0,
        RowKey::Count(key) => count::place(model, key, limit),
        RowKey::Member(member) => dimensions::place(member, limit),
        RowKey::Rank { .. } => 0,
    };
    (place % workers as u64) as usize
}

/// What follows from changed counts.
struct Effects<'s> {
    /// Their rows, without those that the tables hold from the start.
    rows: Rows<'s>,
    /// Those of them that say something of members.
    changes: CountChanges<'s>,
    /// What is ranked.
    items: Items<'s>,
}

/// Members with what their counts are now, as numbers of this worker, by the rankings' groups.
type Items<'s> = VecCollection<'s, Epoch, (Group, Item<u32>), isize>;

/// All that follows from changed counts, in one pass: one operator per output would mean a copy of every count for
/// each.
fn effects<'s>(
    model: &Arc<Model>,
    counted_members: &[CountedMembers],
    updates: Updates<'s>,
    texts: Texts,
) -> Effects<'s> {
    let mut builder = OperatorBuilder::new("Effects".to_owned(), updates.inner.scope());
    let mut input = builder.new_input(updates.inner, Pipeline);
    let (rows_output, rows) = builder.new_output();
    let (changes_output, changes) = builder.new_output();
    let (items_output, items) = builder.new_output();
    let mut rows_output = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(rows_output);
    let mut changes_output = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(changes_output);
    let mut items_output = OutputBuilder::<_, CapacityContainerBuilder<Vec<_>>>::from(items_output);
    let (tables, rankings) = (CountTable::all(model), GroupShape::by_count(model));
    let mut count_change = CountChange::new(counted_members);
    builder.build(move |capabilities| {
        drop(capabilities);
        move |_frontiers| {
            let (mut rows, mut changes, mut items) =
                (rows_output.activate(), changes_output.activate(), items_output.activate());
            let texts = texts.borrow();
            input.for_each(|capability, updates| {
                let (mut rows, mut changes, mut items) =
                    (rows.session(&capability), changes.session(&capability), items.session(&capability));
                for ((key, count), epoch, diff) in updates.drain(..) {
                    let id = key.count();
                    if let Some(row) = tables[id].row(key, count, epoch, &texts) {
                        rows.give((row, epoch, diff));
                    }
                    if let Some(change) = count_change.next(key, count, epoch) {
                        changes.give((change, epoch, diff));
                    }
                    // Members that were not admitted have no place.
                    if !rankings[id].is_empty() && !texts.is_others(key.member()) && !count.stays_none() {
                        let item = Item { item: key.member(), views: count.total, is_fall: count.delta < 0 };
                        for ranking in &rankings[id] {
                            items.give(((ranking.group(key, &texts), item.clone()), epoch, diff));
                        }
                    }
                }
                count_change.days(|change, epoch| changes.give((change, epoch, 1)));
            });
        }
    });
    Effects { rows: rows.as_collection(), changes: changes.as_collection(), items: items.as_collection() }
}

/// What becomes of the changed counts of one kind in their table.
struct CountTable {
    is_shown: bool,
    is_derived: bool,
}

impl CountTable {
    fn all(model: &Model) -> Vec<CountTable> {
        let table = |count: &Count| CountTable { is_shown: count.table.is_some(), is_derived: count.from.is_some() };
        model.counts.iter().map(table).collect()
    }

    fn row(&self, key: PackedKey, count: CountUpdate, epoch: Epoch, texts: &Interner) -> Option<Row> {
        (self.is_shown && !count.stays_none() && (self.is_derived || epoch > SEED)).then(|| {
            let key = key.unpacked(texts.resolve(key.member()).cloned());
            if count.is_delete() {
                return Row::absent(RowKey::Count(key));
            }
            // Of a derived row the start may set another.
            Row { is_insert: count.is_insert() && !self.is_derived, ..Row::count(key, count.total) }
        })
    }
}

/// A group of a ranking: which ranking, and the members that it is grouped by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group {
    /// Its place in [`Model::rankings`].
    pub ranking: u16,
    /// The hour; 0 where it is none of the group's dimensions.
    pub hour: u8,
    /// The day; day 0 where it is none of them.
    pub day: Day,
    /// The texts of the group's fields, joined.
    pub member: Text,
}

/// How the groups of a ranking are made from the keys that are ranked.
struct GroupShape {
    ranking: u16,
    has_day: bool,
    has_hour: bool,
    /// How many fields the count has, and the places among them of the group's.
    fields: usize,
    places: SmallVec<[usize; MEMBERS_MAX]>,
}

impl GroupShape {
    /// The shapes of the rankings of each count.
    fn by_count(model: &Model) -> Vec<SmallVec<[GroupShape; 1]>> {
        let rankings = || (0_u16..).zip(&model.rankings);
        let of_count = |count| {
            let of_count = rankings().filter(|(_, ranking)| ranking.count == count);
            of_count.map(|(id, ranking)| GroupShape::new(id, ranking, model)).collect()
        };
        (0..model.counts.len()).map(of_count).collect()
    }

    fn new(id: u16, ranking: &Ranking, model: &Model) -> Self {
        let has = |dimension| ranking.by.contains(&dimension);
        let members = &model.counts[ranking.count].members;
        let places = fields(&ranking.by).map(|field| place(members, field)).collect();
        let (has_day, has_hour) = (has(Dimension::Day), has(Dimension::Hour));
        GroupShape { ranking: id, has_day, has_hour, fields: members.len(), places }
    }

    fn group(&self, key: PackedKey, texts: &Interner) -> Group {
        let (day, hour) = (if self.has_day { key.day() } else { Day(0) }, if self.has_hour { key.hour() } else { 0 });
        let member = if self.places.is_empty() {
            Text::Number(0)
        } else {
            let member = texts.resolve(key.member());
            member_of(&mut String::new(), self.places.iter().map(|place| part(&member, self.fields, *place)))
        };
        Group { ranking: self.ranking, hour, day, member }
    }

    /// The range of the keys that the counts of a group follow from.
    fn range(&self, count: u16, group: &Group) -> RangeInclusive<PackedKey> {
        PackedKey::range(count, self.has_day.then_some(group.day), self.has_hour.then_some(group.hour))
    }
}

/// The place of a field among the members of a count.
pub(crate) fn place(members: &[usize], field: usize) -> usize {
    members.iter().position(|member| *member == field).unwrap_or_default()
}

/// The changed places of all rankings.
fn ranking_rows(items: Items<'_>, counted: Arranged) -> Rows<'_> {
    let (placed, named, texts) = (counted.model.clone(), counted.model.clone(), counted.texts.clone());
    let places = move |group: &Group| usize::from(placed.rankings[usize::from(group.ranking)].places);
    let item = move |group: &Group, number: u32| {
        let ranking = &named.rankings[usize::from(group.ranking)];
        let members = &named.counts[ranking.count].members;
        let texts = texts.borrow();
        let member = texts.resolve(number);
        match members.len() {
            1 => member.cloned(),
            fields => part(&member, fields, place(members, ranking.of)).map(SharedStr::from),
        }
    };
    let row = |(group, rank, place)| match place {
        Some((item, total)) => Row::rank(group, rank, item, total),
        None => Row::absent(RowKey::Rank { group, rank }),
    };
    top_k(items, places, item, counted).map(row)
}

/// The items of rankings, as the arrangement of this worker has them.
struct Arranged {
    model: Arc<Model>,
    texts: Texts,
    arrangement: Arrangement,
    admission: Rc<RefCell<Admission>>,
    shapes: Vec<GroupShape>,
}

impl Arranged {
    fn new(model: &Arc<Model>, texts: Texts, mut arrangement: Arrangement, admission: Rc<RefCell<Admission>>) -> Self {
        // Lookups go through all batches, so none is kept from merging.
        arrangement.set_physical_compaction(AntichainRef::new(&[]));
        let shapes = (0_u16..).zip(&model.rankings).map(|(id, ranking)| GroupShape::new(id, ranking, model));
        Arranged { model: model.clone(), texts, arrangement, admission, shapes: shapes.collect() }
    }
}

impl Counted<Group, u32> for Arranged {
    /// One pass over the keys for all groups of a day. Nothing of expired days: to rank them again with each slice
    /// would take as many passes over a day as it has slices.
    fn items(&mut self, groups: &HashSet<Group>, epoch: Epoch) -> Vec<(Group, u32, i64)> {
        let Arranged { model, texts, arrangement, admission, shapes } = self;
        let (texts, admission) = (texts.borrow(), admission.borrow());
        let ranges = groups.iter().filter_map(|group| {
            let (shape, ranking) = (&shapes[usize::from(group.ranking)], &model.rankings[usize::from(group.ranking)]);
            let finest = model.counts[ranking.count].from.unwrap_or(ranking.count);
            let is_kept = !shape.has_day || group.day >= admission.first_kept()[finest];
            is_kept.then(|| ((group.ranking, shape.range(finest as u16, group)), (shape, ranking.count as u16)))
        });
        let ranges: HashMap<_, _> = ranges.collect();
        let batches = arrangement.batches_through(AntichainRef::new(&[])).unwrap_or_default();
        let (mut cursor, batches) = cursor_list(batches);
        let mut items = Vec::new();
        for ((_, range), (shape, count)) in ranges {
            let mut sums: HashMap<PackedKey, i64> = HashMap::new();
            cursor.rewind_keys(&batches);
            cursor.seek_key(&batches, range.start());
            while let Some(key) = cursor.get_key(&batches).copied().filter(|key| key <= range.end()) {
                let views = sums.entry(key.rolled_up(count, &model.counts[usize::from(count)])).or_insert(0);
                cursor.map_times(&batches, |time, events| *views += if *time <= epoch { *events } else { 0 });
                cursor.step_key(&batches);
            }
            let there = sums.into_iter().filter(|(key, views)| *views > 0 && !texts.is_others(key.member()));
            let of_groups = there.map(|(key, views)| (shape.group(key, &texts), key.member(), views));
            items.extend(of_groups.filter(|(group, ..)| groups.contains(group)));
        }
        items
    }

    fn advance(&mut self, frontier: AntichainRef<'_, Epoch>) {
        self.arrangement.set_logical_compaction(frontier);
    }
}
