//! The naive recomputation of every table from the raw records, and its comparison with Postgres to the row.
//!
//! It must stay independent: nothing of Freshet's own code is used here or in the modules beneath.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use chrono::{Duration, NaiveDate, Timelike};
use postgres::Client;

use super::dimensions::{self, Dimensions, category};
use super::verdict::{Event, Rules, Verdict, judge};

/// How many differing rows of a table are shown.
const SHOWN: usize = 5;

/// A table, as texts: key columns to value columns.
type Rows = BTreeMap<Vec<String>, Vec<String>>;

/// A table's name, the columns of its key, the others, and what it must hold.
pub type Table = (&'static str, &'static [&'static str], &'static [&'static str], Rows);

/// What was read of one partition.
#[derive(Debug, Clone, Default)]
struct Partition {
    first_offset: i64,
    /// One past the last record, and one past whatever Kafka keeps behind it (control records, aborted ones).
    after_last: i64,
    end: i64,
    counted: i64,
    ignored: i64,
    duplicate: i64,
    rejected: i64,
    expired: i64,
    bot: i64,
    forgotten: i64,
    newest_day: Option<NaiveDate>,
}

impl Partition {
    fn consumed(&self) -> i64 {
        self.counted + self.ignored + self.duplicate + self.rejected + self.expired + self.bot + self.forgotten
    }
}

/// All tables, recomputed.
pub struct Oracle {
    rules: Rules,
    keeps_payload: bool,
    /// Whether it knows copies, or of what was forgotten, which say something of members all the same.
    has_copies: bool,
    products: BTreeMap<(String, NaiveDate, u32), i64>,
    countries: BTreeMap<(NaiveDate, String), i64>,
    referrers: BTreeMap<(NaiveDate, String), i64>,
    stores: BTreeMap<(NaiveDate, String, String), i64>,
    browsers: BTreeMap<(NaiveDate, u32, String, String), i64>,
    dimensions: Dimensions,
    /// Where days leave, all counted events.
    events: Vec<Event>,
    rejected: BTreeMap<(i32, i64), Option<Vec<u8>>>,
    /// By hours since 1970.
    rejected_hourly: BTreeMap<i64, i64>,
    partitions: BTreeMap<i32, Partition>,
}

impl Oracle {
    pub fn new(rules: Rules) -> Oracle {
        Oracle {
            rules,
            keeps_payload: false,
            has_copies: false,
            products: BTreeMap::new(),
            countries: BTreeMap::new(),
            referrers: BTreeMap::new(),
            stores: BTreeMap::new(),
            browsers: BTreeMap::new(),
            dimensions: Dimensions::default(),
            events: Vec::new(),
            rejected: BTreeMap::new(),
            rejected_hourly: BTreeMap::new(),
            partitions: BTreeMap::new(),
        }
    }

    /// The same, for `--keep-rejected-payload`.
    pub fn keeping_payload(self) -> Oracle {
        Oracle { keeps_payload: true, ..self }
    }

    /// Tells that a partition was read from `first_offset` to `end`.
    pub fn bounds(&mut self, partition: i32, first_offset: i64, end: i64) {
        let it = self.partitions.entry(partition).or_default();
        (it.first_offset, it.end) = (first_offset, end);
        it.after_last = it.after_last.max(first_offset);
    }

    /// Takes one record.
    pub fn add(&mut self, partition: i32, offset: i64, timestamp: Option<i64>, value: Option<&[u8]>) -> Verdict {
        let verdict = judge(&self.rules, timestamp, value);
        let totals = self.partitions.entry(partition).or_default();
        totals.after_last = offset + 1;
        totals.end = totals.end.max(offset + 1);
        if let Verdict::Counted(event) = &verdict
            && self.rules.skip_bots
            && category(&event.browser, &event.os) == "crawler"
        {
            totals.bot += 1;
            return verdict;
        }
        if let (Verdict::Counted(event), Some(days)) = (&verdict, self.rules.retain) {
            let day = event.time.date();
            if totals.newest_day.is_some_and(|newest| day < newest - Duration::days(days)) {
                totals.expired += 1;
                return verdict;
            }
            totals.newest_day = totals.newest_day.max(Some(day));
        }
        match &verdict {
            Verdict::Counted(_) => totals.counted += 1,
            Verdict::Ignored => totals.ignored += 1,
            Verdict::Rejected(_) => totals.rejected += 1,
        }
        match &verdict {
            Verdict::Counted(event) if self.rules.retain.is_some() => self.events.push(event.clone()),
            Verdict::Counted(event) => self.count(event),
            Verdict::Ignored => {}
            Verdict::Rejected(_) => {
                let payload = value.filter(|_| self.keeps_payload).map(<[u8]>::to_vec);
                self.rejected.insert((partition, offset), payload);
                let hour = timestamp.filter(|ms| *ms >= 0).map_or(0, |ms| ms / 3_600_000);
                *self.rejected_hourly.entry(hour).or_default() += 1;
            }
        }
        verdict
    }

    /// Takes one record that is a copy.
    pub fn add_copy(&mut self, partition: i32, offset: i64) {
        self.has_copies = true;
        let totals = self.partitions.entry(partition).or_default();
        (totals.after_last, totals.end) = (offset + 1, totals.end.max(offset + 1));
        totals.duplicate += 1;
    }

    /// Takes one record that was forgotten.
    pub fn add_forgotten(&mut self, partition: i32, offset: i64) {
        self.has_copies = true;
        let totals = self.partitions.entry(partition).or_default();
        (totals.after_last, totals.end) = (offset + 1, totals.end.max(offset + 1));
        totals.forgotten += 1;
    }

    /// Counts the days that are kept, once all records were taken.
    pub fn keep_days(&mut self) {
        let newest = self.partitions.values().filter_map(|it| it.newest_day).max();
        if let Some((newest, days)) = newest.zip(self.rules.retain) {
            let kept = std::mem::take(&mut self.events).into_iter();
            kept.filter(|event| event.time.date() >= newest - Duration::days(days))
                .for_each(|event| self.count(&event));
        }
    }

    /// How many records were of days that had left.
    pub fn expired(&self) -> i64 {
        self.partitions.values().map(|it| it.expired).sum()
    }

    /// How many were counted.
    pub fn counted(&self) -> i64 {
        self.partitions.values().map(|it| it.counted).sum()
    }

    /// Whose today the reports show.
    pub fn time_zone(&self) -> &'static str {
        self.rules.time_zone.name()
    }

    /// How many records it was given.
    pub fn records(&self) -> i64 {
        self.partitions.values().map(Partition::consumed).sum()
    }

    /// How many of them were rejected.
    pub fn rejected(&self) -> usize {
        self.rejected.len()
    }

    fn count(&mut self, event: &Event) {
        let (day, hour) = (event.time.date(), event.time.hour());
        let country = || event.country.clone();
        if let Some(product) = &event.product {
            *self.products.entry((product.clone(), day, hour)).or_default() += 1;
        }
        if let Some(referrer) = &event.referrer {
            *self.referrers.entry((day, referrer.clone())).or_default() += 1;
        }
        if let Some(store) = &event.store {
            *self.stores.entry((day, country(), store.clone())).or_default() += 1;
        }
        *self.countries.entry((day, country())).or_default() += 1;
        *self.browsers.entry((day, hour, event.browser.clone(), event.os.clone())).or_default() += 1;
        self.dimensions.add(event);
    }

    /// Every way in which the tables differ from this oracle; none if they are right.
    pub fn differences(&self, client: &mut Client, topic: &str) -> Result<Vec<String>> {
        let mut differences = Vec::new();
        let mut snapshot = client.build_transaction().read_only(true);
        snapshot = snapshot.isolation_level(postgres::IsolationLevel::RepeatableRead);
        let mut snapshot = snapshot.start()?;
        let mut compare = |(table, keys, values, expected): (&str, &[&str], &[&str], Rows)| -> Result<()> {
            let actual = read_rows(&mut snapshot, table, keys, values, &mut differences)?;
            describe(table, &expected, &actual, &mut differences);
            Ok(())
        };
        let dimensions = if self.has_copies { Vec::new() } else { self.dimensions.tables() };
        for table in self.counts().into_iter().chain(self.tops()).chain(dimensions) {
            compare(table)?;
        }
        compare((
            "rejected_records",
            &["topic", "kafka_partition", "kafka_offset"],
            &["payload"],
            self.rejects(topic),
        ))?;
        let totals = [
            "first_offset",
            "consumed",
            "counted",
            "ignored",
            "duplicate",
            "rejected",
            "expired",
            "bot",
            "forgotten",
            "newest_day",
        ];
        compare(("progress", &["topic", "kafka_partition"], &totals, self.totals(topic)))?;
        differences.extend(self.wrong_hours(&mut snapshot)?);
        differences.extend(self.dimensions.wrong_kinds(&mut snapshot)?);
        differences.extend(self.wrong_offsets(&mut snapshot, topic)?);
        differences.extend(broken_rules(&mut snapshot)?);
        Ok(differences)
    }

    fn counts(&self) -> Vec<Table> {
        let views = &["views"];
        let products = self.products.iter().map(|((product, day, hour), views)| {
            (vec![product.clone(), day.to_string(), hour.to_string()], vec![views.to_string()])
        });
        let daily = self.product_days();
        let product_days =
            daily.iter().map(|((day, it), views)| (vec![day.to_string(), it.clone()], vec![views.to_string()]));
        let countries = self
            .countries
            .iter()
            .map(|((day, it), views)| (vec![day.to_string(), it.clone()], vec![views.to_string()]));
        let referrers = self
            .referrers
            .iter()
            .map(|((day, it), views)| (vec![day.to_string(), it.clone()], vec![views.to_string()]));
        let stores = self.stores.iter().map(|((day, country, store), views)| {
            (vec![day.to_string(), country.clone(), store.clone()], vec![views.to_string()])
        });
        let browsers = self.browsers.iter().map(|((day, hour, browser, os), views)| {
            (vec![day.to_string(), hour.to_string(), browser.clone(), os.clone()], vec![views.to_string()])
        });
        vec![
            ("product_views_hourly", &["product_id", "day", "hour"], views, products.collect()),
            ("product_views_daily", &["day", "product_id"], views, product_days.collect()),
            ("country_views_daily", &["day", "country"], views, countries.collect()),
            ("referrer_views_daily", &["day", "referrer_url"], views, referrers.collect()),
            ("store_views_daily", &["day", "country", "store_id"], views, stores.collect()),
            ("browser_os_views_hourly", &["day", "hour", "browser", "os"], views, browsers.collect()),
        ]
    }

    fn product_days(&self) -> BTreeMap<(NaiveDate, String), i64> {
        let mut products: BTreeMap<(NaiveDate, String), i64> = BTreeMap::new();
        for ((product, day, _), views) in &self.products {
            *products.entry((*day, product.clone())).or_default() += views;
        }
        products
    }

    fn tops(&self) -> Vec<Table> {
        let key = &["day", "rank"];
        vec![
            ("top_products", key, &["product_id", "views"], top(10, &self.product_days())),
            ("top_countries", key, &["country", "views"], top(10, &self.countries)),
            ("top_referrers", key, &["referrer_url", "views"], top(5, &self.referrers)),
        ]
    }

    fn rejects(&self, topic: &str) -> Rows {
        let row = |((partition, offset), payload): (&(i32, i64), &Option<Vec<u8>>)| {
            let payload = payload.as_ref().map_or("null".to_owned(), |bytes| format!("\\x{}", hex(bytes)));
            (vec![topic.to_owned(), partition.to_string(), offset.to_string()], vec![payload])
        };
        self.rejected.iter().map(row).collect()
    }

    /// How `rejected_hourly` differs, whatever became of the rows.
    pub fn wrong_hours(&self, snapshot: &mut impl postgres::GenericClient) -> Result<Vec<String>> {
        let query = "SELECT (extract(epoch FROM hour) / 3600)::bigint, sum(records)::bigint FROM rejected_hourly
            GROUP BY hour HAVING sum(records) > 0";
        let found: BTreeMap<i64, i64> =
            snapshot.query(query, &[])?.iter().map(|row| (row.get(0), row.get(1))).collect();
        let is_right = found == self.rejected_hourly;
        let wrong = || format!("rejected_hourly: by hours since 1970 {found:?}, expected {:?}", self.rejected_hourly);
        Ok(if is_right { Vec::new() } else { vec![wrong()] })
    }

    fn totals(&self, topic: &str) -> Rows {
        let row = |(partition, it): (&i32, &Partition)| {
            let Partition { first_offset, counted, ignored, duplicate, rejected, expired, bot, forgotten, .. } = *it;
            let values = [first_offset, it.consumed(), counted, ignored, duplicate, rejected, expired, bot, forgotten];
            let newest = it.newest_day.map_or("null".to_owned(), |day| day.to_string());
            let values = values.iter().map(i64::to_string).chain([newest]).collect();
            (vec![topic.to_owned(), partition.to_string()], values)
        };
        self.partitions.iter().map(row).collect()
    }

    /// `next_offset` may stand anywhere from behind the last record to the end: what lies between is no record.
    fn wrong_offsets(&self, snapshot: &mut postgres::Transaction, topic: &str) -> Result<Vec<String>> {
        let rows = snapshot.query("SELECT kafka_partition, next_offset FROM progress WHERE topic = $1", &[&topic])?;
        let mut wrong = Vec::new();
        for (partition, next) in rows.iter().map(|row| (row.get::<_, i32>(0), row.get::<_, i64>(1))) {
            let Some(expected) = self.partitions.get(&partition) else { continue };
            if !(expected.after_last..=expected.end).contains(&next) {
                let (from, to) = (expected.after_last, expected.end);
                wrong.push(format!(
                    "progress: next_offset of partition {partition} is {next}, not within {from}..={to}"
                ));
            }
        }
        Ok(wrong)
    }
}

/// Ranks each day's keys by views descending, then by the key's bytes, and keeps the first `limit`.
fn top(limit: usize, views: &BTreeMap<(NaiveDate, String), i64>) -> Rows {
    let days: BTreeSet<NaiveDate> = views.keys().map(|(day, _)| *day).collect();
    let mut rows = Rows::new();
    for day in days {
        let mut ranked: Vec<(&String, i64)> =
            views.iter().filter(|((of, _), _)| *of == day).map(|((_, key), views)| (key, *views)).collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.as_bytes().cmp(b.0.as_bytes())));
        for (rank, (key, views)) in ranked.into_iter().take(limit).enumerate() {
            rows.insert(vec![day.to_string(), (rank + 1).to_string()], vec![key.clone(), views.to_string()]);
        }
    }
    rows
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a table as texts, which Postgres gives in the same form for dates and numbers as `to_string` does here.
fn read_rows(
    snapshot: &mut postgres::Transaction,
    table: &str,
    keys: &[&str],
    values: &[&str],
    differences: &mut Vec<String>,
) -> Result<Rows> {
    let columns: Vec<String> =
        keys.iter().chain(values).map(|column| format!("coalesce({column}::text, 'null')")).collect();
    let found = snapshot.query(&format!("SELECT {} FROM {table}", columns.join(", ")), &[])?;
    let text = |row: &postgres::Row, at: usize| row.get::<_, String>(at);
    let mut rows = Rows::new();
    for row in found {
        let key: Vec<String> = (0..keys.len()).map(|at| text(&row, at)).collect();
        let value = (keys.len()..columns.len()).map(|at| text(&row, at)).collect();
        if rows.insert(key.clone(), value).is_some() {
            differences.push(format!("{table}: more than one row for {key:?}"));
        }
    }
    Ok(rows)
}

/// Adds one line with the number of differing rows, and the first of them.
fn describe(table: &str, expected: &Rows, actual: &Rows, differences: &mut Vec<String>) {
    let missing = expected.iter().filter(|(key, _)| !actual.contains_key(*key));
    let missing = missing.map(|(key, value)| format!("missing {key:?} = {value:?}"));
    let surplus = actual.iter().filter(|(key, _)| !expected.contains_key(*key));
    let surplus = surplus.map(|(key, value)| format!("surplus {key:?} = {value:?}"));
    let other = expected.iter().filter_map(|(key, value)| {
        let found = actual.get(key).filter(|found| *found != value)?;
        Some(format!("{key:?} is {found:?}, expected {value:?}"))
    });
    let all: Vec<String> = missing.chain(surplus).chain(other).map(shortened).collect();
    if !all.is_empty() {
        let shown = all[..all.len().min(SHOWN)].join("\n    ");
        differences.push(format!("{table}: {} rows differ, of {}:\n    {shown}", all.len(), expected.len()));
    }
}

/// A referrer may have 2,048 bytes.
fn shortened(line: String) -> String {
    if line.chars().count() <= 300 { line } else { line.chars().take(300).chain("…".chars()).collect() }
}

/// What must hold of the tables alone, at every moment: also asked between two kills, when no oracle can know where
/// the tables stand.
pub fn broken_rules(client: &mut impl postgres::GenericClient) -> Result<Vec<String>> {
    broken(client, |_| true)
}

/// The same without looking through the large tables, for asking without a pause.
pub fn broken_quick_rules(client: &mut impl postgres::GenericClient) -> Result<Vec<String>> {
    broken(client, |query| !query.contains("product") && !query.contains("referrer"))
}

fn broken(client: &mut impl postgres::GenericClient, is_asked: fn(&str) -> bool) -> Result<Vec<String>> {
    let rules = [
        (
            "consumed is the sum of all outcomes",
            "SELECT NOT EXISTS (SELECT FROM progress
                WHERE consumed <> counted + ignored + duplicate + rejected + expired + bot + forgotten)",
        ),
        (
            "every counted record has a country",
            "SELECT (SELECT coalesce(sum(counted), 0) FROM progress) =
                    (SELECT coalesce(sum(views), 0) FROM country_views_daily) OR DAYS_LEAVE",
        ),
        (
            "every counted record has a browser",
            "SELECT (SELECT coalesce(sum(counted), 0) FROM progress) =
                    (SELECT coalesce(sum(views), 0) FROM browser_os_views_hourly) OR DAYS_LEAVE",
        ),
        (
            "every rejected record is counted by hour and reason",
            "SELECT (SELECT coalesce(sum(rejected), 0) FROM progress)
                = (SELECT coalesce(sum(records), 0) FROM rejected_hourly)",
        ),
        (
            "every rejected record has its row, or is counted as one without",
            "SELECT NOT EXISTS (SELECT reason, count(*) FROM rejected_records GROUP BY reason
                EXCEPT SELECT reason, sum(records - only_counted) FROM rejected_hourly GROUP BY reason)
                AND (SELECT count(*) FROM rejected_records)
                    = (SELECT coalesce(sum(records - only_counted), 0) FROM rejected_hourly)",
        ),
        (
            "every rejected record has a reason, and a time",
            "SELECT NOT EXISTS (SELECT FROM rejected_records WHERE coalesce(reason, '') = '' OR rejected_at IS NULL)",
        ),
        (
            "the first ranks are the largest counts",
            "SELECT NOT EXISTS (SELECT day, max(views) FROM country_views_daily GROUP BY day
                         EXCEPT SELECT day, views FROM top_countries WHERE rank = 1) OR DAYS_LEAVE",
        ),
    ];
    let mut broken = Vec::new();
    // One statement sees one snapshot, so each rule holds or not for one state of all tables.
    let rules = rules.map(|(rule, query)| (rule.to_owned(), query.to_owned()));
    for (rule, query) in rules.into_iter().chain(dimensions::rules()).filter(|(_, query)| is_asked(query)) {
        let is_set = |names: &str| format!("EXISTS (SELECT FROM freshet_settings WHERE name IN ({names}))");
        let query = query.replace("DAYS_LEAVE", &is_set("'retain'"));
        // What was told by events that do not count any more.
        let query = query.replace("COUNTS_FALL", &is_set("'retain', 'dedup', 'forget-key'"));
        if !client.query_one(&query, &[])?.get::<_, bool>(0) {
            broken.push(format!("rule broken: {rule}"));
        }
    }
    Ok(broken)
}
