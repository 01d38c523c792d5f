//! The dimensions, derived from the counts and from the pages that were seen.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use dataflows::model::{Dimension, DimensionTable};
use dataflows::{category, known_kind};
use hashbrown::HashMap;

use super::ledger::{Key, Ledger, Rows, SEPARATOR, Side, cell, side};
use super::names::{Seen, believed, is_possible, pages};
use super::pages::{Page, host};

/// What the dimensions should hold, in the order of [`Ledger::dimensions`]. Where a part of the topic cannot be recounted, a
/// stored row that a lost record may have caused is trusted; and where days expire, or copies are left out, one that a record
/// may have caused that does not count.
pub fn dimensions(ledger: &Ledger, complete: bool) -> Vec<Rows> {
    let side = side(complete);
    let (names, hosts) = evidence(ledger, complete);
    let rows = |(table, _): &(DimensionTable, Rows)| match table {
        DimensionTable::Date => dates(ledger, side),
        DimensionTable::Product => products(ledger, side, &names, &pages(&names, &hosts)),
        DimensionTable::Store => stores(ledger, side),
        DimensionTable::BrowserOs => browsers(ledger, side),
        DimensionTable::Referrer => referrers(ledger, side, complete),
        DimensionTable::ProductNames => names.clone(),
        DimensionTable::PageHosts => hosts.clone(),
    };
    ledger.dimensions.iter().map(rows).collect()
}

/// The rows from which products' names are chosen: those of names, and those of hosts.
fn evidence(ledger: &Ledger, complete: bool) -> (Rows, Rows) {
    let [stored_names, stored_hosts] =
        [DimensionTable::ProductNames, DimensionTable::PageHosts].map(|table| ledger.stored(table));
    let all_hosts = ledger.names.of_hosts();
    let hosts = ledger.admitted.of_dimension(stored_hosts, all_hosts.clone(), |host| host);
    // Where hosts were left out, the order in which workers saw them decides which of their views count.
    if hosts.len() < all_hosts.len() {
        return (stored_names.clone(), stored_hosts.clone());
    }
    let names = ledger.admitted.of_dimension(stored_names, ledger.names.of_products(), product_of);
    if complete && ledger.is_all_said() {
        return (names, hosts);
    }
    (believed(stored_names, names, is_possible), believed(stored_hosts, hosts, |_, _| true))
}

/// The product that a key of `product_names` begins with.
fn product_of(name: &str) -> &str {
    name.split(SEPARATOR).next().unwrap_or_default()
}

/// The days of all counts that have one.
fn dates(ledger: &Ledger, side: Side) -> Rows {
    let counts = ledger.model.counts[ledger.model.counted()].iter().enumerate().filter(|(_, count)| count.has_day);
    let days = counts.flat_map(|(place, _)| ledger.sums(place, &[Dimension::Day], side).into_keys());
    days.map(|day| (day, Vec::new())).collect()
}

fn products(ledger: &Ledger, side: Side, names: &Rows, pages: &HashMap<String, Seen>) -> Rows {
    let Some(product) = ledger.model.dimensions.product else { return Rows::new() };
    let named = |url: &Option<String>| url.as_deref().and_then(Page::parse).and_then(|page| page.name());
    let stored = ledger.stored(DimensionTable::Product);
    // A product that expired and came back has only what was seen of it since; and copies also contribute.
    let believed = |product: &str| {
        let [name, url, day, ..] = &stored.get(product).filter(|_| !ledger.is_all_said())?[..] else {
            return None;
        };
        let is_named =
            || names.range(format!("{product}{SEPARATOR}")..).next().is_some_and(|(key, _)| product_of(key) == product);
        let is_possible = if url.is_some() { *name == named(url) } else { !is_named() };
        is_possible.then(|| (name.clone(), url.clone(), day.clone()))
    };
    let row = |(product, [first, last]): (&str, [&str; 2])| {
        let (name, url, day) = believed(product).unwrap_or_else(|| {
            let (url, day) = pages.get(product).map(|seen| (seen.url.clone(), seen.day.clone())).unzip();
            (named(&url), url, day)
        });
        (product.into(), vec![name, url, day, Some(first.into()), Some(last.into())])
    };
    let counted = ledger.sums(product.days, &[Dimension::Field(product.id), Dimension::Day], side);
    days(&counted).into_iter().map(row).collect()
}

fn stores(ledger: &Ledger, side: Side) -> Rows {
    let Some(store) = ledger.model.dimensions.store else { return Rows::new() };
    let by = |dimension| ledger.sums(store.days, &[Dimension::Field(store.id), dimension], side);
    let counted = by(Dimension::Field(store.country));
    let mut most: HashMap<&str, (i64, Reverse<&str>)> = HashMap::new();
    for (key, views) in &counted {
        let home = most.entry(cell(key, 0)).or_insert((0, Reverse("")));
        *home = (*views, Reverse(cell(key, 1))).max(*home);
    }
    let row = |(store, [first, last]): (&str, [&str; 2])| {
        let country = most.get(store).map(|(_, country)| country.0.to_owned());
        (store.into(), vec![country, Some(first.into()), Some(last.into())])
    };
    days(&by(Dimension::Day)).into_iter().map(row).collect()
}

fn browsers(ledger: &Ledger, side: Side) -> Rows {
    let Some(pair) = ledger.model.dimensions.browser_os else { return Rows::new() };
    let names = ledger.sums(pair.counted, &[Dimension::Field(pair.browser), Dimension::Field(pair.os)], side);
    let category = |names: &str| vec![Some(category(cell(names, 0), cell(names, 1)).into())];
    names.into_keys().map(|names| (names.clone(), category(&names))).collect()
}

fn referrers(ledger: &Ledger, side: Side, complete: bool) -> Rows {
    let Some(referrer) = ledger.model.dimensions.referrer else { return Rows::new() };
    let stored = ledger.stored(DimensionTable::Referrer);
    let own = || Some("own site".to_owned());
    let lost = |host: &str| (!complete || !ledger.is_all_said()) && stored.get(host).is_some_and(|row| row[0] == own());
    let kind = |host: &str| match known_kind(host) {
        Some(kind) => Some(kind.into()),
        None if ledger.own_sites.contains(host) || lost(host) => own(),
        None => Some("other".into()),
    };
    let urls = ledger.sums(referrer.counted, &[Dimension::Field(referrer.url)], side);
    let hosts = urls.keys().filter_map(|url| host(url)).chain(ledger.hosts_left_out.iter().cloned());
    let recounted = hosts.map(|host| (host.clone(), vec![kind(&host)])).collect();
    ledger.admitted.of_dimension(stored, recounted, |host| host)
}

/// The first day and the last one of each item, by the sums of items and days.
fn days(counted: &HashMap<Key, i64>) -> BTreeMap<&str, [&str; 2]> {
    let mut items: BTreeMap<&str, [&str; 2]> = BTreeMap::new();
    for key in counted.keys() {
        let (item, day) = (cell(key, 0), cell(key, 1));
        let [first, last] = items.entry(item).or_insert([day, day]);
        (*first, *last) = (day.min(*first), day.max(*last));
    }
    items
}

#[cfg(test)]
mod tests {
    use dataflows::DaysKept;
    use dataflows::model::Model;

    use super::super::ledger::Views;
    use super::*;

    /// The counts of the default model, in its order.
    const STORES: usize = 0;
    const PRODUCTS: usize = 1;
    const BROWSERS: usize = 2;
    const COUNTRIES: usize = 3;
    const REFERRERS: usize = 4;

    /// The counts of one side, each by its table, its key and its views.
    fn ledger(counts: &[(usize, &[&str], i64)], set: fn(&mut Views, i64)) -> Ledger {
        let (mut ledger, mut key) = (Ledger::new(Model::builtin(), DaysKept::All, BTreeMap::new()), String::new());
        for (table, columns, views) in counts {
            set(ledger.views(*table, columns.iter().copied(), &mut key), *views);
        }
        ledger
    }

    /// What is stored of a dimension.
    fn stored(ledger: &mut Ledger, table: DimensionTable) -> &mut Rows {
        let (_, rows) = ledger.dimensions.iter_mut().find(|(of, _)| *of == table).expect("a table of the model");
        rows
    }

    /// What should be.
    fn right(ledger: &Ledger, table: DimensionTable, complete: bool) -> Rows {
        let place = ledger.dimensions.iter().position(|(of, _)| *of == table).expect("a table of the model");
        dimensions(ledger, complete).swap_remove(place)
    }

    /// A dimension, each row as one text.
    fn texts(rows: &Rows) -> Vec<String> {
        let text = |row: &[Option<String>]| {
            row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" ")
        };
        rows.iter().map(|(key, row)| format!("{} {}", key.replace(SEPARATOR, "/"), text(row))).collect()
    }

    const COUNTS: [(usize, &[&str], i64); 12] = [
        (PRODUCTS, &["1", "2020-06-04", "8"], 1),
        (PRODUCTS, &["1", "2020-06-03", "23"], 2),
        (PRODUCTS, &["2", "2020-06-04", "8"], 1),
        (COUNTRIES, &["2020-06-03", "DE"], 2),
        (COUNTRIES, &["2020-06-04", "FR"], 5),
        (REFERRERS, &["2020-06-04", "https://own.de/a"], 1),
        (REFERRERS, &["2020-06-04", "https://Other.de/a"], 1),
        (REFERRERS, &["2020-06-04", "no host"], 1),
        (STORES, &["2020-06-04", "FR", "6"], 2),
        (STORES, &["2020-06-03", "DE", "6"], 1),
        (STORES, &["2020-06-05", "DE", "6"], 1),
        (BROWSERS, &["2020-06-04", "8", "Firefox", "Plan 9"], 1),
    ];

    #[test]
    fn they_follow_from_the_counts() {
        let mut ledger = ledger(&COUNTS, |views, count| views.recounted = count);
        ledger.names.add("1", "https://a.de/ring.html", "2020-06-03");
        ledger.own_sites.insert("own.de".into());
        // No rows follow from what is stored alone.
        ledger.counted[COUNTRIES].insert("2020-06-06\0DE".into(), Views { stored: 1, recounted: 0 });
        let rows = dimensions(&ledger, true);
        let [dates, products, stores, browsers, referrers, names, hosts] = &rows[..] else { panic!("seven tables") };
        assert_eq!(texts(dates), ["2020-06-03 ", "2020-06-04 ", "2020-06-05 "]);
        let expected =
            ["1 ring https://a.de/ring.html 2020-06-03 2020-06-03 2020-06-04", "2 - - - 2020-06-04 2020-06-04"];
        assert_eq!(texts(products), expected);
        assert_eq!(texts(stores), ["6 DE 2020-06-03 2020-06-05"]);
        assert_eq!(texts(browsers), ["Firefox/Plan 9 unknown"]);
        assert_eq!(texts(referrers), ["other.de other", "own.de own site"]);
        assert_eq!(texts(names), [""; 0]);
        assert_eq!(texts(hosts), ["a.de 1 1\thttps://a.de/ring.html\t1\t18416"]);
    }

    #[test]
    fn what_a_lost_record_said_is_believed() {
        let mut ledger = ledger(&COUNTS, |views, count| views.stored = count);
        (0..12).for_each(|_| ledger.names.add("1", "https://a.de/b-c", "2020-06-03"));
        let mut believed = |key: &str, cells: [&str; 3]| {
            *stored(&mut ledger, DimensionTable::ProductNames) =
                Rows::from([(key.into(), cells.map(|cell| Some(cell.into())).into())]);
            texts(&right(&ledger, DimensionTable::Product, false))
        };
        let (one, two) = ("https://a.de/b-c 2020-06-03 2020-06-03 2020-06-04", "2 - - - 2020-06-04 2020-06-04");
        let of_one = |page: &str| [format!("1 {page} 2020-06-03 2020-06-04"), two.to_owned()];
        let plain = [format!("1 b c {one}"), two.to_owned()];
        assert_eq!(
            believed("1\0b c", ["13", "https://a.de/b_c", "2020-06-01"]),
            of_one("b c https://a.de/b_c 2020-06-01")
        );
        assert_eq!(believed("1\0c", ["13", "https://a.de/c", "2020-06-04"]), of_one("c https://a.de/c 2020-06-04"));
        // A record that can be read says better, or no record can have said it.
        assert_eq!(believed("1\0b c", ["11", "https://a.de/b_c", "2020-06-01"]), plain);
        assert_eq!(believed("1\0c", ["13", "https://a.de/d", "2020-06-04"]), plain);
        stored(&mut ledger, DimensionTable::PageHosts)
            .insert("b.de".into(), vec![Some("1".into()), Some("2\thttps://b.de/x\t1\t18417".into())]);
        let products = right(&ledger, DimensionTable::Product, false);
        assert_eq!(texts(&products)[1], "2 x https://b.de/x 2020-06-04 2020-06-04 2020-06-04");
        let hosts = stored(&mut ledger, DimensionTable::Referrer);
        hosts.insert("own.de".into(), vec![Some("own site".into())]);
        hosts.insert("other.de".into(), vec![Some("a whim".into())]);
        assert_eq!(texts(&right(&ledger, DimensionTable::Referrer, false)), ["other.de other", "own.de own site"]);
        assert_eq!(texts(&right(&ledger, DimensionTable::Referrer, true)), [""; 0]);
    }
}
