//! From events to changed rows, as the model says: counts, rankings, dimensions.

use std::sync::Arc;

use differential_dataflow::VecCollection;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::count::{self, Counts, count};
use crate::dimensions::{self, DimensionUpdates};
use crate::interner::Interner;
use crate::key::{member_of, part};
use crate::model::{Dimension, MEMBERS_MAX, Model, Ranking, fields};
use crate::{Day, Epoch, Key, MemberLimit, Row, RowKey, SEED, SharedStr, Text, top_k};

/// Pre-aggregated events: each key as often as it was counted.
pub type Events<'s> = VecCollection<'s, Epoch, Key, i64>;

/// Changed rows with what they hold now.
pub type Rows<'s> = VecCollection<'s, Epoch, Row, isize>;

/// All tables of the model: from pre-aggregated events, and what their records tell of members, to changed rows. What comes
/// in epochs up to [`SEED`] the tables hold already; of these only the rows of derived tables come out.
pub fn reports<'s>(model: &Arc<Model>, events: Events<'s>, told: DimensionUpdates<'s>, limit: MemberLimit) -> Rows<'s> {
    let counts = count(model, events, limit);
    let known = dimensions::updates(model, counts.clone(), told, limit);
    count_rows(model, counts.clone()).concatenate([ranking_rows(model, counts), dimensions::rows(known, limit)])
}

/// On which of so many workers a row that follows from no other is kept, so that it can be seeded there.
pub fn worker(model: &Model, key: &RowKey, workers: usize, limit: MemberLimit) -> usize {
    let place = match key {
        RowKey::Count(key) => count::place(model, key, limit),
        RowKey::Member(member) => dimensions::place(member, limit),
        RowKey::Rank { .. } => 0,
    };
    (place % workers as u64) as usize
}

/// The counts as rows of their tables, without those that the tables hold from the start.
fn count_rows<'s>(model: &Arc<Model>, counts: Counts<'s>) -> Rows<'s> {
    let model = model.clone();
    counts.flat_map(move |key, update, epoch, texts| {
        let count = &model.counts[usize::from(key.count)];
        let (is_shown, is_derived) = (count.table.is_some(), count.from.is_some());
        (is_shown && (is_derived || epoch > SEED)).then(|| {
            let key = key.map(|number| texts.resolve(number).cloned());
            // Of a derived row the start may set another.
            Row { is_insert: update.is_insert() && !is_derived, ..Row::count(key, update.total) }
        })
    })
}

/// Which ranking: one of a model, of these members of its group.
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

impl Group {
    fn new(id: usize, ranking: &Ranking, model: &Model, key: Key<u32>, texts: &Interner) -> Group {
        let is_by = |dimension| ranking.by.contains(&dimension);
        let (day, hour) = (is_by(Dimension::Day), is_by(Dimension::Hour));
        let fields: SmallVec<[usize; MEMBERS_MAX]> = fields(&ranking.by).collect();
        let members = &model.counts[ranking.count].members;
        let member = texts.resolve(key.member);
        let texts = fields.iter().map(|field| part(&member, members.len(), place(members, *field)));
        let member = member_of(&mut String::new(), texts);
        let (day, hour) = (if day { key.day } else { Day(0) }, if hour { key.hour } else { 0 });
        Group { ranking: id as u16, hour, day, member }
    }
}

/// The place of a field among the members of a count.
pub(crate) fn place(members: &[usize], field: usize) -> usize {
    members.iter().position(|member| *member == field).unwrap_or_default()
}

/// The changed places of all rankings. Those that were not admitted have none.
fn ranking_rows<'s>(model: &Arc<Model>, counts: Counts<'s>) -> Rows<'s> {
    let of_count = |id| {
        let rankings = model.rankings.iter().enumerate().filter(move |(_, ranking)| ranking.count == id);
        rankings.map(|(ranking, _)| ranking).collect::<SmallVec<[usize; 2]>>()
    };
    let rankings: Vec<_> = (0..model.counts.len()).map(of_count).collect();
    let (grouped, placed, named, texts) = (model.clone(), model.clone(), model.clone(), counts.texts.clone());
    let items = counts.flat_map(move |key, update, _, texts| {
        let rankings = match texts.is_others(key.member) {
            true => &[][..],
            false => &rankings[usize::from(key.count)],
        };
        let item = |id: &usize| {
            let group = Group::new(*id, &grouped.rankings[*id], &grouped, key, texts);
            (group, (key.member, update.total))
        };
        rankings.iter().map(item).collect::<SmallVec<[_; 1]>>()
    });
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
    top_k(items, places, item).map(|(group, rank, item, total)| Row::rank(group, rank, item, total))
}
