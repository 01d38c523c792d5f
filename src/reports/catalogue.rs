//! What there is to ask about: days, countries, products, and how far each partition is.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::NaiveDate;
use postgres::types::Type;

use super::{Answer, Snapshot};
use crate::database::explained;

/// Each row is found by one look into the index, however many hours a product has.
const PRODUCTS: &str = "WITH RECURSIVE found AS (
        (SELECT product_id FROM product_views_hourly WHERE product_id >= $1 AND product_id < $2
            ORDER BY product_id LIMIT 1)
        UNION ALL
        SELECT (SELECT product_id FROM product_views_hourly WHERE product_id > found.product_id AND product_id < $2
            ORDER BY product_id LIMIT 1)
        FROM found WHERE product_id IS NOT NULL
    )
    SELECT product_id FROM found WHERE product_id IS NOT NULL LIMIT $3";

/// The countries whose stores have views: each is found by one look into the index, however many stores it has.
pub(super) const COUNTRIES: &str = "WITH RECURSIVE walked AS (
        (SELECT country FROM store_views_daily ORDER BY country LIMIT 1)
        UNION ALL
        SELECT (SELECT country FROM store_views_daily WHERE country > walked.country ORDER BY country LIMIT 1)
        FROM walked WHERE country IS NOT NULL
    ), found AS (SELECT country FROM walked WHERE country IS NOT NULL)";

impl Snapshot<'_> {
    /// The day of the daily reports; none while there is no view at all.
    pub fn current_day(&mut self) -> Result<Option<NaiveDate>> {
        self.value("SELECT day FROM report_day", &[])
    }

    /// The days that have views, and how many.
    pub fn days(&mut self) -> Result<Answer> {
        let query = "SELECT day, sum(views)::bigint AS views FROM country_views_daily GROUP BY day ORDER BY day";
        self.rows("Days".into(), query, &[])
    }

    /// The countries whose stores have views, and how many views the country has, over all days.
    pub fn countries(&mut self) -> Result<Answer> {
        let query = format!(
            "{COUNTRIES} SELECT country, coalesce(country_name, country) AS country_name, views FROM found
                JOIN country_views USING (country) LEFT JOIN dim_country USING (country) ORDER BY views DESC, country"
        );
        self.rows("Countries".into(), &query, &[])
    }

    /// The first products whose ids begin so.
    pub fn products(&mut self, prefix: &str, limit: u32) -> Result<Answer> {
        // No text that begins so is greater than this one, by its bytes.
        let end = format!("{prefix}{}", char::MAX);
        self.rows(
            "Products".into(),
            PRODUCTS,
            &[(&prefix, Type::TEXT), (&end, Type::TEXT), (&i64::from(limit), Type::INT8)],
        )
    }

    /// The next offset of each partition.
    pub fn next_offsets(&mut self) -> Result<BTreeMap<i32, i64>> {
        let query = "SELECT kafka_partition, next_offset FROM progress";
        let rows = explained(self.transaction.query_typed(query, &[]))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}
