//! The page for everyone: axe finds nothing in any of its states, and what it cannot see is tried here.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use fantoccini::key::Key;
use freshet_embedded::Postgres;
use serde_json::json;

use crate::support::browser::{Browser, require_browser, required};
use crate::support::http::{Stream, get_json};
use crate::support::postgres;
use crate::support::shop::{HOSTILE_PRODUCT, Shop, view};
use crate::support::topic::Record;

/// A browser, and the script of axe-core, which scripts/setup.sh fetches.
fn require_axe() -> Option<(Browser, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe/package/axe.min.js");
    let script = required("axe-core", fs::read_to_string(&file).with_context(|| file.display().to_string()))?;
    Some((require_browser()?, script))
}

/// Every appearance of the page: colours, colours that somebody has chosen for everything, and how wide it is.
const APPEARANCES: [(&str, bool, u32); 4] =
    [("light", false, 1280), ("dark", false, 1280), ("light", true, 1280), ("light", false, 360)];

/// Axe must find nothing in any appearance of this state.
fn must_be_for_everyone(browser: &Browser, axe: &str, state: &str) -> Result<()> {
    must_be_good_in(&APPEARANCES, browser, axe, state)
}

fn must_be_good_in(appearances: &[(&str, bool, u32)], browser: &Browser, axe: &str, state: &str) -> Result<()> {
    for &(colours, is_forced, width) in appearances {
        browser.appear_as(width, 1400, colours, is_forced)?;
        browser.picture(&format!("{state}-{colours}{}-{width}", if is_forced { "-forced" } else { "" }))?;
        let tags = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}";
        browser
            .run(&format!("{axe}; window.found = null; axe.run({tags}).then(it => window.found = it.violations);"))?;
        browser.until("window.found !== null", true)?;
        let found = browser.value("window.found.map(it => [it.id, it.help, it.nodes.map(node => node.target.join(' ') + ': ' + node.failureSummary)])")?;
        ensure!(found == json!([]), "{state}, {colours}, forced: {is_forced}, {width}: {found:#}");
    }
    browser.appear(1280, 900, "light")
}

#[test]
fn axe_finds_nothing_in_any_state() -> Result<()> {
    let Some((browser, axe)) = require_axe() else { return Ok(()) };
    let mut shop = Shop::open()?;
    shop.send(&[Record::new(0, "no JSON")])?;
    let many: Vec<_> = (0..30).map(|store| view(4, 9, "85", &format!("1{store}"), "de", "")).collect();
    shop.send(&many)?;
    browser.appear(1280, 900, "light")?;
    browser.open(&shop.url)?;
    browser.until("document.querySelectorAll('#store-views .bars li').length > 20", true)?;
    browser.until("document.querySelectorAll('.heat tbody td').length > 20", true)?;
    browser.until("document.querySelector('#rejected').textContent.startsWith('1 ')", true)?;
    must_be_for_everyone(&browser, &axe, "live")?;
    browser.click("#details")?;
    browser.until("document.querySelectorAll('#rejections tbody tr').length", 1)?;
    must_be_for_everyone(&browser, &axe, "operation")?;
    browser.click("#operation .close")?;
    browser.type_over("#product-hours input", "8")?;
    browser.until("document.querySelectorAll('#product-hours [role=option]').length", 1)?;
    must_be_for_everyone(&browser, &axe, "open")?;
    browser.click("#pause")?;
    browser.press("#product-hours .walk", Key::Right)?;
    must_be_for_everyone(&browser, &axe, "paused")?;
    let lists = "top-products.page=1&top-referrers.by=host&top-referrers.of_host=www.search.example&store-views.q=1";
    browser.open(&format!("{}/?day=2020-06-04&store-views.page=2&{lists}", shop.url))?;
    browser.until("document.querySelectorAll('#top-referrers .below .copy').length", 1)?;
    browser.until("document.querySelectorAll('#store-views .bars > li').length > 0", true)?;
    must_be_for_everyone(&browser, &axe, "lists")?;
    browser.open(&format!("{}/?day=nonsense&country=XX", shop.url))?;
    browser.until("document.querySelector('#advice').checkVisibility()", true)?;
    browser.until("document.querySelectorAll('#product-hours .hours li').length", 24)?;
    must_be_for_everyone(&browser, &axe, "misunderstood")?;
    browser.open(&format!("{}/?from=2020-04-01&to=2020-06-30&compare=previous&browser=Chrome&store=6", shop.url))?;
    browser.until("document.querySelectorAll('#product-hours .hours li').length", 91)?;
    browser.until("document.querySelectorAll('.heat tbody td').length > 91", true)?;
    // It has four times as many cells as others, which look as theirs do.
    must_be_good_in(&APPEARANCES[..1], &browser, &axe, "several-days")?;
    shop.cut_kafka(true)?;
    browser.until("document.body.dataset.state", "error")?;
    must_be_for_everyone(&browser, &axe, "trouble")?;
    shop.close()?;
    browser.until("document.body.dataset.state", "stale")?;
    must_be_for_everyone(&browser, &axe, "cut-off")?;
    let empty = Shop::open_with(&[], postgres())?;
    browser.open(&empty.url)?;
    browser.until("document.querySelector('#advice').checkVisibility()", true)?;
    must_be_for_everyone(&browser, &axe, "nothing")
}

#[test]
fn forced_colours_hide_no_number() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let shop = Shop::open()?;
    browser.appear_as(1280, 1400, "light", true)?;
    browser.open(&shop.url)?;
    browser.until("document.querySelectorAll('.heat tbody td').length > 20", true)?;
    browser.until("document.querySelectorAll('#product-hours .hours li').length", 24)?;
    let ground = "const ground = getComputedStyle(document.body).backgroundColor";
    for drawn in ["#product-hours li:nth-child(9) i", ".heat td[style*='--heat: 1']", ".pulse i"] {
        let color = format!(
            "(() => {{ {ground}; return getComputedStyle(document.querySelector(\"{drawn}\")).backgroundColor !== ground; }})()"
        );
        browser.until(&color, true).with_context(|| drawn.to_owned())?;
    }
    browser.until("getComputedStyle(document.querySelector('.bars li:nth-child(2) .fill')).borderBottomWidth", "3px")
}

/// Of what is no text axe says nothing: columns, and the edges of what can be pressed, chosen or typed into (WCAG 1.4.11).
#[test]
fn what_is_drawn_stands_out_from_its_ground() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let shop = Shop::open()?;
    browser.appear(1280, 1400, "light")?;
    browser.open(&shop.url)?;
    browser.until("document.querySelectorAll('#product-hours .hours li').length", 24)?;
    let too_faint = "(() => {
        const light = (text) => { const [red, green, blue] = text.match(/[\\d.]+/g).map(it => it / 255)
            .map(it => it > 0.04045 ? ((it + 0.055) / 1.055) ** 2.4 : it / 12.92); return 0.2126 * red + 0.7152 * green + 0.0722 * blue; };
        const ratio = (a, b) => { const [dark, bright] = [light(a), light(b)].sort((a, b) => a - b); return (bright + 0.05) / (dark + 0.05); };
        const look = (it) => getComputedStyle(it);
        const grounds = [document.body, document.querySelector('section')].map(it => look(it).backgroundColor);
        const edges = [...document.querySelectorAll('.day > *, .theme, select, .search input, .switch')].map(it => [it.outerHTML, look(it).borderTopColor]);
        const drawn = [...document.querySelectorAll('.hours i, .pulse i')].map(it => [it.outerHTML, look(it).backgroundColor]);
        return [...edges, ...drawn].filter(([, color]) => grounds.some(ground => ratio(color, ground) < 3)).map(it => it.join(' '));
    })()";
    for colours in ["light", "dark"] {
        browser.appear(1280, 1400, colours)?;
        browser.until(too_faint, json!([])).context(colours)?;
    }
    Ok(())
}

#[test]
fn a_paused_page_does_not_move() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let mut shop = Shop::open()?;
    let views = "document.querySelector('#top-products .views')?.textContent ?? null";
    browser.appear(1280, 900, "light")?;
    browser.open(&shop.url)?;
    browser.until(views, "6")?;
    browser.click("#pause")?;
    browser.until(
        "[document.body.dataset.state, document.querySelector('#pause').ariaPressed]",
        json!(["paused", "true"]),
    )?;
    let said = browser.value("document.querySelector('header').innerText")?;
    let offset = shop.send(&[view(4, 8, "85", "6", "de", "")])?;
    get_json(&format!("{}/api/wait?partition=0&offset={offset}&timeout=60s", shop.url))?;
    // What somebody asks for is shown, and nothing moves after it.
    browser.click("#top-countries .switch label:last-child")?;
    browser.click("#earlier")?;
    browser.until("document.title", "Freshet – Wed, 3 Jun 2020")?;
    browser.until(views, "1")?;
    browser.click("#later")?;
    browser.until(views, "7")?;
    browser.until("document.querySelectorAll('#product-hours .hours li').length", 24)?;
    let offset = shop.send(&[view(4, 8, "85", "6", "de", "")])?;
    get_json(&format!("{}/api/wait?partition=0&offset={offset}&timeout=60s", shop.url))?;
    assert_eq!(browser.value(views)?, "7");
    let paused = browser.value("document.querySelector('#pulse').innerText")?;
    ensure!(paused.as_str().is_some_and(|text| text.starts_with("paused at ")), "{paused}");
    ensure!(said.as_str().is_some_and(|text| !text.contains(" ago")), "a time goes on: {said}");
    browser.click("#pause")?;
    browser.until(views, "8")?;
    browser.until("document.body.dataset.state", "live")
}

#[test]
fn the_keyboard_keeps_focus_and_announces_cells() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let mut shop = Shop::open()?;
    browser.appear(1280, 1400, "light")?;
    browser.open(&shop.url)?;
    browser.until("document.querySelectorAll('#top-products .bars li').length", 2)?;
    browser.until("document.querySelectorAll('.heat tbody td').length > 20", true)?;
    // Rows go round the one that has the focus, which never loses it.
    let focus = "document.querySelector('#top-products li:nth-child(2) button').focus()";
    browser.run(&format!(
        "{focus}; window.lost = 0; document.activeElement.addEventListener('blur', () => window.lost++);"
    ))?;
    shop.send(&vec![view(4, 9, HOSTILE_PRODUCT, "12", "fr", ""); 9])?;
    browser.until("document.querySelector('#top-products .views').textContent", "12")?;
    browser.until(
        "[document.activeElement === document.querySelector('#top-products li button'), window.lost]",
        json!([true, 0]),
    )?;
    // In a table of hours: across, down, to the ends of a line.
    let walked = "[document.querySelectorAll('.walked').length, document.querySelector('#walked').textContent]";
    for (key, told) in [
        (Key::Right, "Chrome, 00:00: 0 views"),
        (Key::End, "Chrome, 23:00: 2 views"),
        (Key::Home, "Chrome, 00:00: 0 views"),
        (Key::Right, "Chrome, 01:00: 0 views"),
    ] {
        browser.press("#browser-os-hours .walk", key)?;
        browser.until(walked, json!([1, told]))?;
    }
    browser.press("#browser-os-hours .walk", Key::Tab)?;
    browser.until(walked, json!([0, ""]))
}

#[test]
fn what_is_not_known_is_not_made_up() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let mut server = Postgres::start()?;
    let shop = Shop::open_with(&[view(4, 8, "85", "6", "de", "")], &server)?;
    let text = |id: &str| format!("document.querySelector('#{id}').textContent");
    browser.appear(1280, 900, "light")?;
    // A day that there is not.
    for (day, what) in [("nonsense", "‘nonsense’"), ("2020-06-31", "‘2020-06-31’"), ("0000-01-01", "‘0000-01-01’")]
    {
        browser.open(&format!("{}/?day={day}", shop.url))?;
        let said = format!("The address asks for day {what}: a day looks like 2020-06-04; this is the current one. ");
        browser.until(&text("advice"), said.as_str())?;
        browser.until("document.title", "Freshet – Thu, 4 Jun 2020")?;
    }
    // One on which there is nothing, and a product that is called like two sentences.
    browser.open(&format!("{}/?day=2020-06-05&product=a;%20b", shop.url))?;
    let said = |panel: &str| format!("[...document.querySelectorAll('#{panel} .nothing')].map(it => it.textContent)");
    let between = "The days with views are 4 Jun 2020.";
    browser.until(&said("top-products"), json!(["There is nothing of this kind for Fri, 5 Jun 2020.", between]))?;
    browser.until(
        &said("product-hours"),
        json!(["There are no views of product ‘a; b’ for Fri, 5 Jun 2020.", "Choose another one above."]),
    )?;
    browser.open(&shop.url)?;
    browser.until(&text("read"), "1")?;
    browser.until("document.querySelector('#advice').hidden", true)?;
    server.kill()?;
    // What was read is still there, with its time; and nothing says where the database is.
    browser.until("document.body.dataset.state", "error")?;
    let notice = browser.value(&text("notice"))?.to_string();
    ensure!(notice.contains("The database does not answer") && notice.contains("What is shown is as of "), "{notice}");
    ensure!(!notice.contains("127.0.0.1") && !notice.contains(".s.PGSQL"), "{notice}");
    browser.until(&text("read"), "1")?;
    // A visitor who comes only now sees no number at all.
    browser.open(&shop.url)?;
    browser.until("document.body.dataset.state", "error")?;
    for number in ["read", "counted", "rejected"] {
        browser.until(&text(number), "unknown")?;
    }
    let notice = browser.value(&text("notice"))?.to_string();
    ensure!(notice.contains("There is nothing to show yet."), "{notice}");
    Ok(())
}

#[test]
fn an_empty_start_says_what_to_do() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let mut shop = Shop::open_with(&[], postgres())?;
    let advice = "document.querySelector('#advice').textContent";
    browser.open(&shop.url)?;
    browser.until(&format!("{advice}.startsWith('No event was read yet.')"), true)?;
    shop.send(&[Record::new(0, "no JSON")])?;
    browser
        .until(&format!("{advice}.startsWith('Read so far: 1 record, none of which counts. Details, above,')"), true)?;
    shop.send(&[view(4, 8, "85", "6", "de", "")])?;
    browser.until("document.querySelector('#advice').hidden", true)
}

#[test]
fn nothing_glides_for_whom_motion_is_too_much() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let mut shop = Shop::open()?;
    browser.appear(1280, 900, "light")?;
    browser.open(&shop.url)?;
    let moved = "document.querySelectorAll('#top-products .bars li').length";
    browser.until(moved, 2)?;
    let spy = "window.moves = 0; const animate = Element.prototype.animate; \
        Element.prototype.animate = function (...given) { window.moves++; return animate.apply(this, given); };";
    for (is_still, expected) in [(false, true), (true, false)] {
        browser.stand_still(is_still)?;
        browser.run(spy)?;
        let before = browser.value("document.querySelector('#total').textContent")?;
        shop.send(&[view(4, 9, &format!("new {is_still}"), "12", "fr", "")])?;
        browser.until(
            &format!("document.querySelector('#total').textContent !== '{}'", before.as_str().unwrap_or_default()),
            true,
        )?;
        browser.until("document.querySelectorAll('#top-products .bars li').length", if is_still { 4 } else { 3 })?;
        browser.until("window.moves > 0", expected)?;
    }
    browser.until("getComputedStyle(document.querySelector('.fill')).transitionDuration", "0s")
}

#[test]
fn a_page_that_finds_no_room_says_so() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let shop = Shop::open()?;
    // As many pages of other days as one network may open.
    let open =
        |day: usize| Stream::open(&format!("{}/api/live?day=2001-{:02}-{:02}", shop.url, day / 28 + 1, day % 28 + 1));
    let _others = (0..48).map(open).collect::<Result<Vec<_>>>()?;
    browser.open(&shop.url)?;
    let notice = "document.querySelector('#notice').textContent";
    let said =
        "Too many look at once, so there is no room for this page now. There is nothing to show yet. Trying again.";
    browser.until(notice, said)
}

#[test]
fn on_paper_it_is_numbers_on_white() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let shop = Shop::open()?;
    browser.appear(1280, 1400, "dark")?;
    browser.open(&shop.url)?;
    browser.until("document.querySelectorAll('.heat tbody td').length > 20", true)?;
    browser.until("document.querySelectorAll('#product-hours .hours li').length", 24)?;
    browser.print()?;
    browser.until("getComputedStyle(document.querySelector('section')).backgroundColor", "rgb(255, 255, 255)")?;
    browser.until("[...document.querySelectorAll('button, a')].filter(it => it.checkVisibility() && !it.closest('li, dd, th, .name'))", json!([]))?;
    browser.picture("paper").map(drop)
}
