//! Hostile requests, at random, beside a run that goes on: fifteen seconds of them, or ten minutes in a soak.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use hdrhistogram::Histogram;
use postgres::{Client, NoTls};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::http::get;
use crate::support::load::{choices, finish, freshness, times};
use crate::support::{Database, new_topic, require_kafka, run_arguments};

/// So many send requests at once.
const SENDERS: usize = 6;

/// What a sensible request is made of.
const PATHS: [&str; 22] = [
    "/",
    "/page.js",
    "/api/live",
    "/api/wait",
    "/api/reports/top-products",
    "/api/reports/top-countries",
    "/api/reports/top-referrers",
    "/api/reports/store-views",
    "/api/reports/product-hours",
    "/api/reports/browser-os-hours",
    "/api/trend",
    "/api/days",
    "/api/rejected",
    "/api/countries",
    "/api/products",
    "/api/status",
    "/api/openapi.json",
    "/metrics",
    "/healthz",
    "/readyz",
    "/api/reports/..%2f..%2fetc%2fpasswd",
    "//api///status/../live",
];
const NAMES: [&str; 18] = [
    "day",
    "from",
    "to",
    "compare",
    "share",
    "country",
    "product",
    "store",
    "product.default",
    "limit",
    "format",
    "csv_safe",
    "q",
    "partition",
    "offset",
    "timeout",
    "nonsense",
    "browser",
];
const VALUES: [&str; 34] = [
    "",
    "2020-06-04",
    "0001-01-01",
    "9999-12-31",
    "-10000-01-01",
    "%2B262142-12-31",
    "previous",
    "weekday",
    "DE",
    "de",
    "%C3%9F%C3%9F",
    "%00",
    "%FF%FE",
    "%E2%80%AE",
    "'%20OR%201=1--",
    "1;DROP%20TABLE%20progress",
    "85",
    "0",
    "1",
    "-1",
    "10000",
    "10001",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "1e400",
    "NaN",
    "csv",
    "json",
    "true",
    "false",
    "1ms",
    "60s",
    "99999999999999999999y",
];
const HEADERS: [&str; 14] = [
    "Host: localhost",
    "Host: evil.example",
    "Host:",
    "Accept: text/csv",
    "Accept: \u{ff}\u{ff}",
    "If-None-Match: \"0-0-none-json\", W/\"x\", ,",
    "Connection: close",
    "Connection: upgrade\r\nUpgrade: websocket",
    "Expect: 100-continue",
    "Transfer-Encoding: chunked",
    "Content-Length: 18446744073709551615",
    "Content-Length: 5\r\nContent-Length: 6",
    "Range: bytes=0-1,2-3,-5",
    "X: \t \x01",
];

/// What was seen of it all.
#[derive(Default)]
struct Seen {
    over: AtomicBool,
    requests: AtomicU64,
    answers: AtomicU64,
}

#[test]
fn hostile_requests_stop_nothing_and_slow_nothing() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (time, limit) = (Duration::from_secs(times(8, 600)), Duration::from_millis(times(5_000, 300)));
    let (mut choices, topic, mut database) = (choices(), new_topic(kafka, 4)?, Database::create()?);
    let (rate, seed) = (times(500, 5_000), choices.random::<u32>());
    let to = format!("--brokers {} --topic {topic} --live --rate {rate}", kafka.brokers());
    let filling = Freshet::start(&format!("generate {to} --seed {seed} --hostile 0.02"))?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let mut freshet = Freshet::start(&format!("{arguments} --http 127.0.0.1:0"))?;
    freshet.until("it commits", TIMEOUT, || Ok(database.consumed()? > 0))?;
    let log = freshet.errors()?;
    let address = log.split("http://").nth(1).and_then(|rest| rest.split('/').next()).context("a page")?;

    let (seen, mut session) = (Seen::default(), Client::connect(&database.url, NoTls)?);
    let calm = watch(&mut freshet, &mut session, time / 5, &AtomicBool::new(false))?;
    let ages = thread::scope(|scope| {
        let seen = &seen;
        let sending: Vec<_> = (0..SENDERS)
            .map(|_| Sender { choices: StdRng::seed_from_u64(choices.random()), address, idle: Vec::new() })
            .map(|mut sender| scope.spawn(move || sender.send_until_over(seen)))
            .collect();
        let ages = watch(&mut freshet, &mut session, time, &seen.over);
        for sender in sending {
            sender.join().map_err(|_| anyhow!("a sender panicked"))??;
        }
        ages
    })?;
    println!("{} requests, {} of them answered", seen.requests.into_inner(), seen.answers.into_inner());
    for path in ["/", "/healthz", "/api/status", "/api/reports/top-products"] {
        assert_eq!(get(&format!("http://{address}{path}"))?.status, 200, "{path}");
    }
    ensure!(freshet.times_told("bug in Freshet")? == 0, "a request met a bug:\n{}", freshet.errors()?);
    filling.kill()?;
    freshet.terminate()?.success()?;
    let [calm, beside] = [calm, ages].map(|ages| Duration::from_micros(ages.value_at_quantile(0.99)));
    println!("of a hundred records one is seen after {calm:?}, and beside it all after {beside:?}");
    ensure!(beside < calm + limit, "it was slowed: one record in a hundred was seen after {calm:?}, now {beside:?}");
    finish(kafka, &topic, &mut database)
}

/// How fresh the tables are for a time, at whose end it is over.
fn watch(freshet: &mut Freshet, session: &mut Client, time: Duration, over: &AtomicBool) -> Result<Histogram<u64>> {
    thread::scope(|scope| {
        let ages = scope.spawn(|| freshness(session, over));
        let ended = freshet.run_for(time);
        over.store(true, Ordering::Relaxed);
        ended?;
        ages.join().map_err(|_| anyhow!("the watch panicked"))?
    })
}

/// One who sends what nobody sensible would.
struct Sender<'a> {
    choices: StdRng,
    address: &'a str,
    /// Connections that are left open.
    idle: Vec<TcpStream>,
}

impl Sender<'_> {
    fn send_until_over(&mut self, seen: &Seen) -> Result<()> {
        while !seen.over.load(Ordering::Relaxed) {
            let request = self.request();
            seen.requests.fetch_add(1, Ordering::Relaxed);
            // To be cut off is an answer too.
            let answer = self.send(&request).unwrap_or_default();
            if answer.starts_with(b"HTTP/1.1 ") {
                seen.answers.fetch_add(1, Ordering::Relaxed);
            }
            let shown = || String::from_utf8_lossy(&request).chars().take(500).collect::<String>();
            ensure!(!answer.starts_with(b"HTTP/1.1 500"), "{}\nto {:?}", String::from_utf8_lossy(&answer), shown());
        }
        Ok(())
    }

    /// Sends it, at once or in pieces, and reads some of what comes, or none.
    fn send(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let begin = Instant::now();
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_write_timeout(Some(Duration::from_secs(1)))?;
        stream.set_read_timeout(Some(Duration::from_millis(self.choices.random_range(1..=150))))?;
        let piece = *[1, 7, 100, 5_000, usize::MAX].choose(&mut self.choices).unwrap_or(&1);
        for piece in request.chunks(piece) {
            if begin.elapsed() > Duration::from_secs(1) {
                break;
            }
            stream.write_all(piece)?;
        }
        match self.choices.random_range(0..10) {
            0 => stream.shutdown(Shutdown::Write)?,
            1 if self.idle.len() < 100 => {
                self.idle.push(stream);
                return Ok(Vec::new());
            }
            2 => return Ok(Vec::new()),
            3 => self.idle.clear(),
            _ => {}
        }
        let mut answer = vec![0; 4 << 10];
        let length = stream.read(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    }

    fn request(&mut self) -> Vec<u8> {
        match self.choices.random_range(0..10) {
            0 => self.bytes(2_000),
            1 => [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), self.bytes(200)].concat(),
            2..5 => {
                let mut request = self.sensible();
                self.spoil(&mut request);
                request
            }
            5 => (0..self.choices.random_range(2..50)).flat_map(|_| self.sensible()).collect(),
            _ => self.sensible(),
        }
    }

    /// One of a form that is right, or nearly so.
    fn sensible(&mut self) -> Vec<u8> {
        let method = *["GET", "GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "get", "\u{1}"]
            .choose(&mut self.choices)
            .unwrap_or(&"GET");
        let version =
            *["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/9.9"].choose(&mut self.choices).unwrap_or(&"");
        let mut text = format!("{method} {} {version}\r\n", self.target());
        if self.choices.random_range(0..8) > 0 {
            text += "Host: localhost\r\n";
        }
        for _ in 0..self.choices.random_range(0..3) {
            text += HEADERS.choose(&mut self.choices).unwrap_or(&"");
            text += "\r\n";
        }
        if self.choices.random_range(0..40) == 0 {
            text += &"X-Many: y\r\n".repeat(self.choices.random_range(50..3_000));
        }
        text += "\r\n";
        let mut request = text.into_bytes();
        if method == "POST" {
            request.extend(self.bytes(10_000));
        }
        request
    }

    fn target(&mut self) -> String {
        let mut target = (*PATHS.choose(&mut self.choices).unwrap_or(&"/")).to_owned();
        if self.choices.random_range(0..30) == 0 {
            target += &"%41".repeat(self.choices.random_range(1..30_000));
        }
        for number in 0..self.choices.random_range(0..4) {
            target.push(if number == 0 { '?' } else { '&' });
            target += NAMES.choose(&mut self.choices).unwrap_or(&"");
            target.push('=');
            target += VALUES.choose(&mut self.choices).unwrap_or(&"");
        }
        target
    }

    /// Changes, takes away or repeats some of its bytes.
    fn spoil(&mut self, request: &mut Vec<u8>) {
        for _ in 0..self.choices.random_range(1..8) {
            let at = self.choices.random_range(0..request.len());
            match self.choices.random_range(0..4) {
                0 => request[at] = self.choices.random(),
                1 => request.truncate(at.max(1)),
                2 => drop(request.splice(at..at, [b'\r', b'\n'])),
                _ => request.extend_from_within(at..),
            }
        }
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.choices.random_range(1..most)).map(|_| self.choices.random()).collect()
    }
}
