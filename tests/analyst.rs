//! What an analyst does with the page: compare days, and filter by a click.

use anyhow::{Result, ensure};
use fantoccini::key::Key;
use serde_json::json;

use crate::page::{bars, hours, must_be_content, open, text};
use crate::support::http::{get, get_json};
use crate::support::shop::view;

/// The times of a chart that have views, with those before.
fn seen(panel: &str) -> String {
    format!(
        "[...document.querySelectorAll('#{panel} .hours li')].map(it => it.textContent).filter(it => !it.includes(': 0 views'))"
    )
}

#[test]
fn days_are_compared_and_shared_out() -> Result<()> {
    let Some((mut shop, browser)) = open()? else { return Ok(()) };
    shop.send(&vec![view(3, 9, "85", "6", "de", ""); 3])?;
    browser.until(&text("#top-products .share"), "66.7%")?;
    browser.choose("#compare", "previous")?;
    // Six views after three, and three after none; of all nine, and after four.
    let row = "[...document.querySelectorAll('#top-products li')].map(it => ['views', 'share', 'change'].map(name => it.querySelector('.' + name).textContent.replaceAll(/\\s/g, '')))";
    browser.until(row, json!([["6", "66.7%", "+100%"], ["3", "33.3%", "new"]]))?;
    browser.until(&text("#total"), "9")?;
    browser.until(&text("#change"), "+125%")?;
    browser.until(&text("#filters li"), "Compared with 3 Jun 2020")?;
    let hours = json!(["08:00: 4 views · before: 1", "09:00: 3 views · before: 3", "23:00: 2 views · before: 0",]);
    browser.until(&seen("all-hours"), hours)?;
    browser.until("document.querySelectorAll('#all-hours .before path[d^=M]').length", 1)?;
    browser.until(
        "[...document.querySelectorAll('.heat .sum')].map(it => it.textContent)",
        json!(["Views", "Change", "9", "+125%"]),
    )?;
    browser.until(&text("#product-hours .note"), "Dashed: 3 Jun 2020.")?;
    // Over several days, too; and programs find the same numbers.
    browser.open(&format!("{}/?from=2020-06-04&to=2020-06-06&compare=weekday", shop.url))?;
    let chip = "document.querySelector('#filters li').textContent.replaceAll(/\\s/g, ' ')";
    browser.until(chip, "Compared with 28 – 30 May 2020")?;
    browser.until(row, json!([["6", "66.7%", "–"], ["3", "33.3%", "–"]]))?;
    let href =
        |place: u8| browser.value(&format!("document.querySelector('#top-products .foot a:nth-child({place})').href"));
    let [csv, rows] = [href(1)?, href(2)?];
    let csv = get(csv.as_str().unwrap_or_default())?.text;
    ensure!(
        csv.starts_with(
            "rank,product_id,product_name,views,views_before,change_percent,share_percent\n1,85,85,6,,,66.7"
        ),
        "{csv}"
    );
    let rows = get_json(rows.as_str().unwrap_or_default())?;
    assert_eq!(rows["compared"], json!({"from": "2020-05-28", "to": "2020-05-30"}));
    // It goes on as the tables do.
    shop.send(&[view(5, 9, "85", "6", "de", "")])?;
    browser.until(&text("#total"), "10")?;
    browser.click("#filters button")?;
    browser.until("document.querySelector('#filters').hidden", true)?;
    browser.until("document.querySelector('#top-products .change').hidden", true)?;
    assert_eq!(browser.url()?, format!("{}/?from=2020-06-04&to=2020-06-06", shop.url));
    must_be_content(&browser)
}

#[test]
fn a_click_filters_what_the_tables_can_tell() -> Result<()> {
    let Some((shop, browser)) = open()? else { return Ok(()) };
    let of_all_days = format!("{}/?top-countries.by=all&store-views.by=all", shop.url);
    browser.open(&of_all_days)?;
    browser.until(&bars("store-views"), json!([["Store 6", "6"], ["Store 39", "1"]]))?;
    browser.press("#store-views li:nth-child(2) button", Key::Enter)?;
    // One view of all ten is of that store, on the day before.
    browser.until(&bars("top-countries"), json!([["Germany", "1"]]))?;
    browser.until(&bars("store-views"), json!([["Store 6", "6"], ["Store 39", "1"]]))?;
    browser.until("document.querySelector('#store-views li:nth-child(2) button').ariaPressed", "true")?;
    browser.until(&text("#all-hours .nothing"), "There are no views of store ‘39’ for Thu, 4 Jun 2020.")?;
    let note = |panel: &str| format!("document.querySelector('#{panel} .note').innerText");
    let missed = "Not filtered by store: the table behind it does not count that.";
    for panel in ["top-products", "top-referrers", "product-hours", "browser-os-hours"] {
        browser.until(&note(panel), missed)?;
    }
    for panel in ["top-countries", "store-views", "all-hours"] {
        browser.until(&note(panel), "")?;
    }
    browser.click("#earlier")?;
    browser.until(&text("#total"), "1")?;
    browser.until("document.querySelectorAll('#all-hours .hours li').length", 1)?;
    browser.until(&text("#filters li"), "Store: 39")?;
    // Another filter, by which others can be filtered, stands beside it.
    browser.click("#browser-os-hours th button")?;
    browser.until(
        "[...document.querySelectorAll('#filters li')].map(it => it.textContent)",
        json!(["Store: 39", "Browser: Chrome", "Remove all"]),
    )?;
    browser.until(&note("all-hours"), missed.replace("store", "browser").as_str())?;
    let link = browser.url()?;
    assert_eq!(link, of_all_days + "&store=39&day=2020-06-03&browser=Chrome");
    browser.picture("filtered")?;
    browser.click("#filters .chip button")?;
    browser
        .until("[...document.querySelectorAll('#filters li')].map(it => it.textContent)", json!(["Browser: Chrome"]))?;
    browser.until(&hours("all-hours"), json!(["08:00: 1 view"]))?;
    browser.back()?;
    browser.until(&text("#filters li"), "Store: 39")?;
    browser.click("#filters li:last-child button")?;
    browser.until("document.querySelector('#filters').hidden", true)?;
    must_be_content(&browser)
}
