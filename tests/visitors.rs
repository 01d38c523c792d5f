//! What somebody who has no right to anything can do to the page's server. Each test is named after what they cannot.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use freshet_embedded::Postgres;
use postgres::{Client, NoTls};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::http::{Stream, get, get_json, get_with};
use crate::support::load::times;
use crate::support::postgres;
use crate::support::shop::{Shop, view};

/// A connection that has sent this, and reads nothing by itself.
fn open(shop: &Shop, text: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(shop.url.trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(text.as_bytes())?;
    Ok(stream)
}

fn ask(shop: &Shop, path: &str) -> Result<TcpStream> {
    open(shop, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

/// The status of the answer that comes.
fn status(stream: &mut TcpStream) -> Result<u16> {
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(std::str::from_utf8(&head[9..])?.parse()?)
}

#[test]
fn a_rebound_dns_name_is_not_answered() -> Result<()> {
    let shop = Shop::open_at("0.0.0.0:0 --http-allowed-host Shop.Example --http-allowed-host other.example")?;
    let port = shop.url.rsplit(':').next().context("a port")?;
    let status = |host: &str, path: &str| {
        Ok::<_, anyhow::Error>(get_with(&format!("{}{path}", shop.url), &[("Host", host)])?.status)
    };
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "x.shop.example"] {
        for path in ["/", "/api/status", "/metrics", "/healthz"] {
            assert_eq!(status(host, path)?, 403, "{host}{path}");
            assert_eq!(status(&format!("{host}:{port}"), path)?, 403, "{host}{path}");
        }
    }
    for host in
        ["shop.example", "SHOP.EXAMPLE:80", "other.example", "LOCALHOST", "127.0.0.1", "192.0.2.7:8080", "[::1]:1"]
    {
        assert_eq!(status(host, "/")?, 200, "{host}");
    }
    Ok(())
}

#[test]
fn idle_connections_shut_nobody_out() -> Result<()> {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
    let mut shop = Shop::open()?;
    let mut page = Stream::open(&format!("{}/api/live", shop.url))?;
    page.until("status", |_| true)?;
    // Some have said nothing, some only begun to.
    let idle = (0..800).map(|number| open(&shop, ["", "GET / HTTP/1.1\r\nHost: "][number % 2]));
    let idle = idle.collect::<Result<Vec<_>>>()?;
    for path in ["/healthz", "/readyz", "/metrics", "/", "/api/status", "/api/wait?partition=0&offset=0"] {
        assert_eq!(get(&format!("{}{path}", shop.url))?.status, 200, "{path}");
    }
    // The visitor goes on to see it.
    shop.send(&[view(4, 8, "85", "6", "de", "")])?;
    page.until("panel", |it| it["panel"] == "top-products" && it["rows"][0]["views"] == 7)?;
    drop(idle);
    Ok(())
}

#[test]
fn a_missing_request_head_times_out() -> Result<()> {
    let shop = Shop::open()?;
    for begun in ["", "GET /healthz HTTP/1.1\r\nHost: local"] {
        let mut answer = Vec::new();
        open(&shop, begun)?.read_to_end(&mut answer).with_context(|| format!("after {begun:?} it is still open"))?;
    }
    Ok(())
}

#[test]
fn open_pages_and_waits_have_own_places() -> Result<()> {
    let shop = Shop::open()?;
    let take_all = |path: &str| {
        let mut taken = Vec::new();
        loop {
            let mut stream = ask(&shop, path)?;
            match taken.len() {
                // A waiting client is answered only later; so it is seen by who comes behind them.
                0..40 => {}
                _ if path.contains("wait") => {
                    let full = get(&format!("{}{}", shop.url, path.replace("60s", "1ms")))?;
                    if full.status == 503 {
                        return Ok::<_, anyhow::Error>(taken);
                    }
                }
                _ if status(&mut stream)? == 503 => return Ok(taken),
                _ => {}
            }
            ensure!(taken.len() < 1_000, "{path} has no end");
            taken.push(stream);
        }
    };
    let pages = take_all("/api/live")?;
    let waiting = take_all("/api/wait?partition=0&offset=99&timeout=60s")?;
    assert_eq!(get(&format!("{}/api/live", shop.url))?.code()?, "busy");
    for path in ["/healthz", "/metrics", "/", "/api/status", "/api/reports/top-products"] {
        assert_eq!(get(&format!("{}{path}", shop.url))?.status, 200, "{path}");
    }
    drop(pages);
    let mut page = Stream::open(&format!("{}/api/live", shop.url))?;
    page.until("status", |_| true)?;
    drop(waiting);
    Ok(())
}

#[test]
fn metrics_and_probes_may_listen_apart() -> Result<()> {
    let mut shop = Shop::open_at("127.0.0.1:0 --http-ops 127.0.0.1:0")?;
    shop.freshet.until_told("metrics and probes: http://", TIMEOUT)?;
    let log = shop.freshet.errors()?;
    let ops = log.split("metrics and probes: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let ops = ops.context("an address")?.trim_end_matches('/');
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(get(&format!("{ops}{path}"))?.status, 200, "{path}");
        assert_eq!(get(&format!("{}{path}", shop.url))?.status, 404, "{path}");
        assert_eq!(get_with(&format!("{ops}{path}"), &[("Host", "evil.example")])?.status, 403, "{path}");
    }
    for path in ["/", "/api/status", "/api/live"] {
        assert_eq!(get(&format!("{ops}{path}"))?.status, 404, "{path}");
    }
    Ok(())
}

#[test]
fn an_unreadable_page_affects_no_other() -> Result<()> {
    let mut shop = Shop::open()?;
    for day in ["-10000-01-01", "0000-01-01", "10000-01-01", "%2B10000-01-01", "-0001-01-01"] {
        let answer = get(&format!("{}/api/live?day={day}", shop.url))?;
        assert_eq!((answer.status, answer.code()?.as_str()), (400, "bad_request"), "{day}");
    }
    let mut first = Stream::open(&format!("{}/api/live?day=0001-01-01", shop.url))?;
    let mut last = Stream::open(&format!("{}/api/live?day=9999-12-31", shop.url))?;
    let mut broken = Stream::open(&format!("{}/api/live?country=DE", shop.url))?;
    let mut good = Stream::open(&format!("{}/api/live?product=85", shop.url))?;
    for page in [&mut first, &mut last, &mut broken, &mut good] {
        page.until("status", |_| true)?;
    }
    // A small commit with a store: its statement fits the next ones too, and names the table.
    shop.send(&[view(4, 8, "85", "6", "de", "")])?;
    good.until("panel", |it| it["panel"] == "top-products" && it["rows"][0]["views"] == 7)?;
    shop.database.client.batch_execute("ALTER TABLE store_views_daily RENAME TO elsewhere")?;
    // Without a store, so that only the page that is about stores needs the table.
    shop.send(&[view(4, 8, "85", "", "de", "")])?;
    good.until("panel", |it| it["panel"] == "top-products" && it["rows"][0]["views"] == 8)?;
    good.until("status", |_| true)?;
    broken.until("failure", |failure| failure["code"] == "internal" && !failure.to_string().contains("store_views"))?;
    shop.database.client.batch_execute("ALTER TABLE elsewhere RENAME TO store_views_daily")?;
    shop.send(&[view(4, 8, "85", "6", "de", "")])?;
    broken.until("panel", |it| it["panel"] == "store-views" && it["rows"][0]["views"] == 8)
}

#[test]
fn one_page_too_many_is_refused() -> Result<()> {
    let shop = Shop::open()?;
    let open = |day: usize| ask(&shop, &format!("/api/live?day=2{day:03}-01-01"));
    let (mut pages, mut refused) = (Vec::new(), 0);
    for day in 0..100 {
        let mut page = open(day)?;
        match status(&mut page)? {
            200 => pages.push(page),
            other => {
                assert_eq!(other, 503);
                refused += 1;
            }
        }
    }
    ensure!((16..=64).contains(&pages.len()) && refused + pages.len() == 100, "{} are shown", pages.len());
    // What is shown already can be looked at by anybody, and what nobody looks at any more makes room.
    assert_eq!(status(&mut open(0)?)?, 200);
    pages.clear();
    let mut freed = Stream::open(&format!("{}/api/live?day=2020-06-04", shop.url))?;
    freed.until("status", |_| true)
}

#[test]
fn a_busy_client_keeps_no_page_waiting() -> Result<()> {
    let mut shop = Shop::open()?;
    let mut page = Stream::open(&format!("{}/api/live", shop.url))?;
    page.until("status", |_| true)?;
    // No question about rejections is answered. A commit without any needs nothing of their table.
    let mut locking = Client::connect(&shop.database.url, NoTls)?;
    let mut lock = locking.transaction()?;
    lock.batch_execute("LOCK TABLE rejected_hourly IN ACCESS EXCLUSIVE MODE")?;
    let asking = (1..=30).map(|limit| ask(&shop, &format!("/api/rejected?limit={limit}")));
    let asking = asking.collect::<Result<Vec<_>>>()?;
    let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'rejected_hourly'::regclass AND NOT granted";
    let Shop { freshet, database, .. } = &mut shop;
    freshet
        .until("all sessions wait", TIMEOUT, || Ok(database.client.query_one(waiting, &[])?.get::<_, i64>(0) >= 2))?;
    shop.send(&[view(4, 8, "85", "12", "de", "")])?;
    page.until("panel", |it| it["panel"] == "top-products" && it["rows"][0]["views"] == 7)?;
    drop((asking, lock));
    Ok(())
}

#[test]
fn many_stores_cost_no_more_than_few() -> Result<()> {
    let (stores, mut shop) = (times(30_000, 300_000), Shop::open()?);
    let invented = "INSERT INTO store_views_daily
        SELECT '2020-06-04', 'DE', 'invented ' || repeat('x', 40) || number, 1 FROM generate_series(1, $1::bigint) AS number";
    shop.database.client.execute(invented, &[&i64::try_from(stores)?])?;
    shop.database.client.batch_execute("ANALYZE store_views_daily")?;
    let rows = |path: &str| {
        let answer = get_json(&format!("{}/api/{path}", shop.url))?;
        answer["rows"].as_array().map(Vec::len).context("rows")
    };
    assert_eq!(rows("reports/store-views?country=DE&limit=5")?, 5);
    assert_eq!(rows("reports/store-views?country=DE")?, 10_000);
    assert_eq!(rows("countries")?, 2);
    assert_eq!(get(&format!("{}/api/reports/store-views?country=XX", shop.url))?.code()?, "nothing");
    let before = shop.freshet.memory()?;
    // Sixty pages and as many programs that read nothing of what they are sent.
    let path = "/api/reports/store-views?country=DE";
    let deaf =
        (0..60).flat_map(|_| [ask(&shop, "/api/live?country=DE"), ask(&shop, path)]).collect::<Result<Vec<_>>>()?;
    let mut page = Stream::open(&format!("{}/api/live?country=DE", shop.url))?;
    for more in 1..=10 {
        shop.send(&[view(4, 8, "85", "6", "de", "")])?;
        page.until("panel", |it| {
            let rows = it["rows"].as_array().map_or(0, Vec::len);
            it["panel"] == "store-views" && rows == 100 && it["rows"][0]["views"] == 6 + more
        })?;
    }
    let grown = shop.freshet.memory()?.saturating_sub(before) >> 20;
    ensure!(grown < 128, "{} connections that read nothing take {grown} MiB", deaf.len());
    let picture =
        Freshet::prints(&format!("report store-views --country DE --format svg --database-url {}", shop.database.url))?;
    ensure!(picture.matches("<rect").count() == 201, "{} rectangles", picture.matches("<rect").count());
    Ok(())
}

#[test]
fn an_answer_too_large_is_refused() -> Result<()> {
    let mut shop = Shop::open()?;
    let invented = "INSERT INTO store_views_daily
        SELECT '2020-06-04', 'DE', repeat('x', 1000) || number, 1 FROM generate_series(1, 6000) AS number";
    shop.database.client.batch_execute(invented)?;
    let answer = get(&format!("{}/api/reports/store-views?country=DE", shop.url))?;
    assert_eq!((answer.status, answer.code()?.as_str()), (400, "bad_request"));
    ensure!(answer.text.contains("limit"), "{}", answer.text);
    get_json(&format!("{}/api/reports/store-views?country=DE&limit=1000", shop.url)).map(drop)
}

#[test]
fn a_spreadsheet_is_given_no_formulas() -> Result<()> {
    let products = ["=1+1", "+1", "-1", "@SUM(1)", "\tx", "\rx", "harmless=1"];
    let records: Vec<_> = products.iter().map(|product| view(4, 8, product, "6", "de", "=cmd()")).collect();
    let shop = Shop::open_with(&records, postgres())?;
    let url = format!("{}/api/reports/top-products?format=csv", shop.url);
    let ids = |text: &str| {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows = reader.records().map(|row| Ok(row?.get(2).unwrap_or_default().to_owned()));
        rows.collect::<Result<Vec<_>>>()
    };
    let report = format!("report top-products --format csv --database-url {}", shop.database.url);
    let safe: Vec<_> = ids(&get(&url)?.text)?;
    assert_eq!(safe.iter().filter(|id| id.starts_with('\'')).count(), 6, "{safe:?}");
    ensure!(safe.iter().all(|id| !id.starts_with(['=', '+', '-', '@', '\t', '\r'])), "{safe:?}");
    assert_eq!(ids(&Freshet::prints(&format!("{report} --csv-safe"))?)?, safe);
    let raw = ids(&get(&format!("{url}&csv_safe=false"))?.text)?;
    assert_eq!(raw, safe.iter().map(|id| id.trim_start_matches('\'')).collect::<Vec<_>>());
    assert_eq!(ids(&Freshet::prints(&report)?)?, raw);
    Ok(())
}

#[test]
fn an_error_names_no_host_role_or_database() -> Result<()> {
    let mut server = Postgres::start()?;
    let mut shop = Shop::open_with(&[view(4, 8, "85", "6", "de", "")], &server)?;
    let (port, database): (String, String) = {
        let row = shop.database.client.query_one("SELECT current_setting('port'), current_database()::text", &[])?;
        (row.get(0), row.get(1))
    };
    let says_nothing = |text: &str| {
        let secret = [port.as_str(), database.as_str(), "127.0.0.1", "postgres", "42P01", "role"];
        let named = secret.iter().find(|name| text.contains(**name));
        ensure!(named.is_none(), "it names {named:?}: {text}");
        Ok(())
    };
    let mut page = Stream::open(&format!("{}/api/live", shop.url))?;
    page.until("status", |_| true)?;
    let report = format!("{}/api/reports/top-products", shop.url);
    shop.database.client.batch_execute("ALTER TABLE top_products RENAME TO elsewhere")?;
    let answer = get(&report)?;
    assert_eq!((answer.status, answer.code()?.as_str()), (500, "internal"));
    says_nothing(&answer.text)?;
    server.kill()?;
    let answer = get(&report)?;
    assert_eq!((answer.status, answer.code()?.as_str()), (503, "database_away"));
    says_nothing(&answer.text)?;
    page.until("failure", |failure| failure["code"] == "database_away" && says_nothing(&failure.to_string()).is_ok())?;
    says_nothing(&get(&format!("{}/readyz", shop.url))?.text)?;
    server.restart()
}

#[test]
fn equal_requests_that_wait_are_read_once() -> Result<()> {
    const CLIENTS: usize = 30;
    let server = Postgres::start_with(&[("fsync", "off"), ("log_min_duration_statement", "0")])?;
    let mut shop = Shop::open_with(&[view(4, 8, "85", "6", "de", "")], &server)?;
    let reads = || -> Result<usize> {
        let log = fs::read_to_string(server.log())?;
        Ok(log.lines().filter(|line| line.contains("execute <unnamed>: ") && line.contains("top_products")).count())
    };
    let path = "/api/reports/top-products?day=2020-06-04";
    get_json(&format!("{}{path}", shop.url))?;
    let before = reads()?;
    get_json(&format!("{}{path}", shop.url))?;
    let one = reads()? - before;
    ensure!(one > 0, "the search is wrong");

    // Two sessions wait for this, and those who come then for one of them.
    let mut locking = Client::connect(&shop.database.url, NoTls)?;
    locking.batch_execute("BEGIN; LOCK TABLE top_products IN ACCESS EXCLUSIVE MODE")?;
    let before = reads()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let clients = (0..CLIENTS).map(|_| open(&shop, &request)).collect::<Result<Vec<_>>>()?;
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let Shop { freshet, database, .. } = &mut shop;
    freshet.until("two wait", TIMEOUT, || Ok(database.number(waiting)? == 2))?;
    // The server has one thread, so it has heard those who came before.
    get(&format!("{}/healthz", shop.url))?;
    locking.batch_execute("COMMIT")?;
    let mut answers = HashSet::new();
    for mut client in clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answers.insert(answer.split_once("\r\n\r\n").context("a body")?.1.to_owned());
    }
    ensure!(answers.len() == 1, "{answers:?}");
    let made = reads()? - before;
    ensure!(made <= 4 * one, "{CLIENTS} clients had {made} statements, where one has {one}");
    Ok(())
}
