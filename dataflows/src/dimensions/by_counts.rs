//! What counts say of members: which exist, on which days, and the home country of a store.
//!
//! ```text
//! changed counts ──► those that are new or gone, or a store's ──► by epoch: what is left of a member ──► its update
//! ```
//!
//! A worker reports only what its own counts say. All counts of a product or a store are on one worker, which so knows
//! all of it. Several workers may have counts of another member: each reports when its first comes and when its last
//! goes.

use std::cmp::Reverse;
use std::hash::Hash;

use differential_dataflow::VecCollection;
use hashbrown::{Equivalent, HashMap};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use timely::dataflow::channels::pact::Pipeline;

use super::days::Days;
use super::known::{MemberChange, MemberChanges};
use super::{DimensionKey, Seen, browser_os, host};
use crate::count::{CountUpdate, Texts};
use crate::interner::Interner;
use crate::key::{PackedKey, part};
use crate::model::{Dimensions, Model};
use crate::per_epoch::per_epoch;
use crate::reports::place;
use crate::{Country, Day, Epoch, SEED, SharedStr, Text};

/// A change of counts that says something of members.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Change {
    /// A count that is new or gone, or one of a store.
    Count(PackedKey, CountUpdate),
    /// The change in a day's number of keys.
    Day(Day, i64),
}

/// Such changes, on the worker that counts.
pub(crate) type CountChanges<'s> = VecCollection<'s, Epoch, Change, isize>;

/// Which members the counts of one kind say something of. Fields are places among the count's.
#[derive(Clone, Copy)]
pub(crate) struct CountedMembers {
    fields: usize,
    day: bool,
    product: bool,
    /// The store and its country.
    store: Option<(usize, usize)>,
    browser_os: Option<(usize, usize)>,
    referrer: bool,
}

impl CountedMembers {
    /// One per count; hosts of referrers only if these are to be followed.
    pub fn all(model: &Model, follows_hosts: bool) -> Vec<CountedMembers> {
        (0..model.counts.len()).map(|id| CountedMembers::new(id, model, follows_hosts)).collect()
    }

    fn new(id: usize, Model { counts, dimensions, .. }: &Model, follows_hosts: bool) -> CountedMembers {
        let count = &counts[id];
        let place = |field| place(&count.members, field);
        let Dimensions { product, store, browser_os, referrer, .. } = dimensions;
        CountedMembers {
            fields: count.members.len(),
            day: count.has_day && count.from.is_none(),
            product: product.is_some_and(|product| product.days == id),
            store: store.filter(|store| store.days == id).map(|store| (place(store.id), place(store.country))),
            browser_os: browser_os.filter(|pair| pair.counted == id).map(|pair| (place(pair.browser), place(pair.os))),
            referrer: follows_hosts && referrer.is_some_and(|referrer| referrer.counted == id),
        }
    }
}

/// Finds the changes among all those of counts.
pub(crate) struct CountChange {
    by_count: Vec<CountedMembers>,
    /// Changes of days that are not emitted yet.
    days: Vec<(Epoch, Day, i64)>,
}

impl CountChange {
    /// For counts that say this of members.
    pub fn new(by_count: &[CountedMembers]) -> Self {
        CountChange { by_count: by_count.to_vec(), days: Vec::new() }
    }

    /// The change of a count, if it says something of other members than days.
    pub fn next(&mut self, key: PackedKey, count: CountUpdate, epoch: Epoch) -> Option<Change> {
        let telling = self.by_count[key.count()];
        let keys = i64::from(count.is_insert()) - i64::from(count.is_delete());
        if telling.day && keys != 0 {
            // Counts come by their keys, so by their days.
            match self.days.last_mut() {
                Some((last, day, sum)) if (*last, *day) == (epoch, key.day()) => *sum += keys,
                _ => self.days.push((epoch, key.day(), keys)),
            }
        }
        let is_of_member = telling.product || telling.browser_os.is_some() || telling.referrer;
        (telling.store.is_some() || (is_of_member && keys != 0)).then_some(Change::Count(key, count))
    }

    /// Emits the changes of days that it found.
    pub fn days(&mut self, mut give: impl FnMut(Change, Epoch)) {
        let changed = self.days.drain(..).filter(|(.., keys)| *keys != 0);
        changed.for_each(|(epoch, day, keys)| give(Change::Day(day, keys), epoch));
    }
}

/// What the changes say of members. For products and stores only after the seed: up to it their rows say the same.
pub(crate) fn changes_by_counts(
    by_count: Vec<CountedMembers>,
    changes: CountChanges<'_>,
    texts: Texts,
) -> MemberChanges<'_> {
    let mut members = Members { by_count, ..Members::default() };
    per_epoch(changes, Pipeline, "Members", move |epoch, changes| {
        let texts = texts.borrow();
        changes.into_iter().for_each(|change| members.change(change, &texts));
        members.tell(epoch, &texts)
    })
}

/// The members that this worker has counts of.
#[derive(Default)]
struct Members {
    by_count: Vec<CountedMembers>,
    /// How many keys there are of each.
    days: HashMap<Day, i64>,
    browser_os: HashMap<Text, i64>,
    hosts: HashMap<String, i64>,
    /// The days of products, by their numbers.
    products: HashMap<u32, Days>,
    stores: HashMap<Text, SmallVec<[InCountry; 1]>>,
    /// What was true, before this epoch, of those that changed in it.
    products_before: HashMap<u32, Option<Seen>>,
    stores_before: HashMap<Text, Option<(Seen, Country)>>,
    changes: Vec<(DimensionKey, MemberChange)>,
}

/// What is counted of a store in one country.
struct InCountry {
    country: Country,
    days: Days,
    total: i64,
}

impl Members {
    fn change(&mut self, change: Change, texts: &Interner) {
        let (key, count) = match change {
            Change::Count(key, count) => (key, count),
            Change::Day(day, keys) => {
                return self
                    .changes
                    .extend(add(&mut self.days, &day, keys).map(|change| (DimensionKey::Date(day), change)));
            }
        };
        let CountedMembers { fields, product, store, browser_os: pair, referrer, .. } = self.by_count[key.count()];
        let (is_there, member) = (!count.is_delete(), texts.resolve(key.member()));
        let keys = i64::from(count.is_insert()) - i64::from(count.is_delete());
        let text = |place| part(&member, fields, place);
        if product && keys != 0 {
            let days = self.products.entry(key.member()).or_default();
            self.products_before.entry(key.member()).or_insert_with(|| days.seen());
            days.set(key.day(), is_there);
        }
        if let Some((store, country)) = store
            && let Some(country) = Country::new(&text(country).to_str())
        {
            let store = text(store).map(SharedStr::from);
            let countries = self.stores.entry_ref(&store).or_default();
            self.stores_before.entry_ref(&store).or_insert_with(|| home(countries));
            let place = countries.iter().position(|known| known.country == country).unwrap_or_else(|| {
                countries.push(InCountry { country, days: Days::default(), total: 0 });
                countries.len() - 1
            });
            countries[place].total += count.delta;
            countries[place].days.set(key.day(), is_there);
        }
        if let Some((browser, os)) = pair {
            let pair = browser_os::pair(&text(browser).to_str(), &text(os).to_str());
            let change = add(&mut self.browser_os, &pair, keys);
            self.changes.extend(change.map(|change| (DimensionKey::BrowserOs(pair), change)));
        }
        if referrer
            && let Text::Other(url) = &member
            && let Some(host) = host(url.as_ref())
        {
            let change = add(&mut self.hosts, &*host, keys);
            self.changes.extend(change.map(|change| (DimensionKey::Referrer(Text::from(&*host)), change)));
        }
    }

    /// The updates of members that changed in this epoch.
    fn tell(&mut self, epoch: Epoch, texts: &Interner) -> Vec<(DimensionKey, MemberChange)> {
        let Members { products, stores, products_before, stores_before, changes, .. } = self;
        for (number, before) in products_before.drain() {
            let now = products.get(&number).and_then(Days::seen);
            if now.is_none() {
                products.remove(&number);
            }
            if now != before && epoch > SEED {
                let id = texts.resolve(number).cloned();
                changes.push((DimensionKey::Product(id), MemberChange::Counts(now.map(|seen| (seen, None)))));
            }
        }
        for (store, before) in stores_before.drain() {
            let countries = stores.entry_ref(&store).or_default();
            // A negative total still waits for events in flight.
            countries.retain(|country| country.total != 0 || country.days.seen().is_some());
            let now = home(countries);
            if countries.is_empty() {
                stores.remove(&store);
            }
            if now != before && epoch > SEED {
                let now = now.map(|(seen, home)| (seen, Some(home)));
                changes.push((DimensionKey::Store(store), MemberChange::Counts(now)));
            }
        }
        std::mem::take(changes)
    }
}

/// Adds to a member's number of keys; returns the update if its first key came or its last one went.
fn add<K, Q>(members: &mut HashMap<K, i64>, member: &Q, keys: i64) -> Option<MemberChange>
where
    K: Eq + Hash,
    Q: Equivalent<K> + Hash + ToOwned<Owned = K> + ?Sized,
{
    if let Some(sum) = members.get_mut(member) {
        *sum += keys;
        let is_gone = *sum == 0;
        if is_gone {
            members.remove(member);
        }
        return is_gone.then_some(MemberChange::Workers(-1));
    }
    if keys == 0 {
        return None;
    }
    members.insert(member.to_owned(), keys);
    Some(MemberChange::Workers(1))
}

/// The first and the last day of a store, and the country with most of its events, on a tie the first code.
fn home(countries: &[InCountry]) -> Option<(Seen, Country)> {
    let seen = countries.iter().filter_map(|country| country.days.seen());
    let seen = seen.reduce(|a, b| Seen { first: a.first.min(b.first), last: a.last.max(b.last) })?;
    let home = countries.iter().max_by_key(|country| (country.total, Reverse(country.country)))?;
    Some((seen, home.country))
}
