//! The dimensions, recomputed from the raw records as their definitions say, one rule after the other.
//!
//! Independent like the oracle: nothing of Freshet's own code is used here. Which hosts are search engines and social
//! networks is data of Freshet's; of them only some that everybody knows are held against it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use chrono::{Datelike, NaiveDate};
use woothee::dataset::DATASET;

use super::oracle::Table;
use super::urls::{host, names_visitor, percent_decoded, without_query};
use super::verdict::Event;

/// What these hosts must be, and what they must not be taken for.
pub const SEARCH: [&str; 9] = [
    "www.google.com",
    "www.google.co.uk",
    "google.fr",
    "www.bing.com",
    "duckduckgo.com",
    "search.yahoo.com",
    "yandex.ru",
    "www.baidu.com",
    "com.google.android.googlequicksearchbox",
];
pub const SOCIAL: [&str; 11] = [
    "www.facebook.com",
    "l.facebook.com",
    "m.facebook.com",
    "l.instagram.com",
    "t.co",
    "www.pinterest.com",
    "www.pinterest.de",
    "www.youtube.com",
    "www.reddit.com",
    "vk.com",
    "www.linkedin.com",
];
pub const NEITHER: [&str; 5] =
    ["notgoogle.com", "google.example.com", "facebook.com.evil.example", "googleusercontent.com", "mygoogle.de"];

/// All that the counted records say of what they are counted by.
#[derive(Default)]
pub struct Dimensions {
    days: BTreeSet<NaiveDate>,
    /// By product, when it was seen.
    products: BTreeMap<String, BTreeSet<NaiveDate>>,
    /// By host, product, page and day, the views of pages that give a name.
    pages: BTreeMap<String, BTreeMap<(String, String, NaiveDate), i64>>,
    /// By store, the views of each day and country.
    stores: BTreeMap<String, BTreeMap<(NaiveDate, String), i64>>,
    browsers: BTreeSet<(String, String)>,
    /// By host, whether it led to itself.
    referrers: BTreeMap<String, bool>,
}

impl Dimensions {
    /// Takes one counted record.
    pub fn add(&mut self, event: &Event) {
        let (day, url) = (event.time.date(), event.url.as_deref());
        self.days.insert(day);
        self.browsers.insert((event.browser.clone(), event.os.clone()));
        if let Some(product) = &event.product {
            self.products.entry(product.clone()).or_default().insert(day);
            if let Some((page, host)) = url.and_then(page).filter(|page| name(page).is_some()).zip(url.and_then(host)) {
                *self.pages.entry(host).or_default().entry((product.clone(), page, day)).or_default() += 1;
            }
        }
        if let Some(store) = &event.store {
            let views = self.stores.entry(store.clone()).or_default();
            *views.entry((day, event.country.clone())).or_default() += 1;
        }
        if let Some(from) = event.referrer.as_deref().and_then(host) {
            let own = url.and_then(host).as_ref() == Some(&from);
            *self.referrers.entry(from).or_default() |= own;
        }
    }

    /// The tables, but for the kinds of referrers.
    pub fn tables(&self) -> Vec<Table> {
        let dates = self.days.iter().map(|day| (vec![day.to_string()], date(*day)));
        let names = self.names();
        let products = self.products.iter();
        let products = products.map(|(product, days)| (vec![product.clone()], self.describe(product, days, &names)));
        let hosts = self.pages.iter().map(|(host, pages)| (vec![host.clone()], waiting(pages)));
        let stores = self.stores.iter().map(|(store, views)| (vec![store.clone()], place(views)));
        let browsers = self
            .browsers
            .iter()
            .map(|(browser, os)| (vec![browser.clone(), os.clone()], vec![category(browser, os).to_owned()]));
        let referrers = self.referrers.keys().map(|host| (vec![host.clone()], Vec::new()));
        let parts = &["year", "quarter", "month", "iso_year", "iso_week", "weekday", "is_weekend"];
        let of_product = &["name", "url", "url_day", "first_day", "last_day"];
        vec![
            ("dim_date", &["day"], parts, dates.collect()),
            ("dim_product", &["product_id"], of_product, products.collect()),
            ("dim_store", &["store_id"], &["country", "first_day", "last_day"], stores.collect()),
            ("dim_browser_os", &["browser", "os"], &["category"], browsers.collect()),
            ("dim_referrer", &["host"], &[], referrers.collect()),
            (
                "product_names",
                &["product_id", "name"],
                &["views", "url", "first_day"],
                names
                    .iter()
                    .map(|((product, name), views)| (vec![product.clone(), name.clone()], views.row()))
                    .collect(),
            ),
            ("page_hosts", &["host"], &["views", "waiting"], hosts.collect()),
        ]
    }

    /// By product and name, the views of pages on hosts with at least ten.
    fn names(&self) -> BTreeMap<(String, String), PageViews> {
        let mut names: BTreeMap<(String, String), PageViews> = BTreeMap::new();
        for pages in self.pages.values().filter(|pages| is_own(pages)) {
            for ((product, url, day), views) in pages {
                let called = (product.clone(), name(url).unwrap_or_default());
                names.entry(called).or_default().0.push((url.clone(), *day, *views));
            }
        }
        names
    }

    fn describe(
        &self,
        product: &str,
        days: &BTreeSet<NaiveDate>,
        names: &BTreeMap<(String, String), PageViews>,
    ) -> Vec<String> {
        let own = names.range((product.to_owned(), String::new())..).take_while(|((of, _), _)| of == product);
        let own = own
            .map(|((_, name), views)| (name.clone(), views.clone()))
            .min_by_key(|(name, views)| (-views.number(), name.clone()));
        let called = own.or_else(|| self.stranger(product)).map(|(name, views)| (name, views.url(), views.first()));
        let (name, url, day) = match called {
            Some((name, url, day)) => (Some(name), Some(url), Some(day.to_string())),
            None => (None, None, None),
        };
        let columns = [name, url, day, days.first().map(ToString::to_string), days.last().map(ToString::to_string)];
        columns.map(|column| column.unwrap_or("null".to_owned())).into()
    }

    /// The name that a product has while none of its pages is on a host with ten views: that of the most seen page.
    fn stranger(&self, product: &str) -> Option<(String, PageViews)> {
        let mut pages: BTreeMap<(&str, &str), PageViews> = BTreeMap::new();
        for (host, seen) in self.pages.iter().filter(|(_, pages)| !is_own(pages)) {
            for ((_, url, day), views) in seen.iter().filter(|((of, ..), _)| of == product) {
                pages.entry((host, url)).or_default().0.push((url.clone(), *day, *views));
            }
        }
        let pages = pages.into_iter().map(|((_, url), views)| (name(url).unwrap_or_default(), views));
        pages.min_by_key(|(name, views)| (-views.number(), name.clone(), views.url().len(), views.url()))
    }

    /// The referrers that are called something else than they are. A host that is said to be a search engine or a
    /// social network is believed, unless it is known to be neither.
    pub fn wrong_kinds(&self, snapshot: &mut postgres::Transaction) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        for row in snapshot.query("SELECT host, kind FROM dim_referrer", &[])? {
            let (host, kind): (&str, &str) = (row.get(0), row.get(1));
            let expected = match self.referrers.get(host) {
                _ if SEARCH.contains(&host) => "search",
                _ if SOCIAL.contains(&host) => "social",
                _ if ["search", "social"].contains(&kind) && !NEITHER.contains(&host) => kind,
                Some(true) => "own site",
                Some(false) => "other",
                None => continue,
            };
            if kind != expected {
                wrong.push(format!("dim_referrer: {host:?} is {kind:?}, expected {expected:?}"));
            }
        }
        Ok(wrong)
    }
}

/// The columns that Postgres makes of a day.
fn date(day: NaiveDate) -> Vec<String> {
    let weekday = day.weekday().number_from_monday();
    let quarter = day.month().div_ceil(3);
    let week = day.iso_week();
    let years = [i64::from(day.year()), quarter.into(), day.month().into(), week.year().into(), week.week().into()];
    let mut columns: Vec<String> = years.iter().map(i64::to_string).collect();
    columns.extend([weekday.to_string(), (weekday >= 6).to_string()]);
    columns
}

/// Views of a name: on which page, on which day, how many.
#[derive(Clone, Default)]
struct PageViews(Vec<(String, NaiveDate, i64)>);

impl PageViews {
    /// Above a hundred they are not told apart.
    fn number(&self) -> i64 {
        self.0.iter().map(|(.., views)| views).sum::<i64>().min(20)
    }

    fn url(&self) -> String {
        self.0.iter().map(|(url, ..)| url.clone()).min_by_key(|url| (url.len(), url.clone())).unwrap_or_default()
    }

    fn first(&self) -> NaiveDate {
        self.0.iter().map(|(_, day, _)| *day).min().unwrap_or_default()
    }

    fn row(&self) -> Vec<String> {
        vec![self.number().to_string(), self.url(), self.first().to_string()]
    }
}

fn is_own(pages: &BTreeMap<(String, String, NaiveDate), i64>) -> bool {
    pages.values().sum::<i64>() >= 10
}

/// The columns of a host: its views up to ten; below that, a line for each page.
fn waiting(pages: &BTreeMap<(String, String, NaiveDate), i64>) -> Vec<String> {
    if is_own(pages) {
        return vec!["10".to_owned(), "null".to_owned()];
    }
    let mut lines: BTreeMap<(&str, &str), (i64, NaiveDate)> = BTreeMap::new();
    for ((product, url, day), views) in pages {
        // The first of the days comes first.
        lines.entry((product, url)).or_insert((0, *day)).0 += views;
    }
    let escaped = |text: &str| {
        text.chars()
            .map(|c| match c {
                '\\' => r"\\".to_owned(),
                '\t' => r"\t".to_owned(),
                '\n' => r"\n".to_owned(),
                '\r' => r"\r".to_owned(),
                c => c.to_string(),
            })
            .collect::<String>()
    };
    let lines = lines.into_iter().map(|((product, url), (views, day))| {
        let days = (day - NaiveDate::default()).num_days();
        format!("{}\t{}\t{views}\t{days}", escaped(product), escaped(url))
    });
    vec![pages.values().sum::<i64>().to_string(), lines.collect::<Vec<_>>().join("\n")]
}

fn place(views: &BTreeMap<(NaiveDate, String), i64>) -> Vec<String> {
    let mut countries: BTreeMap<&str, i64> = BTreeMap::new();
    for ((_, country), views) in views {
        *countries.entry(country).or_default() += views;
    }
    let most = countries.values().max();
    // In the order of their bytes.
    let country = countries.iter().find(|(_, views)| Some(*views) == most).map(|(country, _)| (*country).to_owned());
    let days: Vec<NaiveDate> = views.keys().map(|(day, _)| *day).collect();
    let (first, last) = (days.iter().min().map(ToString::to_string), days.iter().max().map(ToString::to_string));
    [country, first, last].map(|column| column.unwrap_or("null".to_owned())).into()
}

pub fn category(browser: &str, os: &str) -> &'static str {
    let entry = |of_type: &str, name: &str| {
        DATASET.values().find(|entry| entry.browser_type == of_type && entry.name == name).map(|entry| entry.category)
    };
    entry("full", browser).or(entry("os", os)).unwrap_or("unknown")
}

/// What of a URL is kept as a product's page.
pub fn page(url: &str) -> Option<String> {
    let page = without_query(url);
    let lower = page.to_ascii_lowercase();
    let usable = (lower.starts_with("http://") || lower.starts_with("https://"))
        && page.len() <= 2_048
        && !page.contains('\0')
        && !names_visitor(&page);
    usable.then_some(page)
}

/// What a product is called by its page.
pub fn name(page: &str) -> Option<String> {
    let path = &page[page.find("://")? + 3..];
    let path = &path[path.find('/')?..];
    let segment = path.split('/').rfind(|segment| !segment.is_empty())?;
    let is_extension =
        |text: &str| (1..=5).contains(&text.chars().count()) && text.chars().all(|c| c.is_ascii_alphanumeric());
    let stem = match segment.rfind('.') {
        Some(dot) if dot > 0 && is_extension(&segment[dot + 1..]) => &segment[..dot],
        _ => segment,
    };
    let text = String::from_utf8(percent_decoded(stem.as_bytes())).ok()?;
    let blank = |c: char| "-_+".contains(c) || c.is_whitespace() || c.is_control();
    let spaced: String = text.chars().map(|c| if blank(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = spaced.split(' ').filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" ")).filter(|name| name.len() <= 1_024)
}

/// A dimension, its key, and the keys that are counted.
const KEYS: [(&str, &str, &str); 5] = [
    (
        "dim_date",
        "day",
        // A day that leaves does so in one table after the other.
        "SELECT day FROM country_views_daily UNION SELECT day FROM product_views_hourly UNION SELECT day FROM store_views_daily
            UNION SELECT day FROM referrer_views_daily UNION SELECT day FROM browser_os_views_hourly",
    ),
    ("dim_product", "product_id", "SELECT product_id FROM product_views_hourly"),
    ("dim_store", "store_id", "SELECT store_id FROM store_views_daily"),
    ("dim_browser_os", "browser, os", "SELECT browser, os FROM browser_os_views_hourly"),
    (
        "dim_referrer",
        "host",
        "SELECT host FROM referrer_views_daily, referrer_host(referrer_url) AS host WHERE host IS NOT NULL",
    ),
];

/// What must hold of the dimensions and the counts, whatever the records are.
pub fn rules() -> Vec<(String, String)> {
    let mut rules = Vec::new();
    for (table, key, counted) in KEYS {
        let described = format!("SELECT {key} FROM {table}");
        rules.push((
            format!("every key that is counted has its row in {table}"),
            format!("SELECT NOT EXISTS (({counted}) EXCEPT ({described}))"),
        ));
        rules.push((
            format!("every row of {table} describes what is counted"),
            format!("SELECT NOT EXISTS (({described}) EXCEPT ({counted}))"),
        ));
    }
    for table in ["dim_product", "dim_store"] {
        rules.push((
            format!("the first day of a row of {table} is not after the last"),
            format!("SELECT NOT EXISTS (SELECT FROM {table} WHERE first_day > last_day)"),
        ));
    }
    rules.push((
        "a product's page was seen when the product was".to_owned(),
        "SELECT NOT EXISTS (SELECT FROM dim_product
             WHERE (url IS NULL) <> (url_day IS NULL) OR url_day NOT BETWEEN first_day AND last_day)
             OR COUNTS_FALL"
            .to_owned(),
    ));
    rules
}
