//! The names that pages give products, and how a product's own name is chosen.
//!
//! A host counts as the shop's from [`OWN_HOST_VIEWS`] views on. Views on such hosts count for names, those on others wait.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::NaiveDate;
use hashbrown::HashMap;

use super::ledger::{Rows, SEPARATOR};
use super::pages::{Page, host};

/// Views from which on a host is the shop's.
const OWN_HOST_VIEWS: i64 = 10;
/// Views of a name are counted up to this number.
const NAME_VIEWS_MAX: i64 = 20;
const DAY_0: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");

/// What was recounted of names and of hosts.
#[derive(Default)]
pub struct Names {
    /// By product and name.
    names: HashMap<String, Seen>,
    hosts: HashMap<String, Host>,
}

#[derive(Default)]
struct Host {
    views: i64,
    /// By product and address, as long as the host is not the shop's.
    waiting: BTreeMap<(String, String), (i64, String)>,
}

/// Views of a name, or of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub views: i64,
    pub url: String,
    pub day: String,
}

impl Names {
    /// Adds a view of a product on a page.
    pub fn add(&mut self, product: &str, url: &str, day: &str) {
        let Some((page, at)) = Page::parse(url).zip(host(url)) else { return };
        let Some(name) = page.name() else { return };
        let host = self.hosts.entry(at).or_default();
        host.views += 1;
        if host.views > OWN_HOST_VIEWS {
            return count(&mut self.names, product, &name, Seen { views: 1, url: page.url.into(), day: day.into() });
        }
        let (views, first) =
            host.waiting.entry((product.into(), page.url.into())).or_insert_with(|| (0, day.to_owned()));
        *views += 1;
        if *first.as_str() > *day {
            *first = day.into();
        }
        if host.views == OWN_HOST_VIEWS {
            for ((product, url), (views, day)) in std::mem::take(&mut host.waiting) {
                let Some(name) = Page::parse(&url).and_then(|page| page.name()) else { continue };
                count(&mut self.names, &product, &name, Seen { views, url, day });
            }
        }
    }

    /// What `product_names` should hold.
    pub fn of_products(&self) -> Rows {
        self.names.iter().map(|(key, seen)| (key.clone(), seen.cells())).collect()
    }

    /// What `page_hosts` should hold.
    pub fn of_hosts(&self) -> Rows {
        self.hosts.iter().map(|(name, host)| (name.clone(), host.cells())).collect()
    }
}

fn count(names: &mut HashMap<String, Seen>, product: &str, name: &str, seen: Seen) {
    match names.entry(format!("{product}{SEPARATOR}{name}")) {
        hashbrown::hash_map::Entry::Vacant(new) => drop(new.insert(seen)),
        hashbrown::hash_map::Entry::Occupied(mut known) => {
            let known = known.get_mut();
            known.views = NAME_VIEWS_MAX.min(known.views + seen.views);
            if seen.day < known.day {
                known.day = seen.day;
            }
            if (seen.url.len(), &seen.url) < (known.url.len(), &known.url) {
                known.url = seen.url;
            }
        }
    }
}

impl Seen {
    fn cells(&self) -> Vec<Option<String>> {
        vec![Some(self.views.to_string()), Some(self.url.clone()), Some(self.day.clone())]
    }

    /// Reads a row of `product_names`.
    fn read(row: &[Option<String>]) -> Option<Seen> {
        let [Some(views), Some(url), Some(day)] = row else { return None };
        Some(Seen { views: views.parse().ok()?, url: url.clone(), day: day.clone() })
    }
}

impl Host {
    fn cells(&self) -> Vec<Option<String>> {
        let line = |((product, url), (views, day)): (&(String, String), &(i64, String))| {
            let day = day.parse::<NaiveDate>().map_or(0, |day| day.signed_duration_since(DAY_0).num_days());
            format!("{}\t{}\t{views}\t{day}", escaped(product), escaped(url))
        };
        let lines: Vec<_> = self.waiting.iter().map(line).collect();
        vec![Some(self.views.min(OWN_HOST_VIEWS).to_string()), (!lines.is_empty()).then(|| lines.join("\n"))]
    }
}

/// A field of a row without tabs and line ends.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('\t', r"\t").replace('\n', r"\n").replace('\r', r"\r")
}

fn plain(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    while let Some(part) = parts.next() {
        match part.chars().next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            // An escaped backslash: the next part is literal.
            _ => {
                plain.push('\\');
                plain.push_str(parts.next().unwrap_or_default());
                continue;
            }
        }
        plain.push_str(&part[1..]);
    }
    plain
}

/// The page of each product that has one, by what the rows of `product_names` and of `page_hosts` say.
pub fn pages(names: &Rows, hosts: &Rows) -> HashMap<String, Seen> {
    let mut best: HashMap<String, (Key, Seen)> = HashMap::new();
    for (key, row) in names {
        let Some(((product, name), seen)) = key.split_once(SEPARATOR).zip(Seen::read(row)) else { continue };
        prefer(&mut best, product, true, name.to_owned(), seen);
    }
    for row in hosts.values() {
        for line in row.get(1).into_iter().flatten().flat_map(|waiting| waiting.lines()) {
            let [product, url, views, day] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
            let (Ok(views), Ok(days)) = (views.parse(), day.parse()) else { continue };
            let day = (DAY_0 + chrono::Duration::days(days)).to_string();
            let seen = Seen { views, url: plain(url), day };
            if let Some(name) = Page::parse(&seen.url).and_then(|page| page.name()) {
                prefer(&mut best, &plain(product), false, name, seen);
            }
        }
    }
    best.into_iter().map(|(product, (_, seen))| (product, seen)).collect()
}

/// The order by which a page is preferred to another: the greatest.
type Key = (bool, i64, Reverse<String>, Reverse<(usize, String)>, Reverse<String>);

fn prefer(best: &mut HashMap<String, (Key, Seen)>, product: &str, is_own: bool, name: String, seen: Seen) {
    let url = Reverse((seen.url.len(), seen.url.clone()));
    let key = (is_own, seen.views, Reverse(name), url, Reverse(seen.day.clone()));
    match best.get_mut(product) {
        Some((known, _)) if *known >= key => {}
        _ => drop(best.insert(product.into(), (key, seen))),
    }
}

/// The rows as they should be where lost records may have contributed: a stored row with at least the views of the recount is
/// trusted. `views` is their first column.
pub fn believed(stored: &Rows, recounted: Rows, is_possible: impl Fn(&str, &[Option<String>]) -> bool) -> Rows {
    let views = |row: &[Option<String>]| row.first().cloned().flatten().and_then(|views| views.parse::<i64>().ok());
    let mut right = recounted;
    for (key, row) in stored {
        let is_more = right.get(key).is_none_or(|least| views(row) >= views(least));
        if is_more && is_possible(key, row) {
            right.insert(key.clone(), row.clone());
        }
    }
    right
}

/// Whether a record can have caused this row of `product_names`.
pub fn is_possible(key: &str, row: &[Option<String>]) -> bool {
    let name = Seen::read(row).and_then(|seen| Page::parse(&seen.url).and_then(|page| page.name()));
    key.split_once(SEPARATOR).map(|(_, name)| name) == name.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "https://a.de/ring-a";

    fn page(names: &Names) -> Option<Seen> {
        pages(&names.of_products(), &names.of_hosts()).remove("1")
    }

    fn seen(views: i64, url: &str, day: &str) -> Option<Seen> {
        Some(Seen { views, url: url.into(), day: day.into() })
    }

    #[test]
    fn the_most_seen_name_on_own_hosts_holds() {
        let mut names = Names::default();
        assert_eq!(page(&names), None);
        names.add("1", "https://a.de/", "2020-06-01");
        names.add("1", "https://b.de/\\\t\n-x", "2020-06-02");
        assert_eq!(page(&names), seen(1, "https://b.de/\\\t\n-x", "2020-06-02"));
        for (product, views) in [("1", 2), ("2", 7)] {
            (0..views).for_each(|_| names.add(product, SHOP, "2020-06-03"));
        }
        assert_eq!(page(&names), seen(2, SHOP, "2020-06-03"), "a page that is seen more");
        (0..5).for_each(|_| names.add("1", "https://b.de/x", "2020-06-01"));
        assert_eq!(page(&names), seen(5, "https://b.de/x", "2020-06-01"), "no host is the shop's yet");
        names.add("2", SHOP, "2020-06-03");
        assert_eq!(page(&names), seen(2, SHOP, "2020-06-03"), "the shop's host goes before");
        (0..3).for_each(|_| names.add("1", "https://a.de/other", "2020-06-01"));
        assert_eq!(page(&names), seen(3, "https://a.de/other", "2020-06-01"), "a name that is seen more");
        (0..200).for_each(|_| names.add("1", SHOP, "2020-06-03"));
        (0..200).for_each(|_| names.add("1", "https://a.de/x/ring", "2020-06-03"));
        assert_eq!(page(&names), seen(20, "https://a.de/x/ring", "2020-06-03"), "both are seen enough");
    }
}
