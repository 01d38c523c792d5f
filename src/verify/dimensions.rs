//! The dimensions, from the counts and from what was seen of pages beside them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use dataflows::{category, known_kind};
use hashbrown::HashMap;

use super::ledger::{BROWSERS, COUNTRIES, DIM_REFERRER, Ledger, PARTED_BY, PRODUCTS};
use super::ledger::{REFERRERS, Rows, STORES, Side, side};
use super::names::{Seen, believed, is_possible, pages};
use super::pages::{Page, host};

/// What the dimensions should hold. Where a part of the topic cannot be recounted, what a lost record may have said of
/// a page or a referrer is believed.
pub fn dimensions(ledger: &Ledger, complete: bool) -> [Rows; 7] {
    let side = side(complete);
    let (names, hosts) = evidence(ledger, complete);
    [
        dates(ledger, side),
        products(ledger, side, &pages(&names, &hosts)),
        stores(ledger, side),
        browsers(ledger, side),
        referrers(ledger, side, complete),
        names,
        hosts,
    ]
}

/// What products' names are chosen by.
fn evidence(ledger: &Ledger, complete: bool) -> (Rows, Rows) {
    let [.., stored_names, stored_hosts] = &ledger.dimensions;
    let all_hosts = ledger.names.of_hosts();
    let hosts = ledger.admitted.of_dimension(stored_hosts, all_hosts.clone(), |host| host);
    // Where hosts were left out it is for each worker to say what of their views counts.
    if hosts.len() < all_hosts.len() {
        return (stored_names.clone(), stored_hosts.clone());
    }
    let names = ledger.admitted.of_dimension(stored_names, ledger.names.of_products(), product_of);
    if complete {
        return (names, hosts);
    }
    (believed(stored_names, names, is_possible), believed(stored_hosts, hosts, |_, _| true))
}

/// The product that a key of `product_names` begins with.
fn product_of(name: &str) -> &str {
    name.split(PARTED_BY).next().unwrap_or_default()
}

fn dates(ledger: &Ledger, side: Side) -> Rows {
    ledger.keys(COUNTRIES, ["day"], side).map(|([day], _)| (day.into(), Vec::new())).collect()
}

fn products(ledger: &Ledger, side: Side, pages: &HashMap<String, Seen>) -> Rows {
    let row = |(product, [first, last]): (&str, [&str; 2])| {
        let (url, day) = pages.get(product).map(|seen| (seen.url.clone(), seen.day.clone())).unzip();
        let name = url.as_deref().and_then(Page::of).and_then(|page| page.name());
        (product.into(), vec![name, url, day, Some(first.into()), Some(last.into())])
    };
    days(ledger.keys(PRODUCTS, ["product_id", "day"], side)).into_iter().map(row).collect()
}

fn stores(ledger: &Ledger, side: Side) -> Rows {
    let mut countries: BTreeMap<&str, BTreeMap<&str, i64>> = BTreeMap::new();
    for ([store, country], views) in ledger.keys(STORES, ["store_id", "country"], side) {
        *countries.entry(store).or_default().entry(country).or_default() += views;
    }
    let row = |(store, [first, last]): (&str, [&str; 2])| {
        let most = countries[store].iter().max_by_key(|(country, views)| (**views, Reverse(**country)));
        let country = most.map(|(country, _)| (*country).to_owned());
        (store.into(), vec![country, Some(first.into()), Some(last.into())])
    };
    days(ledger.keys(STORES, ["store_id", "day"], side)).into_iter().map(row).collect()
}

fn browsers(ledger: &Ledger, side: Side) -> Rows {
    let names = ledger.keys(BROWSERS, ["browser", "os"], side);
    let row =
        |[browser, os]: [&str; 2]| (format!("{browser}{PARTED_BY}{os}"), vec![Some(category(browser, os).into())]);
    names.map(|(names, _)| row(names)).collect()
}

fn referrers(ledger: &Ledger, side: Side, complete: bool) -> Rows {
    let own = || Some("own site".to_owned());
    let lost = |host: &str| !complete && ledger.dimensions[DIM_REFERRER].get(host).is_some_and(|row| row[0] == own());
    let kind = |host: &str| match known_kind(host) {
        Some(kind) => Some(kind.into()),
        None if ledger.own_sites.contains(host) || lost(host) => own(),
        None => Some("other".into()),
    };
    let hosts = ledger.keys(REFERRERS, ["referrer_url"], side).filter_map(|([url], _)| host(url));
    let hosts = hosts.chain(ledger.hosts_left_out.iter().cloned());
    let recounted = hosts.map(|host| (host.clone(), vec![kind(&host)])).collect();
    ledger.admitted.of_dimension(&ledger.dimensions[DIM_REFERRER], recounted, |host| host)
}

/// The first day and the last one of each item.
fn days<'a>(counted: impl Iterator<Item = ([&'a str; 2], i64)>) -> BTreeMap<&'a str, [&'a str; 2]> {
    let mut items: BTreeMap<&str, [&str; 2]> = BTreeMap::new();
    for ([item, day], _) in counted {
        let [first, last] = items.entry(item).or_insert([day, day]);
        (*first, *last) = (day.min(*first), day.max(*last));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::super::ledger::{DIM_PRODUCT, PAGE_HOSTS, PRODUCT_NAMES, Views};
    use super::*;

    /// The counts of one side, each by its table, its key and its views.
    fn ledger(counts: &[(usize, &[&str], i64)], set: fn(&mut Views, i64)) -> Ledger {
        let (mut ledger, mut key) = (Ledger::default(), String::new());
        for (table, columns, views) in counts {
            set(ledger.views(*table, columns.iter().copied(), &mut key), *views);
        }
        ledger
    }

    /// A dimension, each row as one text.
    fn texts(rows: &Rows) -> Vec<String> {
        let text = |row: &[Option<String>]| {
            row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" ")
        };
        rows.iter().map(|(key, row)| format!("{} {}", key.replace(PARTED_BY, "/"), text(row))).collect()
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
        ledger.counted[COUNTRIES].insert("2020-06-05\0DE".into(), Views { stored: 1, recounted: 0 });
        let [dates, products, stores, browsers, referrers, names, hosts] = dimensions(&ledger, true);
        assert_eq!(texts(&dates), ["2020-06-03 ", "2020-06-04 "]);
        let expected =
            ["1 ring https://a.de/ring.html 2020-06-03 2020-06-03 2020-06-04", "2 - - - 2020-06-04 2020-06-04"];
        assert_eq!(texts(&products), expected);
        assert_eq!(texts(&stores), ["6 DE 2020-06-03 2020-06-05"]);
        assert_eq!(texts(&browsers), ["Firefox/Plan 9 unknown"]);
        assert_eq!(texts(&referrers), ["other.de other", "own.de own site"]);
        assert_eq!(texts(&names), [""; 0]);
        assert_eq!(texts(&hosts), ["a.de 1 1\thttps://a.de/ring.html\t1\t18416"]);
    }

    #[test]
    fn what_a_lost_record_may_have_said_is_believed() {
        let mut ledger = ledger(&COUNTS, |views, count| views.stored = count);
        (0..12).for_each(|_| ledger.names.add("1", "https://a.de/b-c", "2020-06-03"));
        let mut believed = |key: &str, cells: [&str; 3]| {
            ledger.dimensions[PRODUCT_NAMES] = Rows::from([(key.into(), cells.map(|cell| Some(cell.into())).into())]);
            texts(&dimensions(&ledger, false)[DIM_PRODUCT])
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
        ledger.dimensions[PAGE_HOSTS]
            .insert("b.de".into(), vec![Some("1".into()), Some("2\thttps://b.de/x\t1\t18417".into())]);
        let products = &dimensions(&ledger, false)[DIM_PRODUCT];
        assert_eq!(texts(products)[1], "2 x https://b.de/x 2020-06-04 2020-06-04 2020-06-04");
        ledger.dimensions[DIM_REFERRER].insert("own.de".into(), vec![Some("own site".into())]);
        ledger.dimensions[DIM_REFERRER].insert("other.de".into(), vec![Some("a whim".into())]);
        assert_eq!(texts(&dimensions(&ledger, false)[DIM_REFERRER]), ["other.de other", "own.de own site"]);
        assert_eq!(texts(&dimensions(&ledger, true)[DIM_REFERRER]), [""; 0]);
    }
}
