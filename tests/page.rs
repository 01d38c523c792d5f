//! The page, as somebody sees and uses it in a real browser.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fantoccini::key::Key;
use serde_json::json;

use crate::support::browser::{Browser, require_browser};
use crate::support::freshet::Freshet;
use crate::support::http::{get, get_json};
use crate::support::shop::{HOSTILE_NAME, HOSTILE_PRODUCT, HOSTILE_REFERRER, LONG_REFERRER, Shop, view};
use crate::support::topic::Record;
use crate::support::{postgres, until};

/// The rows of a panel of bars: each label with its number.
pub fn bars(panel: &str) -> String {
    format!(
        "[...document.querySelectorAll('#{panel} .bars li')].map(it => [it.querySelector('.label').textContent, it.querySelector('.views').textContent])"
    )
}

/// The hours of a chart that have views, as a screen reader is told.
pub fn hours(panel: &str) -> String {
    format!(
        "[...document.querySelectorAll('#{panel} .hours li')].map(it => it.textContent).filter(it => !it.endsWith(': 0 views'))"
    )
}

pub fn text(selector: &str) -> String {
    format!("document.querySelector('{selector}')?.textContent ?? null")
}

pub fn open() -> Result<Option<(Shop, Browser)>> {
    let Some(browser) = require_browser() else { return Ok(None) };
    let shop = Shop::open()?;
    browser.appear(1280, 900, "light")?;
    browser.open(&shop.url)?;
    browser.until("document.body.dataset.state", "live")?;
    Ok(Some((shop, browser)))
}

pub fn must_be_content(browser: &Browser) -> Result<()> {
    let complaints = browser.complaints()?;
    ensure!(complaints.is_empty(), "the browser complains: {complaints:#?}");
    Ok(())
}

#[test]
fn it_shows_the_six_reports() -> Result<()> {
    let Some((shop, browser)) = open()? else { return Ok(()) };
    browser.until(&bars("top-products"), json!([["85", "6"], [HOSTILE_PRODUCT, "3"]]))?;
    browser.until(&bars("top-countries"), json!([["Germany", "6"], ["France", "3"]]))?;
    browser.until(&bars("top-referrers"), json!([[LONG_REFERRER, "4"], [HOSTILE_REFERRER, "2"]]))?;
    browser.until(&bars("store-views"), json!([["Store 6", "6"]]))?;
    browser.until(&hours("product-hours"), json!(["08:00: 4 views", "23:00: 2 views"]))?;
    browser.until(&hours("all-hours"), json!(["08:00: 4 views", "09:00: 3 views", "23:00: 2 views"]))?;
    let heat = "[...document.querySelectorAll('.heat tbody tr')].map(row => [row.cells[0].textContent, row.cells[9].textContent, row.cells[25].textContent])";
    browser.until(heat, json!([["Chrome", "4", "9"]]))?;
    browser.until(&text("#total"), "9")?;
    browser.until("document.title", "Freshet – Thu, 4 Jun 2020")?;
    // Each panel's links lead to the same, and the whole page asks nobody else.
    let links = browser
        .value("[...document.querySelectorAll('.foot a')].filter(it => !('share' in it.dataset)).map(it => it.href)")?;
    let links: Vec<_> = links.as_array().into_iter().flatten().filter_map(|link| link.as_str()).collect();
    assert_eq!(links.len(), 14);
    for link in links {
        ensure!(link.starts_with(&shop.url) && get(link)?.status == 200, "{link}");
    }
    let asked = "performance.getEntriesByType('resource').filter(it => !it.name.startsWith(location.origin)).length";
    browser.until(asked, 0)?;
    must_be_content(&browser)
}

#[test]
fn reasons_of_rejection_are_shown_by_hour() -> Result<()> {
    let Some((mut shop, browser)) = open()? else { return Ok(()) };
    let bad = |value: &str, timestamp| Record { timestamp: Some(timestamp), ..Record::new(0, value) };
    // At 08:00 and 09:00 of 2026-11-28, and the day before.
    let (eight, nine, before) = (1_795_852_800_000, 1_795_856_400_000, 1_795_766_400_000);
    let several =
        "INSERT INTO freshet_settings VALUES ('processes', '{\"addresses\":[\"a:2101\",\"b:2101\"],\"workers\":1}')";
    shop.database.client.batch_execute(several)?;
    shop.send(&[bad("no JSON", eight), bad("no JSON", eight), bad("[]", nine), bad("[]", before)])?;
    browser.until(&text("#rejected"), "4 (28.6%)")?;
    browser.until("document.querySelector('#rejections').checkVisibility()", false)?;
    browser.click("#details")?;
    browser.until("document.querySelector('#rejections').checkVisibility()", true)?;
    let rows = "[...document.querySelectorAll('#rejections tbody tr')]
        .map(row => [row.cells[0].textContent, row.cells[9].textContent, row.cells[10].textContent, row.cells[25].textContent])";
    let first = ["the value is not JSON", "2", "0", "2"];
    browser.until(rows, json!([first, ["the value is not a JSON object", "0", "1", "1"]]))?;
    browser.until(&text("#rejections small"), "Sat, 28 Nov 2026")?;
    // With what an operator wants to know: who works, and how far behind each is.
    let processes =
        "[...document.querySelectorAll('#processes tbody tr')].map(row => [...row.cells].map(it => it.textContent))";
    browser.until(processes, json!([["0", "a:2101", "0", "0"], ["1", "b:2101", "", "0"]]))?;
    // What comes while somebody looks is added.
    shop.send(&[bad("[]", nine)])?;
    browser.until(rows, json!([first, ["the value is not a JSON object", "0", "2", "2"]]))?;
    browser.press("#operation .close", Key::Escape)?;
    // In the language of the visitor.
    browser.open(&format!("{}/?lang=de", shop.url))?;
    browser.until(&text("#rejected"), "5 (33,3\u{a0}%)")?;
    browser.click("#details")?;
    browser.until("document.querySelector('#rejections tbody th')?.textContent", "der Wert ist kein JSON")?;
    browser.press("#operation .close", Key::Escape)?;
    browser.until("document.querySelector('#rejections').checkVisibility()", false)?;
    must_be_content(&browser)
}

#[test]
fn a_dead_kafka_is_shown_as_unknown() -> Result<()> {
    let Some((shop, browser)) = open()? else { return Ok(()) };
    let notice = text("#notice");
    browser.until(&text("#behind"), "nothing")?;
    shop.cut_kafka(true)?;
    // How soon the run itself knows is not the page's affair.
    until("the run knows it", || Ok(get_json(&format!("{}/api/status", shop.url))?["behind"].is_null()))?;
    browser.until(&text("#behind"), "unknown")?;
    browser
        .until(&notice, "Kafka does not answer, so new events are not counted. They will be once it answers again.")?;
    browser.until("document.body.dataset.state", "error")?;
    shop.cut_kafka(false)?;
    browser.until(&text("#behind"), "nothing")?;
    browser.until("document.body.dataset.state", "live")?;
    must_be_content(&browser)
}

#[test]
fn a_product_is_shown_by_its_name() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let mut shop = Shop::open()?;
    shop.database.name_product("85", HOSTILE_NAME)?;
    browser.appear(1280, 900, "light")?;
    browser.open(&shop.url)?;
    let label = format!("{HOSTILE_NAME} 85");
    browser.until(&bars("top-products"), json!([[label, "6"], [HOSTILE_PRODUCT, "3"]]))?;
    browser.until(&text("#top-products .label small"), "85")?;
    browser.until(&text("#product-hours small"), format!("{HOSTILE_NAME} (85), Thu, 4 Jun 2020"))?;
    // Another name is seen with the next commit, and what is chosen is still the id.
    shop.database.name_product("85", "pendant viktor")?;
    shop.send(&[view(4, 8, "85", "6", "de", "")])?;
    browser.until(&bars("top-products"), json!([["pendant viktor 85", "7"], [HOSTILE_PRODUCT, "3"]]))?;
    browser.click("#top-products li:nth-child(2) button")?;
    browser.click("#top-products li:nth-child(1) button")?;
    browser.until(&text("#product-hours small"), "pendant viktor (85), Thu, 4 Jun 2020")?;
    let address = browser.url()?;
    ensure!(address.contains("product=85"), "{address}");
    must_be_content(&browser)
}

#[test]
fn right_to_left_text_turns_nothing_else() -> Result<()> {
    const HEBREW: &str = "\u{5d0}\u{5d1}=1";
    let Some(browser) = require_browser() else { return Ok(()) };
    let records = vec![view(4, 8, HEBREW, HEBREW, "de", &format!("https://a.example/{HEBREW}")); 2];
    let mut shop = Shop::open_with(&records, postgres())?;
    browser.appear(1280, 900, "light")?;
    browser.open(&shop.url)?;
    browser.until(&text("#product-hours small bdi"), HEBREW)?;
    browser.until(&text("#top-products .label bdi"), HEBREW)?;
    browser.until(&text("#store-views .label"), format!("Store {HEBREW}"))?;
    browser.until(&text("#top-referrers .label bdi"), format!("https://a.example/{HEBREW}"))?;
    browser.press("#top-products li button", Key::Tab)?;
    browser.type_over("#product-hours input", HEBREW)?;
    browser.until("document.querySelectorAll('#product-hours [role=option]').length", 1)?;
    let bare = "(() => { const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), bare = []; \
        while (all.nextNode()) { const node = all.currentNode; \
        if (/[\u{5d0}-\u{5ea}]/u.test(node.data) && !node.parentElement.closest('bdi')) bare.push(node.data); } return bare; })()";
    browser.until(bare, json!([]))?;
    // Also where there is only a sentence about it.
    shop.send(&[view(5, 8, "7", "6", "de", "")])?;
    browser.until(&bars("top-products"), json!([["7", "1"]]))?;
    browser.open(&format!("{}/?product={HEBREW}&day=2020-06-05", shop.url))?;
    browser.until(&text("#product-hours .nothing bdi"), HEBREW)?;
    browser.until(bare, json!([]))?;
    must_be_content(&browser)
}

#[test]
fn it_follows_the_tables_within_a_second() -> Result<()> {
    let Some((mut shop, browser)) = open()? else { return Ok(()) };
    let (mut took, mut views) = (Vec::new(), 6);
    // The middle one of five in a row; others where the machine tests much at once, which ends.
    let is_seen_soon = |took: &[Duration]| {
        let mut last = took.last_chunk::<5>().copied();
        last.as_mut().is_some_and(|last| {
            last.sort();
            last[2] < Duration::from_secs(1)
        })
    };
    while !is_seen_soon(&took) {
        ensure!(took.len() < 30, "events were seen after {took:?}");
        views += 1;
        shop.send(&[view(4, 8, "85", "6", "de", "")])?;
        let sent = Instant::now();
        browser.until(&text("#top-products .views"), views.to_string())?;
        took.push(sent.elapsed());
    }
    // One that overtakes another glides past it, and a day that begins is the current one.
    shop.send(&vec![view(4, 9, HOSTILE_PRODUCT, "12", "fr", ""); views - 2])?;
    let ranked = json!([[HOSTILE_PRODUCT, (views + 1).to_string()], ["85", views.to_string()]]);
    browser.until(&bars("top-products"), ranked)?;
    shop.send(&[view(5, 0, "tomorrow", "12", "fr", "")])?;
    browser.until(&bars("top-products"), json!([["tomorrow", "1"]]))?;
    browser.until("document.title", "Freshet – Fri, 5 Jun 2020")?;
    must_be_content(&browser)
}

#[test]
fn what_is_chosen_is_in_the_address() -> Result<()> {
    let Some((shop, browser)) = open()? else { return Ok(()) };
    browser.until(&text("#store-views .label"), "Store 6")?;
    browser.until("document.querySelectorAll('#store-views [value=FR]').length", 1)?;
    browser.choose("#store-views select", "FR")?;
    browser.until(&bars("store-views"), json!([["Store 12", "3"]]))?;
    browser.type_over("#product-hours input", "9")?;
    browser.until("document.querySelectorAll('#product-hours [role=option]').length", 1)?;
    browser.press("#product-hours input", Key::Down)?;
    browser.press("#product-hours input", Key::Enter)?;
    browser.until(&hours("product-hours"), json!(["09:00: 3 views"]))?;
    browser.click("#top-countries .switch label:last-child")?;
    browser.until(&bars("top-countries"), json!([["Germany", "7"], ["France", "3"]]))?;
    browser.click("#browser-os-hours .switch label:last-child")?;
    browser.until(&text(".heat tbody th"), "Windows 10")?;
    // Someone who gets the link sees the same, and the way back is open.
    let link = browser.url()?;
    browser.open("about:blank")?;
    browser.open(&link)?;
    browser.until(&bars("store-views"), json!([["Store 12", "3"]]))?;
    browser.until(&hours("product-hours"), json!(["09:00: 3 views"]))?;
    browser.until(&text(".heat tbody th"), "Windows 10")?;
    browser.click("#earlier")?;
    browser.until("document.title", "Freshet – Wed, 3 Jun 2020")?;
    browser.until(&bars("top-products"), json!([["7", "1"]]))?;
    browser.until(
        &text("#product-hours .nothing"),
        format!("There are no views of product ‘{HOSTILE_PRODUCT}’ for Wed, 3 Jun 2020."),
    )?;
    browser.back()?;
    browser.until(&text("#top-products .label"), "85")?;
    assert_eq!(browser.url()?, link);
    ensure!(link.starts_with(&shop.url), "{link}");
    must_be_content(&browser)
}

#[test]
fn several_days_are_counted_together() -> Result<()> {
    let Some((mut shop, browser)) = open()? else { return Ok(()) };
    browser.until(&text("#total"), "9")?;
    browser.press("#period", Key::Down)?;
    let ranked = json!([["85", "6"], [HOSTILE_PRODUCT, "3"], ["7", "1"]]);
    browser.until(&bars("top-products"), ranked)?;
    browser.until(&text("#total"), "10")?;
    let days = json!(["Wed, 3 Jun 2020: 1 view", "Thu, 4 Jun 2020: 9 views"]);
    browser.until(&hours("all-hours"), days)?;
    browser.until("document.querySelectorAll('#all-hours li').length", 7)?;
    browser.until(&hours("product-hours"), json!(["Thu, 4 Jun 2020: 6 views"]))?;
    browser.until("document.querySelectorAll('.heat tbody td:not(.sum)').length", 7)?;
    browser
        .until("[...document.querySelectorAll('#browser-os-hours td.sum')].map(it => it.textContent)", json!(["10"]))?;
    assert_eq!(browser.url()?, format!("{}/?days=7", shop.url));
    browser.picture("several-days")?;
    // It goes on, into the next day too.
    shop.send(&vec![view(4, 9, "7", "6", "de", ""); 6])?;
    browser.until(&text("#top-products .label"), "7")?;
    shop.send(&[view(5, 9, "7", "6", "de", "")])?;
    let days = ["Wed, 3 Jun 2020: 1 view", "Thu, 4 Jun 2020: 15 views", "Fri, 5 Jun 2020: 1 view"];
    browser.until(&hours("all-hours"), json!(days))?;
    browser.until("document.querySelector('#all-hours li span').textContent", "Sat, 30 May 2020: 0 views")?;
    // Days of one's own, which do not go on; programs find the same.
    browser.choose("#period", "custom")?;
    let pick = |id: &str, day: &str| {
        browser.run(&format!(
            "const input = document.querySelector('#{id}'); input.value = '{day}'; \
            input.dispatchEvent(new Event('change', {{ bubbles: true }}))"
        ))
    };
    pick("from", "2020-06-03")?;
    pick("to", "2020-06-04")?;
    browser.until(&bars("top-products"), json!([["7", "7"], ["85", "6"], [HOSTILE_PRODUCT, "3"]]))?;
    let few = json!([
        "Wed, 3 Jun 2020, 08:00: 1 view",
        "Thu, 4 Jun 2020, 08:00: 4 views",
        "Thu, 4 Jun 2020, 09:00: 9 views",
        "Thu, 4 Jun 2020, 23:00: 2 views"
    ]);
    browser.until(&hours("all-hours"), few)?;
    browser.until(&text("#pulse span"), "live · fixed days")?;
    assert_eq!(browser.url()?, format!("{}/?from=2020-06-03&to=2020-06-04", shop.url));
    for (panel, column) in
        [("top-products", "product_id"), ("store-views", "store_id"), ("top-referrers", "referrer_url")]
    {
        let link = browser.value(&format!("document.querySelector('#{panel} .foot a:nth-child(2)').href"))?;
        let rows = &get_json(link.as_str().unwrap_or_default())?["rows"];
        let rows: Vec<_> = rows.as_array().into_iter().flatten().map(|row| row["views"].to_string()).collect();
        ensure!(!rows.is_empty(), "{panel} has no {column}");
        browser.until(
            &format!("[...document.querySelectorAll('#{panel} .views')].map(it => it.textContent)"),
            json!(rows),
        )?;
    }
    browser.back()?;
    browser.open(&format!("{}/?from=2020-06-04&to=2020-06-03", shop.url))?;
    browser.until("document.querySelector('#advice').checkVisibility()", true)?;
    browser.until("document.title.replaceAll(/\\s/g, ' ')", "Freshet – 4 – 5 Jun 2020")?;
    must_be_content(&browser)
}

#[test]
fn it_is_good_at_every_size() -> Result<()> {
    let Some((shop, browser)) = open()? else { return Ok(()) };
    browser.until(&text("#product-hours small"), "85, Thu, 4 Jun 2020")?;
    browser.until(&text("#store-views .label"), "Store 6")?;
    for (width, height) in [(360, 3000), (768, 1800), (1280, 1500), (1920, 1300)] {
        for colours in ["light", "dark"] {
            browser.appear(width, height, colours)?;
            browser.until("document.documentElement.scrollWidth", width)?;
            let ground = browser.value("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] < 128")?;
            assert_eq!(ground, colours == "dark", "{width} {colours}");
            browser.picture(&format!("known-{width}-{colours}"))?;
        }
    }
    // Compared, and filtered by what some panels can tell.
    browser.open(&format!("{}/?day=2020-06-04&compare=previous&browser=Chrome", shop.url))?;
    browser.until(&text("#change"), "+800%")?;
    browser.until("document.querySelectorAll('#product-hours .hours li').length", 24)?;
    for (width, height) in [(360, 3600), (768, 1900), (1280, 1600), (1920, 1300)] {
        for colours in ["light", "dark"] {
            browser.appear(width, height, colours)?;
            browser.until("document.documentElement.scrollWidth", width)?;
            let beyond =
                "(body => body.scrollWidth - body.clientWidth)(document.querySelector('#browser-os-hours .body'))";
            browser.until(beyond, 0)?;
            browser.picture(&format!("compared-{width}-{colours}"))?;
        }
    }
    // The switch wins over the system, and is remembered.
    browser.click("#theme")?;
    browser.click("#theme")?;
    browser.appear(1280, 900, "light")?;
    browser.value("location.reload()")?;
    browser.until("document.documentElement.dataset.theme", "dark")?;
    must_be_content(&browser)
}

/// `FRESHET_DOCS=1` puts the pictures into `docs`, where README.md and docs/http-api.md show one.
#[test]
fn it_is_worth_a_picture() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let mut shop = Shop::open_with(&[], postgres())?;
    shop.fill(12_000)?;
    browser.appear(1280, 1640, "light")?;
    browser.open(&shop.url)?;
    browser.until("document.querySelectorAll('.heat tbody tr').length", 10)?;
    browser.until("document.querySelectorAll('#product-hours .hours li').length", 24)?;
    browser.until("document.querySelectorAll('#store-views [value=DE]').length", 1)?;
    for (name, colours) in [("page", "light"), ("page-dark", "dark")] {
        browser.appear(1280, 1640, colours)?;
        let picture = browser.picture(name)?;
        if std::env::var("FRESHET_DOCS").as_deref() == Ok("1") {
            fs::create_dir_all("docs")?;
            fs::copy(picture, format!("docs/{name}.png"))?;
        }
    }
    must_be_content(&browser)
}

#[test]
fn it_can_be_used_without_a_mouse() -> Result<()> {
    let Some((_shop, browser)) = open()? else { return Ok(()) };
    browser.until(&text("#product-hours small"), "85, Thu, 4 Jun 2020")?;
    browser.press("#top-products li:nth-child(2) button", Key::Enter)?;
    browser.until(&hours("product-hours"), json!(["09:00: 3 views"]))?;
    for _ in 0..10 {
        browser.press("#product-hours .walk", Key::Right)?;
    }
    browser.until(&text("#tip"), "09:00\n3 views")?;
    browser.press("#product-hours .walk", Key::Escape)?;
    browser.until("document.querySelector('#tip').hidden", true)?;
    // Whatever can be reached has a name.
    let nameless = "[...document.querySelectorAll('button, a, input, select, [tabindex=\"0\"]')].filter(it => !(it.ariaLabel || it.textContent.trim() || it.labels?.length || it.caption)).map(it => it.outerHTML)";
    browser.until(nameless, json!([]))?;
    must_be_content(&browser)
}

#[test]
fn being_offline_and_empty_is_shown() -> Result<()> {
    let Some((mut shop, browser)) = open()? else { return Ok(()) };
    browser.until(&text("#product-hours small"), "85, Thu, 4 Jun 2020")?;
    browser.until(&text("#store-views .label"), "Store 6")?;
    shop.close()?;
    browser.until("document.body.dataset.state", "stale")?;
    browser.picture("cut-off")?;
    let said = browser.value(&text("#notice"))?;
    ensure!(said.as_str().is_some_and(|said| said.contains("does not answer")), "{said}");
    browser.until(&text("#top-products .label"), "85")?;
    shop.reopen()?;
    browser.until("document.body.dataset.state", "live")?;
    browser.until("document.querySelector('#notice').hidden", true)?;
    let empty = Shop::open_with(&[], postgres())?;
    browser.open(&empty.url)?;
    for panel in [
        "all-hours",
        "top-products",
        "top-countries",
        "top-referrers",
        "store-views",
        "product-hours",
        "browser-os-hours",
    ] {
        browser.until(&text(&format!("#{panel} .nothing")), "Nothing is counted yet.")?;
    }
    browser.picture("empty")?;
    Ok(())
}

/// Reports over the same events that are not those of the built-in file.
const OWN: &str = r#"
[event]
type = "collection"
views = ["view_product_detail"]
local_time = "local_time"
[fields]
goods = { path = "product_id", kind = "id" }
shop_id = { path = "store_id", kind = "id", label = "shop" }
land = { path = "current_url", kind = "country" }
program = { path = "user_agent", kind = "browser" }
[[report]]
name = "land-hours"
title = "A land by the hour"
table = "land_views_hourly"
by = ["land", "day", "hour"]
[[report]]
table = "goods_views_hourly"
by = ["day", "hour", "goods"]
[[report]]
name = "top-goods"
title = "Goods of each hour"
table = "top_goods"
top = { count = 2, of = "goods", by = ["day", "hour"] }
[[report]]
name = "shop-lands"
title = "Lands of a shop"
table = "shop_views_daily"
by = ["day", "shop_id", "land"]
[[report]]
name = "programs"
title = "Programs and lands"
table = "program_views_hourly"
by = ["day", "hour", "program", "land"]
"#;

#[test]
fn it_shows_the_reports_of_a_file() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own.toml");
    fs::write(&file, OWN)?;
    let mut shop = Shop::open_at(&format!("127.0.0.1:0 --reports {}", file.display()))?;
    browser.appear(1280, 1400, "light")?;
    browser.open(&shop.url)?;
    let titles = "[...document.querySelectorAll('main h1, main h2')].map(it => it.firstChild.textContent.trim())";
    let declared = ["Views", "A land by the hour", "Goods of each hour", "Lands of a shop", "Programs and lands"];
    browser.until(titles, json!(declared))?;
    browser.until(&hours("all-hours"), json!(["08:00: 4 views", "09:00: 3 views", "23:00: 2 views"]))?;
    // What is ranked nowhere begins with the first member that there is.
    browser.until(&hours("land-hours"), json!(["08:00: 4 views", "23:00: 2 views"]))?;
    browser.until(&bars("shop-lands"), json!([["France", "3"]]))?;
    let ranked = [["08:00 · 85", "4"], ["09:00 · ", "3"], ["23:00 · 85", "2"]];
    let ranked = ranked.map(|[label, views]| {
        let hostile = if label.ends_with(' ') { HOSTILE_PRODUCT } else { "" };
        [label.replace("· ", "· Goods ") + hostile, views.to_owned()]
    });
    browser.until(&bars("top-goods"), json!(ranked))?;
    browser.choose("#land-hours select", "FR")?;
    browser.until(&hours("land-hours"), json!(["09:00: 3 views"]))?;
    browser.click("#programs .switch label:last-child")?;
    browser.until(&text(".heat tbody th"), "Germany")?;
    ensure!(browser.url()?.ends_with("?land=FR&programs.by=land"), "{}", browser.url()?);
    shop.send(&[view(4, 9, "new", "6", "fr", "")])?;
    browser.until(&hours("land-hours"), json!(["09:00: 4 views"]))?;
    browser.picture("own")?;
    // The same for programs, and in a terminal.
    let description = get_json(&format!("{}/api/openapi.json", shop.url))?;
    ensure!(description["paths"]["/api/reports/shop-lands"]["get"]["parameters"][1]["name"] == "shop", "{description}");
    let path = "/api/reports/shop-lands?shop=6&day=2020-06-04";
    let rows = json!([{"day": "2020-06-04", "shop_id": "6", "land": "DE", "land_name": "Germany", "views": 6},
        {"day": "2020-06-04", "shop_id": "6", "land": "FR", "land_name": "France", "views": 1}]);
    assert_eq!(get_json(&format!("{}{path}", shop.url))?["rows"], rows);
    let report = format!("report shop-lands --shop 6 --format json --reports {}", file.display());
    let told = Freshet::prints(&format!("{report} --database-url {}", shop.database.url))?;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&told)?, rows);
    must_be_content(&browser)
}
