//! What members are called: stores by a file, and names that are sought with a typo.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::page::{bars, must_be_content};
use crate::support::browser::require_browser;
use crate::support::freshet::Freshet;
use crate::support::http::{get, get_json};
use crate::support::shop::{Shop, view};
use crate::support::topic::write;
use crate::support::{Database, new_topic, require_kafka, run_arguments, until};

fn rows(shop: &Shop, path: &str) -> Result<Value> {
    Ok(get_json(&format!("{}/api/{path}", shop.url))?["rows"].clone())
}

#[test]
fn stores_have_the_names_of_a_file() -> Result<()> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stores.csv");
    fs::write(&file, "store_id,name\n6,Köln Ring\n39,\"Bonn, Markt\"\n")?;
    let mut shop = Shop::open_at(&format!("127.0.0.1:0 --stores {}", file.display()))?;
    let csv =
        |shop: &Shop, path: &str| Ok::<_, anyhow::Error>(get(&format!("{}/api/{path}&format=csv", shop.url))?.text);
    let named =
        "country,country_name,store_id,store_name,views\nDE,Germany,6,Köln Ring,6\nDE,Germany,39,\"Bonn, Markt\",1\n";
    assert_eq!(csv(&shop, "reports/store-views?country=DE")?, named);
    assert_eq!(rows(&shop, "reports/store-views?country=FR")?[0]["store_name"], Value::Null);
    assert_eq!(rows(&shop, "reports/store-views?country=DE&q=bonn")?[0]["store_id"], "39");
    let fact = "SELECT DISTINCT store_name FROM fact_store_views WHERE store_id = '6'";
    let name: String = shop.database.client.query_one(fact, &[])?.get(0);
    assert_eq!(name, "Köln Ring");
    // Without the flag they stay what they are; a table that was filled by hand is as good.
    shop.close()?;
    shop.database.client.batch_execute("UPDATE store_names SET name = 'Köln' WHERE store_id = '6'")?;
    shop.reopen()?;
    let first = || Ok(rows(&shop, "reports/store-views?country=DE").is_ok_and(|rows| rows[0]["store_name"] == "Köln"));
    until("the name is there", first)?;
    let Some(browser) = require_browser() else { return Ok(()) };
    browser.appear(1280, 900, "light")?;
    browser.open(&shop.url)?;
    browser.until(&bars("store-views"), json!([["Köln 6", "6"]]))?;
    browser.open(&format!("{}/?country=FR", shop.url))?;
    browser.until(&bars("store-views"), json!([["Store 12", "3"]]))?;
    must_be_content(&browser)
}

#[test]
fn a_rebuild_keeps_the_names_of_stores() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 1)?, Database::create()?);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stores_kept.csv");
    fs::write(&file, "store_id,name\n6,Köln Ring\n")?;
    write(&kafka.brokers(), &topic, &[view(4, 8, "85", "6", "de", "")])?;
    let run = run_arguments(&kafka.brokers(), &topic, &database);
    Freshet::run(&format!("{run} --until-end --stores {}", file.display()))?.success()?;
    Freshet::run(&run.replacen("run", "rebuild", 1))?.success()?;
    database.reconnect()?;
    let fact = "SELECT store_name, views FROM fact_store_views WHERE store_id = '6'";
    let row = database.client.query_one(fact, &[])?;
    assert_eq!((row.get::<_, String>(0), row.get::<_, i64>(1)), ("Köln Ring".to_owned(), 1));
    Ok(())
}

#[test]
fn names_are_found_despite_typos_with_pg_trgm() -> Result<()> {
    let named = json!([{"product_id": "85", "product_name": "glamira ring viktor"}]);
    let (mut able, mut unable) = (Shop::open()?, Shop::open()?);
    for shop in [&mut able, &mut unable] {
        shop.database.name_product("85", "glamira ring viktor")?;
    }
    // What stands in the way of the extension there.
    let other = "CREATE FUNCTION word_similarity(text, text) RETURNS real LANGUAGE sql AS 'SELECT 1::real'";
    unable.database.client.batch_execute(other)?;
    for sought in ["vitkor", "glamria%20Viktro"] {
        assert_eq!(rows(&able, &format!("products?q={sought}"))?, named, "{sought}");
        assert_eq!(rows(&unable, &format!("products?q={sought}"))?, json!([]), "{sought}");
        let list = get_json(&format!("{}/api/reports/top-products?q={sought}", able.url))?;
        assert_eq!((&list["total"], &list["rows"][0]["product_id"]), (&json!(1), &json!("85")), "{sought}");
    }
    // Each word is to be alike, and what is called so goes before what is alike.
    assert_eq!(rows(&able, "products?q=ring%20qqqq")?, json!([]));
    assert_eq!(rows(&unable, "products?q=ring")?, named);
    let told = unable.freshet.errors()?;
    let why = told.lines().filter(|line| line.contains("pg_trgm cannot be created")).collect::<Vec<_>>();
    ensure!(why.len() == 1 && why[0].contains("word_similarity"), "{told}");
    ensure!(!able.freshet.errors()?.contains("pg_trgm"), "{}", able.freshet.errors()?);
    Ok(())
}
