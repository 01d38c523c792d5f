//! Many who look, while much is to be read: nobody is turned away, and no record waits for them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use hdrhistogram::Histogram;
use postgres::{Client, NoTls};

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::{freshness, times};
use crate::support::{Database, new_topic, require_kafka, run_arguments};

/// What pages show; each is open many times. A week ago is `{week}`.
const PAGES: [&str; 6] = [
    "",
    "?country=DE",
    "?country=GB&product=85",
    "?day=2020-06-01",
    "?compare=weekday&browser=Chrome",
    "?from={week}&compare=previous&store=6",
];

/// What programs ask.
const QUESTIONS: [&str; 11] = [
    "/api/status",
    "/api/reports/top-products",
    "/api/reports/top-countries",
    "/api/reports/store-views?country=DE",
    "/api/products?q=9",
    "/api/reports/top-products?from={week}&compare=previous&share=true",
    "/api/reports/top-countries?store=6&share=true",
    "/api/trend?compare=weekday&country=DE",
    "/api/reports/top-products?limit=25&offset=25&share=true",
    "/api/reports/top-products?from={week}&q=ring&limit=25",
    "/api/reports/top-referrers?group=host&limit=25",
];

/// What was seen of it all.
struct Crowd {
    over: AtomicBool,
    /// Bytes that open pages have got.
    bytes: AtomicU64,
    answers: AtomicU64,
}

#[test]
fn a_crowd_costs_no_freshness() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (pages, questions, rate) = (times(30, 200), times(30, 300), times(500, 10_000));
    let (time, limit) = (Duration::from_secs(times(6, 60)), Duration::from_millis(times(5_000, 300)));
    let (topic, mut database) = (new_topic(kafka, 4)?, Database::create()?);
    let to = format!("--brokers {} --topic {topic}", kafka.brokers());
    let filling = Freshet::start(&format!("generate {to} --live --rate {rate}"))?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let mut freshet = Freshet::start(&format!("{arguments} --http 127.0.0.1:0"))?;
    freshet.until("it commits", TIMEOUT, || Ok(database.consumed()? > 0))?;
    let log = freshet.errors()?;
    let address = log.split("http://").nth(1).and_then(|rest| rest.split('/').next()).context("a page")?;

    let crowd = Crowd { over: AtomicBool::new(false), bytes: AtomicU64::new(0), answers: AtomicU64::new(0) };
    let mut session = Client::connect(&database.url, NoTls)?;
    let alone = AtomicBool::new(false);
    let before = thread::scope(|scope| {
        let fresh = scope.spawn(|| freshness(&mut session, &alone));
        let ended = freshet.run_for(time / 2);
        alone.store(true, Ordering::Relaxed);
        ended?;
        fresh.join().map_err(|_| anyhow!("the watch panicked"))?
    })?;
    let (freshness, waits) = thread::scope(|scope| {
        let crowd = &crowd;
        let watching: Vec<_> = (0..pages)
            .map(|page| scope.spawn(move || crowd.watch(address, PAGES[page as usize % PAGES.len()])))
            .collect();
        // Two that never read a word of what they are sent.
        let _deaf = [open(address, ""), open(address, "?country=FR")];
        let asking: Vec<_> = (0..6).map(|_| scope.spawn(move || crowd.ask(address, questions as f64 / 6.0))).collect();
        let fresh = scope.spawn(move || freshness(&mut session, &crowd.over));
        let ended = over_time(&mut freshet, time);
        crowd.over.store(true, Ordering::Relaxed);
        for page in watching {
            page.join().map_err(|_| anyhow!("a page panicked"))??;
        }
        let mut waits = Histogram::<u64>::new(3)?;
        for one in asking {
            waits.add(one.join().map_err(|_| anyhow!("a question panicked"))??)?;
        }
        ended?;
        Ok::<_, anyhow::Error>((fresh.join().map_err(|_| anyhow!("the watch panicked"))??, waits))
    })?;
    let told = |histogram: &Histogram<u64>| {
        [0.5, 0.99, 1.0].map(|quantile| histogram.value_at_quantile(quantile)).map(|micros| micros as f64 / 1e3)
    };
    println!(
        "{pages} pages with {} KiB/s each, {:.0} answers/s, {rate} records/s wanted, {} read",
        crowd.bytes.load(Ordering::Relaxed) / 1024 / pages / time.as_secs(),
        crowd.answers.load(Ordering::Relaxed) as f64 / time.as_secs_f64(),
        database.consumed()?
    );
    println!(
        "freshness p50, p99, max: {:.0?} ms, {:.0?} ms without them; answers: {:.1?} ms",
        told(&freshness),
        told(&before),
        told(&waits)
    );
    filling.kill()?;
    freshet.terminate()?.success()?;
    let worst = Duration::from_micros(freshness.value_at_quantile(0.99));
    ensure!(worst < limit, "one record in a hundred is seen after {worst:?} or later");
    let longest = Duration::from_micros(waits.value_at_quantile(0.99));
    ensure!(longest < limit, "one answer in a hundred takes {longest:?} or longer");
    Ok(())
}

/// Lets it be for a time, in which its memory stays what it was.
fn over_time(freshet: &mut Freshet, time: Duration) -> Result<()> {
    freshet.run_for(time / 2)?;
    let before = freshet.memory()?;
    freshet.run_for(time / 2)?;
    let after = freshet.memory()?;
    println!("{} MiB of memory, then {} MiB", before >> 20, after >> 20);
    // The counts themselves grow, with the products and referrers that are new.
    ensure!(after < before + (64 << 20), "it grows: {} MiB, then {} MiB", before >> 20, after >> 20);
    Ok(())
}

fn open(address: &str, query: &str) -> Result<TcpStream> {
    let mut page = TcpStream::connect(address)?;
    page.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(page, "GET /api/live{query} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    Ok(page)
}

fn dated(query: &str) -> String {
    let week = chrono::Utc::now().date_naive() - chrono::Days::new(6);
    query.replace("{week}", &week.to_string())
}

impl Crowd {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// An open page, which hears something every second, and to the end.
    fn watch(&self, address: &str, query: &str) -> Result<()> {
        let (mut page, mut buffer, mut first) = (open(address, &dated(query))?, vec![0; 64 << 10], true);
        while !self.is_over() {
            let length = page.read(&mut buffer).context("a page heard nothing for ten seconds")?;
            ensure!(length > 0, "a page was closed");
            ensure!(!first || buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..length]));
            self.bytes.fetch_add(length as u64, Ordering::Relaxed);
            first = false;
        }
        Ok(())
    }

    /// Asks so many questions a second, one after the other. How long each took, in microseconds.
    fn ask(&self, address: &str, rate: f64) -> Result<Histogram<u64>> {
        let (agent, begin, mut waits) = (ureq::agent(), Instant::now(), Histogram::new(3)?);
        for (number, question) in QUESTIONS.iter().cycle().enumerate() {
            let due = begin + Duration::from_secs_f64(number as f64 / rate);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if self.is_over() {
                break;
            }
            let asked = Instant::now();
            agent.get(format!("http://{address}{}", dated(question))).call()?.body_mut().read_to_string()?;
            waits.record(asked.elapsed().as_micros() as u64)?;
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
        Ok(waits)
    }
}
