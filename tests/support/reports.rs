//! The six reports against the tables beneath them, which the oracle has vouched for.

use anyhow::Result;
use postgres::Client;

/// A report, and what it must show.
const REPORTS: &[(&str, &str, &str)] = &[
    (
        "report_product_hours",
        "SELECT product_id, day, hour, views FROM report_product_hours",
        "SELECT product_id, day, hour, views FROM product_views_hourly",
    ),
    (
        "report_browser_os_hours",
        "SELECT day, hour, browser, os, views FROM report_browser_os_hours",
        "SELECT day, hour, browser, os, views FROM browser_os_views_hourly",
    ),
    (
        "report_store_views",
        "SELECT country, store_id, views::bigint FROM report_store_views",
        "SELECT country, store_id, sum(views)::bigint FROM store_views_daily GROUP BY country, store_id",
    ),
    (
        "report_top_countries",
        "SELECT rank::bigint, country, views::bigint FROM report_top_countries",
        r#"SELECT * FROM (SELECT row_number() OVER (ORDER BY sum(views) DESC, country COLLATE "C") AS rank,
                                 country, sum(views)::bigint FROM country_views_daily GROUP BY country) AS it
           WHERE rank <= 10"#,
    ),
    (
        "report_top_countries_daily",
        "SELECT rank, country, views FROM report_top_countries_daily",
        "SELECT rank, country, views FROM top_countries WHERE day = (SELECT day FROM shown_days WHERE of = 0)",
    ),
    (
        "report_top_products",
        "SELECT day, rank, product_id, views FROM report_top_products",
        "SELECT day, rank, product_id, views FROM top_products WHERE day IN (SELECT day FROM report_top_products)",
    ),
    (
        "report_top_referrers",
        "SELECT day, rank, referrer_url, views FROM report_top_referrers",
        "SELECT day, rank, referrer_url, views FROM top_referrers WHERE day IN (SELECT day FROM report_top_referrers)",
    ),
    (
        "the day of report_top_products",
        "SELECT DISTINCT day FROM report_top_products EXCEPT SELECT day FROM shown_days",
        "SELECT day FROM shown_days WHERE false",
    ),
    (
        "the day of report_top_referrers",
        "SELECT DISTINCT day FROM report_top_referrers EXCEPT SELECT day FROM shown_days",
        "SELECT day FROM shown_days WHERE false",
    ),
    (
        "the names of countries",
        "SELECT country_name FROM report_store_views WHERE (country = 'ZZ') <> (country_name = 'Unknown')",
        "SELECT 'every country has its name, and only ZZ is Unknown' WHERE false",
    ),
];

/// The current or latest day, or the earliest if all lie in the future: of all records, and of each top table, for the
/// contract does not say whether a day without a product is a day for the report on products.
const SHOWN_DAYS: &str = "WITH shown_days AS (
    SELECT of, coalesce(max(day) FILTER (WHERE day <= (now() AT TIME ZONE $1)::date), min(day)) AS day FROM (
        SELECT 0 AS of, day FROM country_views_daily
        UNION ALL SELECT 1, day FROM top_products UNION ALL SELECT 2, day FROM top_referrers) AS days GROUP BY of)";

/// Every report that shows something else than its tables hold.
pub fn wrong_reports(client: &mut Client, time_zone: &str) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (report, shown, expected) in REPORTS {
        let query = format!(
            "{SHOWN_DAYS}, shown AS ({shown}), expected AS ({expected})
             SELECT (SELECT count(*) FROM (TABLE shown EXCEPT ALL TABLE expected) AS surplus),
                    (SELECT count(*) FROM (TABLE expected EXCEPT ALL TABLE shown) AS missing),
                    (SELECT count(*) FROM shown_days)"
        );
        let row = client.query_one(&query, &[&time_zone])?;
        let (surplus, missing): (i64, i64) = (row.get(0), row.get(1));
        if (surplus, missing) != (0, 0) {
            wrong.push(format!("{report}: {surplus} surplus rows, {missing} missing"));
        }
    }
    Ok(wrong)
}
