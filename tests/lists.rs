//! Whole lists on the page: opened in place, page by page, searched, and addresses by their sites.

use anyhow::{Context, Result, ensure};
use fantoccini::key::Key;
use serde_json::json;

use crate::page::{bars, must_be_content, text};
use crate::support::browser::require_browser;
use crate::support::http::get_json;
use crate::support::postgres;
use crate::support::shop::{Shop, view};

/// Sixty products, the first with the most views, which come from three sites.
fn many() -> Vec<crate::support::topic::Record> {
    let urls = ["https://www.google.com/search?q=", "https://m.facebook.com/", "https://blog.example/page/"];
    let views = (1..=60).flat_map(|product| {
        let of = move |at: usize| view(4, 8, &format!("{product}"), "6", "de", &format!("{}{at}", urls[at % 3]));
        (0..61 - product).map(of)
    });
    views.chain((1..=4).map(|_| view(4, 9, "61", "6", "fr", ""))).collect()
}

#[test]
fn a_whole_list_opens_in_place() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let mut shop = Shop::open_with(&many(), postgres())?;
    shop.database.name_product("33", "pendant viktor")?;
    browser.appear(1280, 1400, "light")?;
    browser.open(&shop.url)?;
    let labels =
        |panel: &str| format!("[...document.querySelectorAll('#{panel} .bars > li .label')].map(it => it.textContent)");
    let count = |panel: &str| format!("document.querySelectorAll('#{panel} .bars > li').length");
    browser.until(&count("top-products"), 10)?;
    // By the keyboard, and the focus stays where it was.
    browser.press("#top-products .open", Key::Enter)?;
    browser.until(&count("top-products"), 25)?;
    browser.until(&text("#top-products .place"), "1–25 of 61")?;
    let focused = "[document.activeElement.textContent, document.activeElement.ariaExpanded]";
    browser.until(focused, json!(["Show fewer", "true"]))?;
    browser.click("#top-products .step:last-child")?;
    browser.click("#top-products .step:last-child")?;
    browser.until(&text("#top-products .place"), "51–61 of 61")?;
    browser.until(&format!("{}[0]", labels("top-products")), "51 51")?;
    browser.until("document.activeElement.ariaLabel", "Page before")?;
    // What stands there is in the address, and programs find the same.
    ensure!(browser.url()?.ends_with("/?top-products.page=3"), "{}", browser.url()?);
    let link = browser.value("document.querySelector('#top-products .foot a:nth-child(2)').href")?;
    let rows = get_json(link.as_str().unwrap_or_default())?;
    assert_eq!((rows["rows"][0]["rank"].clone(), rows["rows"].as_array().map(Vec::len)), (json!(51), Some(11)));
    browser.type_into("#top-products .within input", "viktor")?;
    browser.until(&labels("top-products"), json!(["33 pendant viktor 33"]))?;
    browser.until(&text("#top-products .place"), "1–1 of 1")?;
    let link = browser.url()?;
    browser.open("about:blank")?;
    browser.open(&link)?;
    browser.until(&labels("top-products"), json!(["33 pendant viktor 33"]))?;
    browser.until("document.querySelector('#top-products .within input').value", "viktor")?;
    // It goes on as the tables do.
    shop.send(&[view(4, 9, "33", "6", "de", "")])?;
    browser.until(&bars("top-products"), json!([["33 pendant viktor 33", "29"]]))?;
    browser.type_over("#top-products .within input", "nobody")?;
    browser.until(&text("#top-products .place"), "Nothing here, of 0")?;
    browser.click("#top-products .open")?;
    browser.until(&count("top-products"), 10)?;
    must_be_content(&browser)
}

/// However an address is written, its views are those of the host that `referrer_host` gives.
#[test]
fn hosts_have_the_views_of_all_their_addresses() -> Result<()> {
    let odd = [
        "https://a.example/x",
        "http://a.example",
        "HTTPS://A.example/y",
        "https://me:secret@a.example:8443/z?q=/",
        "http://a.example?q",
        "http://a.example#f",
        "http://a.example\\\\x",
        "https://b.example:80",
        "http:///path",
        "http://",
        "https://",
        "ftp://c.example/x",
        "a/b://d.example/x",
        "//e.example/x",
        "f.example/x",
        "http:/g.example/x",
        "9",
        "https://a.example@h.example/",
        " https://a.example/",
    ];
    let views = odd.into_iter().enumerate().flat_map(|(at, url)| vec![view(4, 8, "85", "6", "de", url); at + 1]);
    let mut shop = Shop::open_with(&views.collect::<Vec<_>>(), postgres())?;
    let query = "SELECT coalesce(referrer_host(referrer_url), '') AS host, sum(views)::bigint FROM referrer_views_daily
                 GROUP BY host ORDER BY 2 DESC, host";
    let expected: Vec<_> = shop.database.client.query(query, &[])?;
    let expected: Vec<(String, i64)> = expected.iter().map(|row| (row.get(0), row.get(1))).collect();
    ensure!(expected.len() > 4, "{expected:?}");
    let found = get_json(&format!("{}/api/reports/top-referrers?day=2020-06-04&group=host&limit=100", shop.url))?;
    let rows = found["rows"].as_array().context("no rows")?;
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row["referrer_host"].as_str().unwrap_or_default().to_owned(), row["views"].as_i64()))
        .collect();
    ensure!(
        found == expected.iter().map(|(host, views)| (host.clone(), Some(*views))).collect::<Vec<_>>(),
        "{found:?}, not {expected:?}"
    );
    shop.close()
}

#[test]
fn referrers_are_shown_by_their_sites() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let shop = Shop::open_with(&many(), postgres())?;
    browser.appear(1280, 1400, "light")?;
    browser.open(&shop.url)?;
    browser.until("document.querySelectorAll('#top-referrers .bars > li').length", 5)?;
    browser.click("#top-referrers .switch label:last-child")?;
    let sites =
        [["1 www.google.com search", "630"], ["2 m.facebook.com social", "610"], ["3 blog.example other", "590"]];
    let shown = "[...document.querySelectorAll('#top-referrers .bars > li')].map(it => [it.querySelector('.label').textContent, it.querySelector('.views').textContent])";
    browser.until(shown, json!(sites))?;
    browser.press("#top-referrers .bars > li:nth-child(2) button", Key::Enter)?;
    let below = "document.querySelectorAll('#top-referrers .below .copy').length";
    browser.until(below, 20)?;
    browser.until(&text("#top-referrers .below .label"), "https://m.facebook.com/1")?;
    browser.until(
        "[document.activeElement.ariaExpanded, document.activeElement.querySelector('bdi').textContent]",
        json!(["true", "m.facebook.com"]),
    )?;
    ensure!(browser.url()?.contains("top-referrers.of_host=m.facebook.com"), "{}", browser.url()?);
    let all = "top-products.page=2&top-countries.page=1&compare=previous";
    browser.open(&format!("{}&{all}", browser.url()?))?;
    browser.until(below, 20)?;
    browser.until(&text("#top-products .place"), "26–50 of 61")?;
    for (width, height) in [(360, 5200), (768, 3600), (1280, 3200), (1920, 3000)] {
        for (colours, is_forced) in [("light", false), ("dark", false), ("light", true)] {
            browser.appear_as(width, height, colours, is_forced)?;
            browser.until("document.documentElement.scrollWidth", width)?;
            browser.picture(&format!("lists-{width}-{colours}{}", if is_forced { "-forced" } else { "" }))?;
        }
    }
    browser.press("#top-referrers .bars > li:nth-child(2) button", Key::Enter)?;
    browser.until(below, 0)?;
    // Countries are found by what the page calls them.
    browser.open(&format!("{}/?lang=de&top-countries.page=1&top-countries.q=frankr", shop.url))?;
    browser.until(&bars("top-countries"), json!([["2 Frankreich", "4"]]))?;
    // What cannot be compared says so.
    browser.open(&format!("{}/?compare=previous&top-countries.by=all", shop.url))?;
    browser.until(&text("#top-countries .note"), "All days together are compared with nothing.")?;
    must_be_content(&browser)
}
