//! A topic in memory: records of all outcomes over several partitions, and a source that hands them out in pieces of any size.

use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Result;
use freshet::source::offset_range::OffsetRange;
use freshet::source::{Fetched, Item, PartitionStats, Position, Record, Source};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::copies;
use super::naive::{Event, Url};
use super::process::Shared;
use super::server::Server;

/// The day that most events are of, since 1970.
const TODAY: i32 = 18_417;
/// The Kafka timestamp of every record: the middle of that day.
pub const TIMESTAMP: i64 = (TODAY as i64) * 86_400_000 + 43_200_000;

/// Pages, and their countries.
const PAGES: [(Option<Url>, &str); 7] = [
    (None, "ZZ"),
    (Some(("nowhere", None, None)), "ZZ"),
    (Some(("https://shop.de/", Some("shop.de"), None)), "DE"),
    (Some(("https://shop.de/ring-a.html?x=1", Some("shop.de"), Some(("https://shop.de/ring-a.html", "ring a")))), "DE"),
    (Some(("https://shop.de/ring-b.html", Some("shop.de"), Some(("https://shop.de/ring-b.html", "ring b")))), "DE"),
    (Some(("https://shop.fr/bague-a", Some("shop.fr"), Some(("https://shop.fr/bague-a", "bague a")))), "FR"),
    (Some(("https://shop.se/ring", Some("shop.se"), Some(("https://shop.se/ring", "ring")))), "SE"),
];

/// Where one comes from, and the host of that.
const REFERRERS: [(&str, Option<&str>); 5] = [
    ("https://shop.de/", Some("shop.de")),
    ("https://www.google.de/search", Some("www.google.de")),
    ("9", None),
    ("10", None),
    ("\u{c4}", None),
];

/// A user agent, its browser and its operating system.
const AGENTS: [(&str, (&str, &str)); 2] = [
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/83.0.4103.61 Safari/537.36",
        ("Chrome", "Windows 10"),
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 13_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0.4 \
         Mobile/15E148 Safari/604.1",
        ("Safari", "iPhone"),
    ),
];

/// What must become of a record.
#[derive(Clone, Debug)]
pub enum Outcome {
    Counted(Event),
    Ignored,
    Rejected,
}

/// A record of a partition; its offset is its place there.
#[derive(Clone, Debug)]
pub struct Written {
    pub payload: Vec<u8>,
    pub outcome: Outcome,
    /// By what its copies are known.
    pub id: Option<u32>,
}

/// What the partitions hold. More may come.
#[derive(Debug, Default)]
pub struct Log {
    pub partitions: Vec<Vec<Written>>,
    /// Gives ids, if copies are looked for.
    pub ids: Option<StdRng>,
    /// `--retain`, in days; then the days go on as records are written.
    pub retain: Option<i32>,
    /// How many records there are, in parts of which each is of one day more.
    written: usize,
}

/// So many days there are at most, and so many records (times the scale) are of one.
const DAYS: usize = 8;
const OF_DAY: usize = 14;

impl Log {
    /// Writes a random record into a random partition; of so many times more products.
    pub fn write(&mut self, random: &mut StdRng, scale: usize) {
        let partition = random.random_range(0..self.partitions.len());
        let day = match self.retain {
            Some(_) => TODAY - DAYS as i32 + (self.written / (OF_DAY * scale)).min(DAYS) as i32,
            None => TODAY,
        };
        self.written += 1;
        let mut record = record(random, scale, day);
        if let (Some(ids), Outcome::Counted(_)) = (&mut self.ids, &record.outcome)
            && let Some(id) = copies::id(ids)
        {
            record.id = Some(id);
            record.payload.pop();
            record.payload.extend(format!(",\"id\":{id}}}").bytes());
        }
        self.partitions[partition].push(record);
    }
}

fn record(random: &mut StdRng, scale: usize, day: i32) -> Written {
    match random.random_range(0..20) {
        0 => Written { payload: br#"{"collection":"checkout"}"#.to_vec(), outcome: Outcome::Ignored, id: None },
        1 => Written { payload: hostile(random), outcome: Outcome::Rejected, id: None },
        _ => view(random, scale, day),
    }
}

fn hostile(random: &mut StdRng) -> Vec<u8> {
    let values: [&[u8]; 4] = [
        b"",
        b"{\"collection\":",
        br#"{"collection":"view_product_detail","local_time":"soon"}"#,
        br#"{"collection":"view_product_detail","local_time":"2031-01-01 00:00:00"}"#,
    ];
    values.choose(random).expect("four").to_vec()
}

/// Few of everything, so that keys meet and counts tie. One in six is of a day before this one.
fn view(random: &mut StdRng, scale: usize, day: i32) -> Written {
    let day = if random.random_ratio(1, 6) { day - random.random_range(1..3) } else { day };
    let (url, country) = *PAGES.choose(random).expect("some");
    let referrer = random.random_ratio(4, 5).then(|| *REFERRERS.choose(random).expect("some"));
    let (agent, browser_os) = *AGENTS.choose(random).expect("two");
    let id =
        |random: &mut StdRng, of: usize| random.random_ratio(9, 10).then(|| random.random_range(0..of).to_string());
    let (product, store) = (id(random, 14 * scale), id(random, 3));
    let event = Event { day, hour: random.random_range(0..24), product, store, referrer, url, country, browser_os };
    let date = chrono::NaiveDate::from_epoch_days(day).expect("a day");
    let payload = serde_json::json!({
        "collection": "view_product_detail",
        "local_time": format!("{date} {:02}:00:00", event.hour),
        "product_id": event.product,
        "store_id": event.store,
        "referrer_url": event.referrer.map(|(url, _)| url),
        "current_url": event.url.map(|(url, ..)| url),
        "user_agent": agent,
    });
    Written { payload: payload.to_string().into_bytes(), outcome: Outcome::Counted(event), id: None }
}

/// The partitions of one worker, read in pieces of any size.
pub struct Reader {
    log: Arc<Mutex<Log>>,
    random: StdRng,
    /// So many times more records are in a piece.
    scale: usize,
    /// By partition: the next offset, and the end that was given last.
    next: Vec<(usize, usize, Option<usize>)>,
    server: Arc<Mutex<Server>>,
}

impl Reader {
    /// Gives records again.
    pub fn again(
        log: &Mutex<Log>,
        ranges: &[OffsetRange],
        each: &mut dyn FnMut(Record<'_>) -> Result<()>,
    ) -> Result<()> {
        for OffsetRange { partition, from, until, .. } in ranges {
            for offset in *from..*until {
                let payload = held(log).partitions[*partition as usize][offset as usize].payload.clone();
                each(record_of(*partition, offset, &payload))?;
            }
        }
        Ok(())
    }

    pub fn new(shared: &Shared, seed: u64) -> Reader {
        let Shared { log, server, scale, .. } = shared.clone();
        Reader { log, random: StdRng::seed_from_u64(seed), scale, next: Vec::new(), server }
    }
}

/// A piece of the log.
pub struct Piece {
    items: Vec<(i32, i64, Option<Vec<u8>>)>,
    has_more: bool,
}

impl Source for Reader {
    type Fetched<'a> = Piece;

    fn assign(&mut self, position: Position) -> Result<()> {
        self.next.push((position.partition as usize, position.offset as usize, None));
        Ok(())
    }

    fn fetch(&mut self) -> Result<Piece> {
        let Reader { log, random, next, scale, .. } = self;
        let log = held(log);
        let (mut items, has_more) = (Vec::new(), random.random_ratio(1, 2));
        for (partition, next, told) in next {
            let there = &log.partitions[*partition];
            let until = there.len().min(*next + random.random_range(0..6 * *scale));
            for (offset, record) in there.iter().enumerate().take(until).skip(*next) {
                items.push((*partition as i32, offset as i64, Some(record.payload.clone())));
            }
            *next = (*next).max(until);
            if *next == there.len() && *told != Some(*next) && random.random_ratio(1, 2) {
                items.push((*partition as i32, *next as i64, None));
                *told = Some(*next);
            }
        }
        Ok(Piece { items, has_more })
    }

    fn fetch_ahead(&mut self) {}

    fn serve(&mut self) -> Result<()> {
        Ok(())
    }

    fn stats(&self, _partition: i32) -> Option<PartitionStats> {
        None
    }

    fn end(&self, partition: i32) -> Option<i64> {
        Some(held(&self.log).partitions[partition as usize].len() as i64)
    }

    fn must_be_same_topic(&self) -> Result<()> {
        Ok(())
    }

    fn commit(&mut self, offsets: impl IntoIterator<Item = (i32, i64)>) -> Result<()> {
        let mut server = held(&self.server);
        for (partition, offset) in offsets {
            let there = server.durable.get(&partition).copied().unwrap_or(0);
            if offset > there {
                let wrong = format!("the group is told {offset} of partition {partition}, and {there} is durable");
                server.wrong.get_or_insert(wrong);
            }
        }
        Ok(())
    }

    fn close(self) {}
}

impl Fetched for Piece {
    fn items(&self) -> impl Iterator<Item = Item<'_>> {
        self.items.iter().map(|(partition, offset, payload)| match payload {
            None => Item::End(*partition, *offset),
            Some(payload) => Item::Record(record_of(*partition, *offset, payload)),
        })
    }

    fn has_more(&self) -> bool {
        self.has_more
    }
}

fn record_of(partition: i32, offset: i64, payload: &[u8]) -> Record<'_> {
    Record { partition, offset, timestamp: Some(TIMESTAMP), leader_epoch: None, payload: Some(payload) }
}

pub fn held<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().expect("only one thread runs at a time")
}
