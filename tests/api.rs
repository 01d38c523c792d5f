//! The page's JSON, as a program asks it.

use std::net::TcpListener;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use dataflows::model::Model;
use freshet_embedded::Postgres;
use postgres::fallible_iterator::FallibleIterator;
use serde_json::{Value, json};

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::http::{Stream, get, get_json, get_with};
use crate::support::postgres;
use crate::support::shop::{HOSTILE_NAME, HOSTILE_PRODUCT, HOSTILE_REFERRER, LONG_REFERRER, Shop, view};

#[test]
fn every_report_says_what_the_terminal_says() -> Result<()> {
    let shop = Shop::open()?;
    for (path, arguments) in [
        ("top-products", "top-products"),
        ("top-products?day=2020-06-03", "top-products --day 2020-06-03"),
        ("top-products?limit=1", "top-products --limit 1"),
        ("top-countries", "top-countries"),
        ("top-countries?day=2020-06-04", "top-countries --day 2020-06-04"),
        ("top-referrers", "top-referrers"),
        ("top-referrers?from=2020-06-03&to=2020-06-04", "top-referrers --from 2020-06-03 --to 2020-06-04"),
        ("top-products?from=2020-06-01", "top-products --from 2020-06-01"),
        ("product-hours?product=85&from=2020-06-03", "product-hours --product 85 --from 2020-06-03"),
        ("store-views?country=de", "store-views --country DE"),
        ("product-hours?product=85&day=2020-06-04", "product-hours --product 85 --day 2020-06-04"),
        ("browser-os-hours?day=2020-06-04", "browser-os-hours --day 2020-06-04"),
        ("top-products?compare=previous&share=true", "top-products --compare previous --share"),
        ("top-countries?store=6&from=2020-06-04", "top-countries --store 6 --from 2020-06-04"),
        ("browser-os-hours?from=2020-06-01&compare=weekday", "browser-os-hours --from 2020-06-01 --compare weekday"),
    ] {
        let url = format!("{}/api/reports/{path}", shop.url);
        let csv = get_with(&url, &[("Accept", "text/csv")])?;
        let told = Freshet::prints(&format!("report {arguments} --format csv --database-url {}", shop.database.url))?;
        assert_eq!((csv.status, csv.header("content-type")), (200, "text/csv; charset=utf-8"), "{path}");
        assert_eq!(csv.text, told, "{path}");
        let rows = &get_json(&url)?["rows"];
        assert_eq!(rows.as_array().context("rows")?.len(), told.lines().count() - 1, "{path}");
    }
    Ok(())
}

#[test]
fn what_an_event_holds_is_only_text() -> Result<()> {
    let mut shop = Shop::open()?;
    shop.database.name_product("85", HOSTILE_NAME)?;
    let rows =
        |path: &str| Ok::<_, anyhow::Error>(get_json(&format!("{}/api/reports/{path}", shop.url))?["rows"].clone());
    let referrers = rows("top-referrers")?;
    assert_eq!([&referrers[0]["referrer_url"], &referrers[1]["referrer_url"]], [LONG_REFERRER, HOSTILE_REFERRER]);
    assert_eq!(rows("top-products")?[0]["product_name"], HOSTILE_NAME);
    assert_eq!(rows("product-hours?product=85")?[0]["product_name"], HOSTILE_NAME);
    let product = rows("top-products")?[1].clone();
    // Without a name its id is its name.
    assert_eq!([&product["product_id"], &product["product_name"]], [HOSTILE_PRODUCT, HOSTILE_PRODUCT]);
    Ok(())
}

#[test]
fn days_are_compared_shared_out_and_filtered() -> Result<()> {
    let mut shop = Shop::open()?;
    // Germany has two views on the day before: those of June 3 are of the products 7 and 85, one each.
    let offset = shop.send(&[view(3, 9, "85", "6", "de", "")])?;
    get_json(&format!("{}/api/wait?partition=0&offset={offset}&timeout=60s", shop.url))?;
    let csv =
        |path: &str| Ok::<_, anyhow::Error>(get(&format!("{}/api/{path}&format=csv&csv_safe=false", shop.url))?.text);
    let hostile = HOSTILE_PRODUCT.replace('"', "\"\"");
    let top = "rank,product_id,product_name,views,views_before,change_percent,share_percent\n1,85,85,6,1,500.0,66.7\n";
    assert_eq!(
        csv("reports/top-products?compare=previous&share=true")?,
        format!("{top}2,\"{hostile}\",\"{hostile}\",3,0,,33.3\n")
    );
    let days = "day,views,views_before,change_percent\n2020-06-03,2,,\n2020-06-04,9,,\n2020-06-05,0,,\n";
    assert_eq!(csv("trend?from=2020-06-03&to=2020-06-05&compare=previous")?, days);
    let compared = get_json(&format!("{}/api/trend?day=2020-06-04&compare=previous&country=DE", shop.url))?;
    assert_eq!(compared["compared"], json!({"from": "2020-06-03", "to": "2020-06-03"}));
    let day = json!([{"day": "2020-06-04", "views": 6, "views_before": 2, "change_percent": 200.0}]);
    assert_eq!(compared["rows"], day);
    // A store's countries are counted with it, a store's products are not.
    let of_store = "rank,country,country_name,views,share_percent\n1,DE,Germany,7,100.0\n";
    assert_eq!(csv("reports/top-countries?store=6&share=true")?, of_store);
    assert_eq!(get(&format!("{}/api/reports/top-products?store=6", shop.url))?.status, 400);
    Ok(())
}

#[test]
fn what_there_is_to_ask_about() -> Result<()> {
    let mut shop = Shop::open()?;
    let rows = |path: &str| Ok::<_, anyhow::Error>(get_json(&format!("{}/api/{path}", shop.url))?["rows"].clone());
    assert_eq!(rows("days")?, json!([{"day": "2020-06-03", "views": 1}, {"day": "2020-06-04", "views": 9}]));
    let countries = json!([{"country": "DE", "country_name": "Germany", "views": 7},
        {"country": "FR", "country_name": "France", "views": 3}]);
    assert_eq!(rows("countries")?, countries);
    shop.database.name_product("85", "glamira ring viktor 8_k")?;
    let product = |id: &str, name: &str| json!({"product_id": id, "product_name": name});
    let named = product("85", "glamira ring viktor 8_k");
    let all = json!([product("7", "7"), named, product(HOSTILE_PRODUCT, HOSTILE_PRODUCT)]);
    assert_eq!(rows("products")?, all);
    // By how it begins, or by parts of its name, whose letters mean themselves.
    for sought in ["8", "85", "ring", "VIKTOR%20ring", "ikto", "8_k"] {
        assert_eq!(rows(&format!("products?q={sought}"))?, json!([named]), "{sought}");
    }
    for sought in ["ring%20qqqq", "%25%25", "__"] {
        assert_eq!(rows(&format!("products?q={sought}"))?, json!([]), "{sought}");
    }
    assert_eq!(rows("products?q=&limit=1")?, json!([product("7", "7")]));
    assert_eq!(rows("products?q=nobody")?, json!([]));
    Ok(())
}

#[test]
fn a_whole_list_comes_page_by_page() -> Result<()> {
    // Thirty products, the first with the most views, from three sites.
    let urls = ["https://www.google.com/search?q=", "https://m.facebook.com/", "https://blog.example/page/"];
    let views = (1..=30).flat_map(|product| {
        let of = move |at: usize| view(4, 8, &format!("{product}"), "6", "de", &format!("{}{product}", urls[at % 3]));
        (0..31 - product).map(of)
    });
    let views: Vec<_> = views.chain([view(4, 8, "1", "7", "fr", "")]).collect();
    let mut shop = Shop::open_with(&views, postgres())?;
    shop.database.name_product("17", "pendant viktor")?;
    let list = |path: &str| {
        let answer = get_json(&format!("{}/api/reports/{path}", shop.url))?;
        let rows = answer["rows"].as_array().context("rows")?.clone();
        Ok::<_, anyhow::Error>((answer["total"].as_u64(), rows))
    };
    let of = |rows: &[Value], column: &str| rows.iter().map(|row| row[column].clone()).collect::<Vec<_>>();
    let (total, rows) = list("top-products?all=true&share=true")?;
    assert_eq!((total, rows.len()), (Some(30), 30));
    assert_eq!(
        rows[16],
        json!({"rank": 17, "product_id": "17", "product_name": "pendant viktor", "views": 14, "share_percent": 3.0})
    );
    let (total, rows) = list("top-products?offset=25&limit=3")?;
    assert_eq!((total, of(&rows, "rank")), (Some(30), vec![json!(26), json!(27), json!(28)]));
    assert_eq!(list("top-products?offset=99")?, (Some(30), vec![]));
    // A place is that in the whole list, whatever is sought.
    let (total, rows) = list("top-products?q=Viktor&from=2020-06-01")?;
    assert_eq!((total, of(&rows, "rank")), (Some(1), vec![json!(17)]));
    assert_eq!(list("top-products?q=nobody")?, (Some(0), vec![]));
    assert_eq!(list("top-products?limit=99")?.1.len(), 10, "a ranking stays one");
    for (sought, countries) in [("FR%20DE", vec!["DE", "FR"]), ("fran", vec!["FR"]), ("xx", vec![])] {
        assert_eq!(of(&list(&format!("top-countries?q={sought}"))?.1, "country"), countries, "{sought}");
    }
    assert_eq!(of(&list("store-views?country=DE&all=true&compare=previous&from=2020-06-04")?.1, "store_id"), ["6"]);
    // Addresses by their sites, and those of a site.
    let (total, sites) = list("top-referrers?group=host&share=true")?;
    let site = |rank: u64, host: &str, kind: &str, views: u64, share: f64| json!({"rank": rank, "referrer_host": host, "referrer_kind": kind, "views": views, "share_percent": share});
    assert_eq!(total, Some(3));
    assert_eq!(sites[0], site(1, "www.google.com", "search", 165, 35.4));
    assert_eq!(of(&sites, "referrer_kind"), ["search", "social", "other"]);
    assert_eq!(of(&list("top-referrers?group=host&q=social")?.1, "referrer_host"), ["m.facebook.com"]);
    let (total, rows) = list("top-referrers?of_host=m.facebook.com&limit=1&compare=weekday")?;
    assert_eq!((total, of(&rows, "referrer_url")), (Some(29), vec![json!("https://m.facebook.com/1")]));
    // CSV holds the same rows.
    let csv = get(&format!("{}/api/reports/top-products?offset=29&format=csv", shop.url))?.text;
    assert_eq!(csv, "rank,product_id,product_name,views\n30,30,30,1\n");
    Ok(())
}

/// A schema of the description, with what it refers to.
fn schema(schema: &Value, description: &Value) -> Result<jsonschema::Validator> {
    let mut schema = schema.clone();
    schema["components"] = description["components"].clone();
    Ok(jsonschema::options().should_validate_formats(true).build(&schema)?)
}

fn must_be_as_described(
    path: &str,
    answer: &crate::support::http::Answer,
    of: &Value,
    description: &Value,
) -> Result<()> {
    let described = &of["get"]["responses"][answer.status.to_string()];
    ensure!(!described.is_null(), "{path}: {} is not described", answer.status);
    let schema = schema(&described["content"]["application/json"]["schema"], description)?;
    let wrong: Vec<_> = schema.iter_errors(&answer.json()?).map(|error| error.to_string()).collect();
    ensure!(wrong.is_empty(), "{path} is not as described: {wrong:?}\n{}", answer.text);
    Ok(())
}

#[test]
fn answers_are_as_they_are_described() -> Result<()> {
    let shop = Shop::open()?;
    let description = get_json(&format!("{}/api/openapi.json", shop.url))?;
    assert_eq!(description, freshet::serve::openapi(&Model::builtin()));
    for (path, described) in description["paths"].as_object().context("paths")? {
        if path == "/api/live" {
            continue;
        }
        // Whatever is needed is given, from what there is.
        let value = |name: &str| match name {
            "country" => "fr",
            "product" => "85",
            "partition" | "offset" => "0",
            other => panic!("a parameter {other} that is needed"),
        };
        let parameters = described["get"]["parameters"].as_array().context("parameters")?;
        let needed = parameters.iter().filter(|it| it["required"] == true).filter_map(|it| it["name"].as_str());
        let query: Vec<_> = needed.map(|name| format!("{name}={}", value(name))).collect();
        let answer = get(&format!("{}{path}?{}", shop.url, query.join("&")))?;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        must_be_as_described(path, &answer, described, &description)?;
        if path.starts_with("/api/reports/") {
            let range = "from=2020-06-02&to=2020-06-04";
            let answer = get(&format!("{}{path}?{}&{range}", shop.url, query.join("&")))?;
            ensure!(answer.status == 200 && answer.json()?["from"] == "2020-06-02", "{path}: {}", answer.text);
            must_be_as_described(path, &answer, described, &description)?;
        }
        let takes = |name: &str| parameters.iter().any(|it| it["name"] == name);
        for (name, rest) in
            [("all", "=true&share=true&limit=1"), ("group", "=host&share=true&compare=previous&day=2020-06-04")]
        {
            if takes(name) {
                let answer = get(&format!("{}{path}?{}&{name}{rest}", shop.url, query.join("&")))?;
                ensure!(answer.json()?["total"].as_u64() > Some(0), "{path}: {}", answer.text);
                must_be_as_described(path, &answer, described, &description)?;
            }
        }
        if takes("compare") {
            let share = if takes("share") { "&share=true" } else { "" };
            let range = format!("from=2020-06-04&to=2020-06-04&compare=previous{share}");
            let answer = get(&format!("{}{path}?{}&{range}", shop.url, query.join("&")))?;
            ensure!(answer.json()?["compared"]["to"] == "2020-06-03", "{path}: {}", answer.text);
            must_be_as_described(path, &answer, described, &description)?;
        }
        // And what is wrong, where anything is asked for.
        if !parameters.is_empty() {
            let answer = get(&format!("{}{path}?nonsense=1", shop.url))?;
            assert_eq!((answer.status, answer.code()?.as_str()), (400, "bad_request"), "{path}");
            must_be_as_described(path, &answer, described, &description)?;
        }
    }
    Ok(())
}

#[test]
fn errors_have_codes() -> Result<()> {
    let shop = Shop::open()?;
    for (path, status, code) in [
        ("/nothing", 404, "not_found"),
        ("/api/reports/top-everything", 404, "not_found"),
        ("/api/reports/top-products?day=yesterday", 400, "bad_request"),
        ("/api/reports/top-products?day=2019-01-01", 404, "nothing"),
        ("/api/reports/top-products?limit=0", 400, "bad_request"),
        ("/api/reports/top-products?from=2020-06-31", 400, "bad_request"),
        ("/api/reports/top-products?from=2020-06-04&to=2020-06-03", 400, "bad_request"),
        ("/api/reports/top-products?from=2020-06-04&day=2020-06-04", 400, "bad_request"),
        ("/api/reports/top-products?from=2010-01-01", 400, "bad_request"),
        ("/api/reports/top-products?from=2020-06-05&to=2020-06-06", 404, "nothing"),
        ("/api/reports/top-products?format=xml", 400, "bad_request"),
        ("/api/reports/top-products?offset=-1", 400, "bad_request"),
        ("/api/reports/top-products?group=host", 400, "bad_request"),
        ("/api/reports/top-referrers?group=kind", 400, "bad_request"),
        ("/api/reports/product-hours?product=85&all=true", 400, "bad_request"),
        ("/api/reports/top-products?compare=yesterday", 400, "bad_request"),
        ("/api/reports/top-products?from=0001-01-01&to=0001-02-01&compare=previous", 400, "bad_request"),
        ("/api/reports/top-countries?compare=previous", 400, "bad_request"),
        ("/api/reports/browser-os-hours?share=true", 400, "bad_request"),
        ("/api/trend?store=6&product=85", 400, "bad_request"),
        ("/api/trend?country=XX", 404, "nothing"),
        ("/api/reports/store-views", 400, "bad_request"),
        ("/api/reports/store-views?country=XX", 404, "nothing"),
        ("/api/reports/store-views?country=Germany", 400, "bad_request"),
        ("/api/reports/product-hours?product=nobody", 404, "nothing"),
        ("/api/reports/product-hours?product=a%00b", 400, "bad_request"),
        ("/api/reports/product-hours?product=%FF", 404, "nothing"),
        ("/api/wait?partition=0", 400, "bad_request"),
        ("/api/wait?partition=0&offset=0&timeout=1h", 400, "bad_request"),
        ("/api/wait?partition=0&offset=99&timeout=1ms", 504, "not_yet"),
        ("/api/wait?partition=7&offset=0&timeout=1ms", 504, "not_yet"),
    ] {
        let answer = get(&format!("{}{path}", shop.url))?;
        assert_eq!((answer.status, answer.code()?.as_str()), (status, code), "{path}: {}", answer.text);
    }
    Ok(())
}

#[test]
fn an_answer_has_a_tag_until_a_commit() -> Result<()> {
    let mut shop = Shop::open()?;
    let url = format!("{}/api/reports/top-products", shop.url);
    let first = get(&url)?;
    let again = get_with(&url, &[("If-None-Match", first.header("etag"))])?;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    let csv = get(&format!("{url}?format=csv"))?;
    ensure!(csv.header("etag") != first.header("etag"), "JSON and CSV have one tag");
    let offset = shop.send(&[view(4, 10, "7", "6", "de", "")])?;
    get_json(&format!("{}/api/wait?partition=0&offset={offset}&timeout=60s", shop.url))?;
    let moved = get_with(&url, &[("If-None-Match", first.header("etag"))])?;
    ensure!(moved.status == 200 && moved.header("etag") != first.header("etag"), "{moved:?}");
    assert_eq!(moved.json()?["position"]["consumed"], 11);
    Ok(())
}

#[test]
fn a_record_can_be_waited_for() -> Result<()> {
    let mut shop = Shop::open()?;
    let offset = shop.database.consumed()?;
    let wait = format!("{}/api/wait?partition=0&offset={offset}&timeout=30s", shop.url);
    let waiting = thread::spawn(move || get_json(&wait));
    shop.send(&[view(5, 7, "new", "6", "de", "")])?;
    let included = waiting.join().map_err(|_| anyhow::anyhow!("it panicked"))??;
    assert_eq!(included, json!({"partition": 0, "offset": offset, "next_offset": offset + 1}));
    let rows = &get_json(&format!("{}/api/reports/top-products", shop.url))?["rows"];
    let new = json!({"day": "2020-06-05", "rank": 1, "product_id": "new", "product_name": "new", "views": 1});
    assert_eq!(*rows, json!([new]));
    Ok(())
}

#[test]
fn listeners_are_notified_with_the_commit() -> Result<()> {
    let mut shop = Shop::open()?;
    shop.database.client.batch_execute("LISTEN freshet")?;
    let offset = shop.send(&[view(4, 10, "7", "6", "de", "")])?;
    let notice = shop.database.client.notifications().timeout_iter(TIMEOUT).next()?.context("no notice")?;
    let notice: Value = serde_json::from_str(notice.payload())?;
    let expected = json!({"schema": "public", "topic": "views", "next_offsets": 11, "consumed": 11, "counted": 11,
        "ignored": 0, "rejected": 0, "bot": 0, "partitions": {"0": offset + 1}});
    assert_eq!(notice, expected);
    assert_eq!(shop.database.consumed()?, 11, "told before it was so");
    Ok(())
}

#[test]
fn it_goes_on_when_postgres_does() -> Result<()> {
    let mut server = Postgres::start()?;
    let mut shop = Shop::open_with(&[view(4, 8, "85", "6", "de", "")], &server)?;
    let report = format!("{}/api/reports/top-products", shop.url);
    get_json(&report)?;
    let mut stream = Stream::open(&format!("{}/api/live", shop.url))?;
    stream.until("status", |_| true)?;
    server.kill()?;
    // An open page is told at the next thing that it would be shown, and shown it when that can be read again.
    stream.until("failure", |_| true)?;
    let answer = get(&report)?;
    assert_eq!((answer.status, answer.code()?.as_str()), (503, "database_away"));
    server.restart()?;
    shop.database.reconnect()?;
    let offset = shop.send(&[view(4, 9, "85", "6", "de", "")])?;
    // Both the session that listens and those that read are new ones.
    get_json(&format!("{}/api/wait?partition=0&offset={offset}&timeout=60s", shop.url))?;
    assert_eq!(get_json(&report)?["rows"][0]["views"], 2);
    stream.until("panel", |panel| panel["panel"] == "top-products" && panel["rows"][0]["views"] == 2)
}

#[test]
fn it_listens_locally_and_runs_nothing_foreign() -> Result<()> {
    let shop = Shop::open()?;
    let answer = get_with(&shop.url, &[("Host", "shop.example")])?;
    assert_eq!((answer.status, answer.code()?.as_str()), (403, "wrong_host"));
    for path in ["/", "/page.js", "/api/status", "/nothing"] {
        let answer = get(&format!("{}{path}", shop.url))?;
        let policy = answer.header("content-security-policy");
        ensure!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
    Ok(())
}

#[test]
fn a_taken_address_fails_only_if_requested() -> Result<()> {
    let shop = Shop::open()?;
    let taken = shop.url.trim_start_matches("http://");
    let run = format!("run --brokers 127.0.0.1:1 --topic views --database-url {}", shop.database.url);
    Freshet::run(&format!("{run} --http {taken}"))?.refuses_with(1, &["--http", taken])?;
    // The holder of the usual one: this test or anybody else.
    let _usual = TcpListener::bind("127.0.0.1:8080");
    let empty = [("FRESHET_HTTP", std::path::Path::new(""))];
    let mut usual = Freshet::start_in(&empty, &run)?;
    usual.until_told("there is no page, as 127.0.0.1:8080 is not available", TIMEOUT)
}

#[test]
fn new_streams_begin_with_their_panels() -> Result<()> {
    let shop = Shop::open()?;
    // A page that is paused listens to the first word only.
    let countries = (b'A'..=b'X').map(|letter| format!("Z{}", char::from(letter)));
    let open = |country: String| Stream::open(&format!("{}/api/live?country={country}", shop.url));
    for (number, stream) in countries.map(open).collect::<Vec<_>>().into_iter().enumerate() {
        let (event, data) = stream?.next()?;
        ensure!(event == "panel", "stream {number} begins with {event}: {data}");
    }
    Ok(())
}

#[test]
fn a_stream_sends_everything_then_changes() -> Result<()> {
    let mut shop = Shop::open()?;
    let mut stream = Stream::open(&format!("{}/api/live?country=FR&product.default=85", shop.url))?;
    let mut begun = Vec::new();
    while begun.last().is_none_or(|(event, _)| event != "status") {
        let (event, data) = stream.next()?;
        begun.push((event, data["panel"].as_str().unwrap_or_default().to_owned()));
    }
    begun.sort();
    let panels = [
        "browser-os-hours.browser",
        "browser-os-hours.os",
        "product-hours",
        "store-views",
        "store-views.day",
        "top-countries",
        "top-countries-daily",
        "top-products",
        "top-referrers",
        "trend",
    ];
    let expected: Vec<_> = panels
        .iter()
        .map(|name| ("panel".to_owned(), name.to_string()))
        .chain([("status".into(), "".into())])
        .collect();
    assert_eq!(begun, expected);
    // A view of another product has no part in what the page shows of this one's hours.
    shop.send(&[view(4, 10, "7", "12", "fr", "")])?;
    let sent = Instant::now();
    let mut changed = Vec::new();
    while !changed.iter().any(|panel| panel == "store-views") {
        let (event, data) = stream.next()?;
        if event == "panel" {
            changed.push(data["panel"].as_str().unwrap_or_default().to_owned());
        }
        ensure!(sent.elapsed() < TIMEOUT, "nothing of it: {changed:?}");
    }
    ensure!(!changed.iter().any(|panel| panel == "product-hours"), "sent again though unchanged: {changed:?}");
    Ok(())
}

#[test]
fn many_pages_are_read_for_once() -> Result<()> {
    const PAGES: i64 = 60;
    const COMMITS: i64 = 24;
    let mut shop = Shop::open()?;
    let mut pages =
        (0..PAGES).map(|_| Stream::open(&format!("{}/api/live?country=DE", shop.url))).collect::<Result<Vec<_>>>()?;
    let before = transactions(&mut shop)?;
    for commit in 1..=COMMITS {
        shop.send(&[view(4, 8, "85", "6", "de", "")])?;
        for page in &mut pages {
            page.until("panel", |it| it["panel"] == "top-products" && it["rows"][0]["views"] == 6 + commit)?;
        }
    }
    let made = transactions(&mut shop)? - before;
    // The writer's, those of the feed, and this test's own; not one for each page and commit, which would be 1,440. (Postgres
    // counts some of what was before only now.)
    ensure!(made < PAGES * COMMITS / 4, "{PAGES} pages and {COMMITS} commits made {made} transactions");
    Ok(())
}

fn transactions(shop: &mut Shop) -> Result<i64> {
    let made = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    Ok(shop.database.client.query_one(made, &[])?.get(0))
}
