//! The dimensions and facts: what their SQL says.

use anyhow::{Result, ensure};
use postgres::Client;

use crate::support::Database;
use crate::support::countries::COUNTRIES;

/// Each fact, and the table whose rows it has.
const FACTS: [(&str, &str); 5] = [
    ("fact_product_views", "product_views_hourly"),
    ("fact_country_views", "country_views_daily"),
    ("fact_referrer_views", "referrer_views_daily"),
    ("fact_store_views", "store_views_daily"),
    ("fact_browser_os_views", "browser_os_views_hourly"),
];

fn database() -> Result<Database> {
    let mut database = Database::create()?;
    database.client.batch_execute(include_str!("../schema.sql"))?;
    Ok(database)
}

/// One column of a query's rows.
fn listed(client: &mut Client, query: &str) -> Result<Vec<String>> {
    Ok(client.query(query, &[])?.iter().map(|row| row.get(0)).collect())
}

#[test]
fn the_host_of_a_referrer_follows_the_rule() -> Result<()> {
    let mut client = database()?.client;
    let long = |letter: &str, times| format!("https://{}/", letter.repeat(times));
    let cases = [
        ("https://www.google.com/search?q=x", Some("www.google.com")),
        ("HTTP://EXAMPLE.com", Some("example.com")),
        ("android-app://com.google.android.gm/", Some("com.google.android.gm")),
        ("://a.example", Some("a.example")),
        (" https://a.example /", Some("a.example ")),
        // The first colon decides, and what is behind it.
        ("javascript:alert(1)//x://y", None),
        ("mailto:somebody@a.example", None),
        ("//a.example/", None),
        ("https:/a.example/", None),
        ("a.example/x", None),
        ("", None),
        // Where the authority ends.
        ("https://host\\evil", Some("host")),
        ("https://a.example?https://b.example/", Some("a.example")),
        ("https://a.example#@b.example/", Some("a.example")),
        ("https://a.example/@b.example", Some("a.example")),
        ("https://a.example\n.b.example/", Some("a.example\n.b.example")),
        ("ht\ntps://a.example/", Some("a.example")),
        // Who asks, and at which port.
        ("https://u:p@A.example:8080/x", Some("a.example")),
        ("https://a@b@c.example/", Some("c.example")),
        ("https://a\nb@c.example/", Some("c.example")),
        ("https://[::1]:80/", Some("[::1]")),
        ("https://[::1]/", Some("[::1]")),
        ("https://host:", Some("host")),
        ("https://host:80\n/", Some("host:80\n")),
        ("https://host:80:90/", Some("host:80")),
        ("https://host:8o/", Some("host:8o")),
        ("https://host:٣/", Some("host:٣")),
        // Nothing is left.
        ("https://", None),
        ("https:///x", None),
        ("https://:80/", None),
        ("https://somebody@/", None),
        ("https://somebody@:80/", None),
        // Letters beyond ASCII stay; that of Kelvin is no k.
        ("https://BÜCHER.example/", Some("bÜcher.example")),
        ("https://\u{212a}ELVIN.example/", Some("\u{212a}elvin.example")),
        // 253 bytes, not letters.
        (&long("a", 253), Some(&"a".repeat(253))),
        (&long("a", 254), None),
        (&long("ü", 126), Some(&"ü".repeat(126))),
        (&long("ü", 127), None),
    ];
    for (url, host) in cases {
        let row = client.query_one("SELECT referrer_host($1)", &[&url])?;
        assert_eq!(row.get::<_, Option<&str>>(0), host, "{url:?}");
    }
    Ok(())
}

/// Counts of a Thursday and a Sunday.
const COUNTS: &str = r"
    INSERT INTO product_views_hourly (product_id, day, hour, views) VALUES
        ('85', '2020-06-04', 8, 2), ('85', '2020-06-07', 9, 1), ('7', '2020-06-04', 8, 3);
    INSERT INTO country_views_daily (day, country, views) VALUES ('2020-06-04', 'DE', 5), ('2020-06-07', 'ZZ', 1);
    INSERT INTO referrer_views_daily (day, referrer_url, referrer_url_digest, views) VALUES
        ('2020-06-04', 'https://Search.example/?q=1', '\x01', 2), ('2020-06-04', 'https://search.example/?q=2', '\x02', 1),
        ('2020-06-04', 'nowhere', '\x03', 1);
    INSERT INTO store_views_daily (day, country, store_id, views) VALUES
        ('2020-06-04', 'DE', '6', 4), ('2020-06-04', 'FR', '6', 1), ('2020-06-07', 'ZZ', '12', 1);
    INSERT INTO browser_os_views_hourly (day, hour, browser, os, views) VALUES
        ('2020-06-04', 8, 'Chrome', 'Windows 10', 5), ('2020-06-07', 9, 'Chrome', 'Android', 1);";

/// What is known of them.
const KNOWN: &str = "
    INSERT INTO dim_date (day) VALUES ('2020-06-04'), ('2020-06-07');
    INSERT INTO dim_product (product_id, name, url, url_day, first_day, last_day) VALUES
        ('85', 'pendant viktor', 'https://a.example/pendant-viktor.html', '2020-06-07', '2020-06-04', '2020-06-07'),
        ('7', NULL, NULL, NULL, '2020-06-04', '2020-06-04');
    INSERT INTO dim_store (store_id, country, first_day, last_day) VALUES
        ('6', 'DE', '2020-06-04', '2020-06-04'), ('12', 'ZZ', '2020-06-07', '2020-06-07');
    INSERT INTO dim_referrer (host, kind) VALUES ('search.example', 'search');
    INSERT INTO dim_browser_os (browser, os, category) VALUES
        ('Chrome', 'Windows 10', 'pc'), ('Chrome', 'Android', 'smartphone');";

#[test]
fn each_fact_has_the_rows_of_its_table() -> Result<()> {
    let mut client = database()?.client;
    client.batch_execute(COUNTS)?;
    // Also where nothing is known yet, which an outer join must not make fewer.
    for known in ["", KNOWN] {
        client.batch_execute(known)?;
        for (fact, table) in FACTS {
            let query = format!(
                "SELECT (SELECT count(*) FROM {table}), (SELECT sum(views)::bigint FROM {table}), count(*),
                    sum(views)::bigint FROM {fact}"
            );
            let row = client.query_one(&query, &[])?;
            let [rows, views, found, shown]: [i64; 4] = [0, 1, 2, 3].map(|index| row.get(index));
            ensure!(rows > 0, "nothing is compared in {table}");
            assert_eq!((found, shown), (rows, views), "rows and views of {fact}");
        }
    }
    Ok(())
}

#[test]
fn each_fact_describes_its_keys() -> Result<()> {
    let mut client = database()?.client;
    client.batch_execute(COUNTS)?;
    client.batch_execute(KNOWN)?;
    let (thursday, sunday) = ("2020,6,2020,23,4,f", "2020,6,2020,23,7,t");
    let viktor = r#"85,"pendant viktor",https://a.example/pendant-viktor.html"#;
    let facts = [
        vec![
            format!("(2020-06-04,8,7,7,,{thursday},3)"),
            format!("(2020-06-04,8,{viktor},{thursday},2)"),
            format!("(2020-06-07,9,{viktor},{sunday},1)"),
        ],
        vec![
            format!("(2020-06-04,DE,Germany,Europe,{thursday},5)"),
            format!("(2020-06-07,ZZ,Unknown,Unknown,{sunday},1)"),
        ],
        vec![
            format!("(2020-06-04,https://Search.example/?q=1,search.example,search,{thursday},2)"),
            format!("(2020-06-04,https://search.example/?q=2,search.example,search,{thursday},1)"),
            format!("(2020-06-04,nowhere,,other,{thursday},1)"),
        ],
        vec![
            format!("(2020-06-04,6,DE,Germany,Europe,DE,,{thursday},4)"),
            format!("(2020-06-04,6,FR,France,Europe,DE,,{thursday},1)"),
            format!("(2020-06-07,12,ZZ,Unknown,Unknown,ZZ,,{sunday},1)"),
        ],
        vec![
            format!(r#"(2020-06-04,8,Chrome,"Windows 10",pc,{thursday},5)"#),
            format!("(2020-06-07,9,Chrome,Android,smartphone,{sunday},1)"),
        ],
    ];
    for ((fact, _), expected) in FACTS.iter().zip(facts) {
        let query = format!(r#"SELECT it::text COLLATE "C" FROM {fact} AS it ORDER BY 1"#);
        assert_eq!(listed(&mut client, &query)?, expected, "{fact}");
    }
    Ok(())
}

#[test]
fn a_day_knows_its_year_and_its_week() -> Result<()> {
    let mut client = database()?.client;
    client
        .batch_execute("INSERT INTO dim_date VALUES ('2000-01-01'), ('2020-02-29'), ('2021-01-03'), ('9999-12-31')")?;
    let days = listed(&mut client, "SELECT it::text FROM dim_date AS it ORDER BY day")?;
    let expected = [
        "(2000-01-01,2000,1,1,1999,52,6,t)",
        "(2020-02-29,2020,1,2,2020,9,6,t)",
        "(2021-01-03,2021,1,1,2020,53,7,t)",
        "(9999-12-31,9999,4,12,9999,52,5,f)",
    ];
    assert_eq!(days, expected);
    Ok(())
}

#[test]
fn every_country_has_a_name_and_a_region() -> Result<()> {
    let mut client = database()?.client;
    let mut codes: Vec<_> = COUNTRIES.split_whitespace().chain(["EU", "ZZ"]).collect();
    codes.sort();
    assert_eq!(listed(&mut client, "SELECT country FROM dim_country ORDER BY country")?, codes);
    // As many as the United Nations' M49 has, with Taiwan in Asia and the European Union in Europe.
    let regions =
        "SELECT region || ' ' || count(*) FROM dim_country WHERE country_name <> '' GROUP BY region ORDER BY 1";
    let expected = ["Africa 60", "Americas 57", "Antarctica 1", "Asia 51", "Europe 52", "Oceania 29", "Unknown 1"];
    assert_eq!(listed(&mut client, regions)?, expected);
    let alone = "SELECT country FROM dim_country WHERE region IN ('Antarctica', 'Unknown') ORDER BY country";
    assert_eq!(listed(&mut client, alone)?, ["AQ", "ZZ"]);
    Ok(())
}
