//! A view as the texts of the tables' columns.

use std::borrow::Cow;

use dataflows::View;

use crate::source::decode::date;

/// The texts of one view.
pub struct Texts<'a> {
    day: String,
    hour: String,
    product_id: Option<Cow<'a, str>>,
    store_id: Option<Cow<'a, str>>,
    referrer_url: Option<Cow<'a, str>>,
    country: &'a str,
    browser: &'a str,
    os: &'a str,
}

impl<'a> Texts<'a> {
    /// Those of this view.
    pub fn of(view: &'a View<'_>) -> Self {
        let (browser, os) = view.browser_os.names();
        Texts {
            day: date(view.day).to_string(),
            hour: view.hour.to_string(),
            product_id: view.product_id.as_ref().map(|text| text.to_str()),
            store_id: view.store_id.as_ref().map(|text| text.to_str()),
            referrer_url: view.referrer_url.as_ref().map(|text| text.to_str()),
            country: view.country.as_str(),
            browser,
            os,
        }
    }

    /// That of a column; none if the view has none, and so is not counted where there is such a column.
    pub fn get(&self, column: &str) -> Option<&str> {
        match column {
            "day" => Some(&self.day),
            "hour" => Some(&self.hour),
            "product_id" => self.product_id.as_deref(),
            "store_id" => self.store_id.as_deref(),
            "referrer_url" => self.referrer_url.as_deref(),
            "country" => Some(self.country),
            "browser" => Some(self.browser),
            "os" => Some(self.os),
            _ => None,
        }
    }
}
