//! `freshet report` over tables whose contents are known.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use rdkafka::mocking::MockCluster;
use resvg::tiny_skia::{Pixmap, PremultipliedColorU8};
use serde_json::{Value, json};

use crate::support::freshet::Freshet;
use crate::support::topic::{Record, write};
use crate::support::{Database, run_arguments};

/// A terminal would clear its screen at this, and a careless table lose its columns.
const HOSTILE: &str = "https://a.example/\\u001b[2J\\r\\n\\u202e\\u0007x";

/// A view, and how often it happened.
fn views(times: usize, day: u32, hour: u32, product: &str, store: &str, domain: &str, referrer: &str) -> Vec<Record> {
    let event = format!(
        r#"{{"collection":"view_product_detail","local_time":"2020-06-0{day} {hour}:15:27","product_id":"{product}",
            "store_id":"{store}","current_url":"https://www.example.{domain}/","referrer_url":"{referrer}",
            "user_agent":"facebookexternalhit/1.1"}}"#
    );
    vec![Record::new(0, event.as_bytes()); times]
}

/// Tables of ten views on two days.
fn tables() -> Result<Database> {
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("views", 1, 1)?;
    let records = [
        views(4, 4, 8, "85", "6", "de", "https://g.co/"),
        views(2, 4, 23, "85", "6", "de", HOSTILE),
        views(3, 4, 9, "9,\\\"1\\\"<b>", "12", "fr", ""),
        views(1, 3, 8, "7", "6", "de", ""),
    ];
    write(&cluster.bootstrap_servers(), "views", &records.concat())?;
    let database = Database::create()?;
    let arguments = run_arguments(&cluster.bootstrap_servers(), "views", &database);
    Freshet::run(&format!("{arguments} --until-end"))?.success()?;
    Ok(database)
}

fn report(database: &Database, arguments: &str) -> Result<String> {
    Freshet::prints(&format!("report {arguments} --database-url {}", database.url))
}

#[test]
fn every_report_says_what_the_tables_say() -> Result<()> {
    let database = tables()?;
    for (arguments, expected) in [
        (
            "top-products",
            "day,rank,product_id,product_name,views\n2020-06-04,1,85,85,6\n\
             2020-06-04,2,\"9,\"\"1\"\"<b>\",\"9,\"\"1\"\"<b>\",3\n",
        ),
        ("top-products --day 2020-06-03", "day,rank,product_id,product_name,views\n2020-06-03,1,7,7,1\n"),
        ("top-products --limit 1", "day,rank,product_id,product_name,views\n2020-06-04,1,85,85,6\n"),
        ("top-countries", "rank,country,country_name,views\n1,DE,Germany,7\n2,FR,France,3\n"),
        (
            "top-countries --daily",
            "day,rank,country,country_name,views\n2020-06-04,1,DE,Germany,6\n2020-06-04,2,FR,France,3\n",
        ),
        (
            "top-products --from 2020-06-03",
            "rank,product_id,product_name,views\n1,85,85,6\n2,\"9,\"\"1\"\"<b>\",\"9,\"\"1\"\"<b>\",3\n3,7,7,1\n",
        ),
        (
            "top-countries --from 2020-06-03 --to 2020-06-04",
            "rank,country,country_name,views\n1,DE,Germany,7\n2,FR,France,3\n",
        ),
        ("top-countries --from 2020-06-01 --to 2020-06-03", "rank,country,country_name,views\n1,DE,Germany,1\n"),
        (
            "product-hours --product 85 --from 2020-06-03 --to 2020-06-05",
            "product_id,product_name,day,views\n85,85,2020-06-03,0\n85,85,2020-06-04,6\n85,85,2020-06-05,0\n",
        ),
        ("store-views --country de --from 2020-06-04", "country,country_name,store_id,views\nDE,Germany,6,6\n"),
        (
            "browser-os-hours --from 2020-06-03 --to 2020-06-05",
            "day,browser,os,views\n2020-06-03,facebook,Unknown,1\n2020-06-04,facebook,Unknown,9\n",
        ),
        ("store-views --country de", "country,country_name,store_id,views\nDE,Germany,6,7\n"),
        (
            "browser-os-hours",
            "day,hour,browser,os,views\n2020-06-04,8,facebook,Unknown,4\n2020-06-04,9,facebook,Unknown,3\n\
             2020-06-04,23,facebook,Unknown,2\n",
        ),
    ] {
        assert_eq!(report(&database, &format!("{arguments} --format csv"))?, expected, "{arguments}");
    }
    Ok(())
}

#[test]
fn the_hours_of_a_product_are_all_there() -> Result<()> {
    let database = tables()?;
    let hours: Value = serde_json::from_str(&report(&database, "product-hours --product 85 --format json")?)?;
    let expected: Vec<_> = (0..24)
        .map(|hour| {
            let views = if hour == 8 { 4 } else { 2 * i32::from(hour == 23) };
            json!({"product_id": "85", "product_name": "85", "day": "2020-06-04", "hour": hour, "views": views})
        })
        .collect();
    assert_eq!(hours, Value::from(expected));
    Ok(())
}

#[test]
fn a_product_is_shown_with_its_name() -> Result<()> {
    let mut database = tables()?;
    database.name_product("85", "l'anneau \u{202e}<b>")?;
    let name = r"l'anneau \u{202e}<b>";
    let products = report(&database, "top-products")?;
    ensure!(products.contains(&format!("85           {name}")), "{products}");
    let hours = report(&database, "product-hours --product 85")?;
    ensure!(
        hours.starts_with(&format!("Hourly views of a product: 85 ({name}), 2020-06-04\n  hour   views\n")),
        "{hours}"
    );
    let picture = report(&database, "top-products --format svg")?;
    ensure!(picture.contains(r">85 · l'anneau \u{202e}&lt;b&gt;: 6<"), "{picture}");
    let json: Value = serde_json::from_str(&report(&database, "product-hours --product 85 --format json")?)?;
    assert_eq!(json[8]["product_name"], "l'anneau \u{202e}<b>");
    // A name may be as long as an address.
    database.name_product("85", &"a".repeat(2_000))?;
    let hours = report(&database, "product-hours --product 85")?;
    ensure!(
        hours.starts_with(&format!("Hourly views of a product: 85 ({}…), 2020-06-04\n", "a".repeat(60))),
        "{hours}"
    );
    Ok(())
}

#[test]
fn event_text_is_harmless_on_a_terminal() -> Result<()> {
    let database = tables()?;
    let table = report(&database, "top-referrers")?;
    ensure!(table.contains(r"https://a.example/\u{1b}[2J\r\n\u{202e}\u{7}x"), "{table}");
    let json = report(&database, "top-referrers --format json")?;
    for text in [&table, &json] {
        ensure!(!text.contains(|c: char| c != '\n' && c.is_control() || c == '\u{202e}'), "{text}");
    }
    let json: Value = serde_json::from_str(&json)?;
    assert_eq!(json[1]["referrer_url"], "https://a.example/\u{1b}[2J\r\n\u{202e}\u{7}x");
    Ok(())
}

#[test]
fn a_table_is_drawn_with_bars() -> Result<()> {
    let table = report(&tables()?, "top-countries")?;
    let expected = "\
Top countries of all days
  rank   country   country_name   views
──────────────────────────────────────────────────────────────────────────
     1   DE        Germany            7   ██████████████████████████████
     2   FR        France             3   ████████████▉
";
    assert_eq!(table, expected);
    Ok(())
}

#[test]
fn pictures_show_what_the_tables_say() -> Result<()> {
    let database = tables()?;
    for (arguments, words) in [
        ("top-products", vec![">Top products of 2020-06-04<", ">85: 6<", ">9,\"1\"&lt;b&gt;<"]),
        ("top-countries", vec![">DE · Germany<", ">DE · Germany: 7<"]),
        ("top-referrers", vec![r"https://a.example/\u{1b}[2J"]),
        ("store-views --country DE", vec![">6: 7<"]),
        ("product-hours --product 85", vec![">08:00 to 08:59: 4<", ">22:00 to 22:59: 0<"]),
        ("browser-os-hours", vec![">facebook · Unknown<", ">facebook · Unknown, 09:00 to 09:59: 3<"]),
    ] {
        let svg = report(&database, &format!("{arguments} --format svg"))?;
        for word in words {
            ensure!(svg.contains(word), "{arguments}: there is no {word} in {svg}");
        }
        ensure!(!svg.contains("<b>") && !svg.contains(|c: char| c != '\n' && c.is_control()), "{svg}");
        let png = picture(&database, arguments)?;
        ensure!(png.width() == 1760 && png.height() > 200, "{arguments}: {} × {}", png.width(), png.height());
        // Where the labels or the hours are there is ink that is no bar: the text, drawn without the machine's fonts.
        let is_ink = |pixel: &PremultipliedColorU8| pixel.red() < 0x60 && pixel.blue() < 0x60;
        let ink = png.pixels().iter().filter(|pixel| is_ink(pixel)).count();
        ensure!(ink > 1_000, "{arguments}: only {ink} pixels of text");
    }
    Ok(())
}

/// Draws a report as a PNG, which is saved below `target`, to be looked at.
fn picture(database: &Database, arguments: &str) -> Result<Pixmap> {
    let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .args(format!("report {arguments} --format png --database-url {}", database.url).split(' '))
        .output()?;
    ensure!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    let name = arguments.split(' ').next().unwrap_or_default();
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png")), &output.stdout)?;
    Ok(Pixmap::decode_png(&output.stdout)?)
}

#[test]
fn what_is_not_known_is_said() -> Result<()> {
    let database = tables()?;
    for (arguments, words) in [
        ("product-hours --product 12345", vec!["12345", "top-products"]),
        ("product-hours --product 85 --day 2020-06-03", vec!["85", "2020-06-03", "2020-06-04"]),
        ("store-views --country XX", vec!["XX", "DE, FR"]),
        ("top-products --day 2019-01-01", vec!["2019-01-01", "2020-06-03", "2020-06-04"]),
        ("top-products --day 2020-06-03 --from 2020-06-03", vec!["give one or the other"]),
        (
            "top-referrers --from 2020-06-05 --to 2020-06-07",
            vec!["2020-06-05 to 2020-06-07", "2020-06-03", "2020-06-04"],
        ),
    ] {
        let arguments = format!("report {arguments} --database-url {}", database.url);
        Freshet::run(&arguments)?.refuses_with(1, &words)?;
    }
    let empty = Database::create()?;
    Freshet::run(&format!("report top-products --database-url {}", empty.url))?.refuses_with(1, &["freshet run"])
}
