//! The dimensions, from the counts and from what was seen of pages beside them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use dataflows::{category, known_kind};

use super::ledger::{BROWSERS, COUNTRIES, DIM_PRODUCT, DIM_REFERRER, Ledger, PARTED_BY, PRODUCTS, REFERRERS};
use super::ledger::{Rows, STORES, Side, side};
use super::pages::{Page, host};

/// What the dimensions should hold. Where a part of the topic cannot be recounted, what a lost record may have said of
/// a page or a referrer is believed.
pub fn dimensions(ledger: &Ledger, complete: bool) -> [Rows; 5] {
    let side = side(complete);
    [
        dates(ledger, side),
        products(ledger, side, complete),
        stores(ledger, side),
        browsers(ledger, side),
        referrers(ledger, side, complete),
    ]
}

fn dates(ledger: &Ledger, side: Side) -> Rows {
    ledger.keys(COUNTRIES, ["day"], side).map(|([day], _)| (day.into(), Vec::new())).collect()
}

fn products(ledger: &Ledger, side: Side, complete: bool) -> Rows {
    let row = |(product, [first, last]): (&str, [&str; 2])| {
        let seen = ledger.pages.get(product).cloned();
        let lost = if complete { None } else { stored_page(ledger, product) };
        let lost = lost.filter(|page| (first..=last).contains(&page.day.as_str()));
        let page = seen.max(lost);
        let name = page.as_ref().and_then(Page::name);
        let (url, day) = page.map(|page| (page.url().to_owned(), page.day)).unzip();
        (product.into(), vec![name, url, day, Some(first.into()), Some(last.into())])
    };
    days(ledger.keys(PRODUCTS, ["product_id", "day"], side)).into_iter().map(row).collect()
}

/// The page that a product has in its row.
fn stored_page(ledger: &Ledger, product: &str) -> Option<Page> {
    match ledger.dimensions[DIM_PRODUCT].get(product)?.as_slice() {
        [_, Some(url), Some(day), ..] => Page::of(url, day),
        _ => None,
    }
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
    hosts.map(|host| (host.clone(), vec![kind(&host)])).collect()
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
