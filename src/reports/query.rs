//! What can be asked, in SQL.

use anyhow::{Result, bail};
use chrono::NaiveDate;
use postgres::types::Type;

use super::catalogue::COUNTRIES;
use super::{Answer, Cell, Nothing, Snapshot};
use crate::terminal::safe;

/// A title has so many letters of a name at most, which may be as long as an address.
const NAME: usize = 60;

/// A report, of what, and when. Without a day it is the current or latest one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum Query {
    /// The products with the most views of a day.
    TopProducts { day: Option<NaiveDate> },
    /// The countries with the most views over all days.
    TopCountries,
    /// The countries with the most views of a day.
    TopCountriesOfDay { day: Option<NaiveDate> },
    /// The referrers with the most views of a day.
    TopReferrers { day: Option<NaiveDate> },
    /// The views of each store of a country, over all days.
    StoreViews { country: String },
    /// The views of a product in each hour of a day; without a day, of the last one that has any.
    ProductHours { product: String, day: Option<NaiveDate> },
    /// The views by browser and operating system in each hour of a day.
    BrowserOsHours { day: Option<NaiveDate> },
    /// The same by browser alone.
    BrowserHours { day: Option<NaiveDate> },
    /// The same by operating system alone.
    OsHours { day: Option<NaiveDate> },
}

/// The reports by name, as `freshet report` has them too.
pub const NAMES: [&str; 6] =
    ["top-products", "top-countries", "top-referrers", "store-views", "product-hours", "browser-os-hours"];

impl Query {
    pub(super) fn answer(&self, tables: &mut Snapshot<'_>, limit: Option<i64>) -> Result<Answer> {
        match self {
            Query::TopProducts { day } => {
                let query = "SELECT day, rank, product_id, coalesce(name, product_id) AS product_name, views
                    FROM top_products LEFT JOIN dim_product USING (product_id) WHERE day = $1 ORDER BY rank";
                of_day(tables, *day, limit, "Top products", query)
            }
            Query::TopCountries => {
                let query = "SELECT rank, country, country_name, views FROM report_top_countries ORDER BY rank
                    LIMIT $1";
                let answer = tables.rows("Top countries of all days".into(), query, &[(&limit, Type::INT8)])?;
                if answer.rows.is_empty() { Err(nothing().into()) } else { Ok(answer) }
            }
            Query::TopCountriesOfDay { day } => {
                let query = "SELECT day, rank, country, coalesce(country_name, country) AS country_name, views
                    FROM top_countries LEFT JOIN dim_country USING (country) WHERE day = $1 ORDER BY rank";
                of_day(tables, *day, limit, "Top countries", query)
            }
            Query::TopReferrers { day } => {
                let query = "SELECT day, rank, referrer_url, views FROM top_referrers WHERE day = $1 ORDER BY rank";
                of_day(tables, *day, limit, "Top referrers", query)
            }
            Query::StoreViews { country } => store_views(tables, country, limit),
            Query::ProductHours { product, day } => product_hours(tables, product, *day, limit),
            Query::BrowserOsHours { day } => {
                let query = "SELECT day, hour, browser, os, views FROM report_browser_os_hours WHERE day = $1
                    ORDER BY hour, views DESC, browser, os";
                of_day(tables, *day, limit, "Views by browser and operating system", query)
            }
            Query::BrowserHours { day } => {
                let query = "SELECT day, hour, browser, sum(views)::bigint AS views FROM report_browser_os_hours
                    WHERE day = $1 GROUP BY day, hour, browser ORDER BY hour, views DESC, browser";
                of_day(tables, *day, limit, "Views by browser", query)
            }
            Query::OsHours { day } => {
                let query = "SELECT day, hour, os, sum(views)::bigint AS views FROM report_browser_os_hours
                    WHERE day = $1 GROUP BY day, hour, os ORDER BY hour, views DESC, os";
                of_day(tables, *day, limit, "Views by operating system", query)
            }
        }
    }
}

fn nothing() -> Nothing {
    Nothing("nothing is counted yet; `freshet check` says what would be, and of which collections".into())
}

/// A report that has rows for each day.
fn of_day(
    tables: &mut Snapshot<'_>,
    day: Option<NaiveDate>,
    limit: Option<i64>,
    what: &str,
    query: &str,
) -> Result<Answer> {
    let day = match day {
        Some(day) => day,
        None => tables.current_day()?.ok_or_else(nothing)?,
    };
    let (query, parameters) = (format!("{query} LIMIT $2"), [(&day as _, Type::DATE), (&limit as _, Type::INT8)]);
    let answer = tables.rows(format!("{what} of {day}"), &query, &parameters)?;
    if answer.rows.is_empty() {
        let first: Option<NaiveDate> = tables.value("SELECT min(day) FROM country_views_daily", &[])?;
        let last: Option<NaiveDate> = tables.value("SELECT max(day) FROM country_views_daily", &[])?;
        let (Some(first), Some(last)) = (first, last) else { bail!(nothing()) };
        bail!(Nothing(format!(
            "there is nothing of this kind on {day}; the days with views lie between {first} and {last}"
        )));
    }
    Ok(answer)
}

fn store_views(tables: &mut Snapshot<'_>, country: &str, limit: Option<i64>) -> Result<Answer> {
    let country = country.to_uppercase();
    // The view's columns, of one country: the view itself names countries before it sums, which takes twice as long.
    let query = "SELECT country, coalesce(country_name, country) AS country_name, store_id, views
        FROM (SELECT country, store_id, sum(views)::bigint AS views FROM store_views_daily WHERE country = $1
            GROUP BY country, store_id ORDER BY views DESC, store_id LIMIT $2) AS most
        LEFT JOIN dim_country USING (country) ORDER BY views DESC, store_id";
    let parameters = [(&country as _, Type::TEXT), (&limit as _, Type::INT8)];
    let answer = tables.rows(format!("Views by store, {country}, all days"), query, &parameters)?;
    if answer.rows.is_empty() {
        let countries = format!("{COUNTRIES} SELECT string_agg(country, ', ' ORDER BY country) FROM found");
        let known: String = tables.value(&countries, &[])?.ok_or_else(nothing)?;
        bail!(Nothing(format!(
            "no store has views in '{}'; the countries that have are {known}",
            country.escape_debug()
        )));
    }
    Ok(answer)
}

fn product_hours(
    tables: &mut Snapshot<'_>,
    product: &str,
    day: Option<NaiveDate>,
    limit: Option<i64>,
) -> Result<Answer> {
    let known = |order| format!("SELECT {order}(day) FROM product_views_hourly WHERE product_id = $1");
    let last: Option<NaiveDate> = tables.value(&known("max"), &[(&product, Type::TEXT)])?;
    let shown = product.escape_debug();
    let Some(last) = last else {
        bail!(Nothing(format!(
            "there are no views of product '{shown}'; `freshet report top-products` names some that have"
        )));
    };
    let day = day.unwrap_or(last);
    let query = "SELECT product_id, day, hour FROM product_views_hourly WHERE product_id = $1 AND day = $2 LIMIT 1";
    if tables.rows(String::new(), query, &[(&product, Type::TEXT), (&day, Type::DATE)])?.rows.is_empty() {
        let first: Option<NaiveDate> = tables.value(&known("min"), &[(&product, Type::TEXT)])?;
        let first = first.unwrap_or(last);
        bail!(Nothing(format!(
            "there are no views of product '{shown}' on {day}; its views lie between {first} and {last}"
        )));
    }
    let query = "SELECT product_id, coalesce(name, product_id) AS product_name, $2::date AS day, hour::smallint AS hour,
            coalesce(views, 0) AS views
        FROM (SELECT $1::text AS product_id) AS asked LEFT JOIN dim_product USING (product_id)
        CROSS JOIN generate_series(0, 23) AS hour
        LEFT JOIN (SELECT hour, views FROM product_views_hourly WHERE product_id = $1 AND day = $2) AS counted USING (hour)
        ORDER BY hour LIMIT $3";
    let parameters = [(&product as _, Type::TEXT), (&day as _, Type::DATE), (&limit as _, Type::INT8)];
    let mut answer = tables.rows(String::new(), query, &parameters)?;
    let name = match answer.rows.first().and_then(|row| row.get(1)) {
        Some(Cell::Text(name)) if name != product => format!(" ({})", safe(name, NAME)),
        _ => String::new(),
    };
    answer.title = format!("Views of product {shown}{name} on {day}");
    Ok(answer)
}
