//! What views are counted by.

use hashbrown::Equivalent;
use serde::{Deserialize, Serialize};

use crate::reports::{browser_os_hours, product_hours, store_views, top_countries, top_referrers};
use crate::{BrowserOs, Cell, Country, Day, Shared, Table, Text};

/// One thing that is counted: a row of one of the counted tables, or a product's day, which only feeds a ranking.
///
/// One compact type (24 bytes) for all of them, so that one arrangement holds every count. `S` holds the texts:
/// [`Shared`] where the key is kept, `&str` where a record's views are looked up; both hash alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the columns of the tables, described in schema.sql")]
pub enum Key<S = Shared> {
    /// A row of `product_views_hourly`.
    ProductHour { day: Day, hour: u8, product_id: Text<S> },
    /// A product's day, summed from its hours.
    ProductDay { day: Day, product_id: Text<S> },
    /// A row of `country_views_daily`.
    Country { day: Day, country: Country },
    /// A row of `referrer_views_daily`.
    Referrer { day: Day, referrer_url: Text<S> },
    /// A row of `store_views_daily`.
    Store { day: Day, country: Country, store_id: Text<S> },
    /// A row of `browser_os_views_hourly`.
    BrowserOs { day: Day, hour: u8, browser_os: BrowserOs<S> },
}

impl<S> Key<S> {
    /// The same key, its text held by what `hold` makes of `S`.
    fn map<T>(self, hold: impl FnOnce(S) -> T) -> Key<T> {
        match self {
            Key::ProductHour { day, hour, product_id } => {
                Key::ProductHour { day, hour, product_id: product_id.map(hold) }
            }
            Key::ProductDay { day, product_id } => Key::ProductDay { day, product_id: product_id.map(hold) },
            Key::Country { day, country } => Key::Country { day, country },
            Key::Referrer { day, referrer_url } => Key::Referrer { day, referrer_url: referrer_url.map(hold) },
            Key::Store { day, country, store_id } => Key::Store { day, country, store_id: store_id.map(hold) },
            Key::BrowserOs { day, hour, browser_os } => Key::BrowserOs { day, hour, browser_os: browser_os.map(hold) },
        }
    }
}

impl Key {
    /// The same key, borrowed.
    fn borrowed(&self) -> Key<&str> {
        match self {
            Key::ProductHour { day, hour, product_id } => {
                Key::ProductHour { day: *day, hour: *hour, product_id: product_id.borrowed() }
            }
            Key::ProductDay { day, product_id } => Key::ProductDay { day: *day, product_id: product_id.borrowed() },
            Key::Country { day, country } => Key::Country { day: *day, country: *country },
            Key::Referrer { day, referrer_url } => Key::Referrer { day: *day, referrer_url: referrer_url.borrowed() },
            Key::Store { day, country, store_id } => {
                Key::Store { day: *day, country: *country, store_id: store_id.borrowed() }
            }
            Key::BrowserOs { day, hour, browser_os } => {
                Key::BrowserOs { day: *day, hour: *hour, browser_os: browser_os.borrowed() }
            }
        }
    }

    /// The table that this key identifies a row of; none for what only feeds a ranking.
    pub fn table(&self) -> Option<&'static Table> {
        match self {
            Key::ProductHour { .. } => Some(&product_hours::TABLE),
            Key::ProductDay { .. } => None,
            Key::Country { .. } => Some(&top_countries::COUNTED),
            Key::Referrer { .. } => Some(&top_referrers::COUNTED),
            Key::Store { .. } => Some(&store_views::TABLE),
            Key::BrowserOs { .. } => Some(&browser_os_hours::TABLE),
        }
    }

    /// How much memory its text takes, beside the key itself.
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Key::ProductHour { product_id: Text::Other(text), .. }
            | Key::ProductDay { product_id: Text::Other(text), .. }
            | Key::Referrer { referrer_url: Text::Other(text), .. }
            | Key::Store { store_id: Text::Other(text), .. }
            | Key::BrowserOs { browser_os: BrowserOs(text), .. } => text.as_ref().len(),
            _ => 0,
        }
    }

    /// The key's columns, in its table's order.
    pub(crate) fn cells<'a>(&'a self, give: &mut impl FnMut(Cell<'a>)) {
        match self {
            Key::ProductHour { day, hour, product_id } => {
                give(Cell::from(product_id));
                give(Cell::from(day));
                give(Cell::from(hour));
            }
            Key::ProductDay { day, product_id } => {
                give(Cell::from(product_id));
                give(Cell::from(day));
            }
            Key::Country { day, country } => {
                give(Cell::from(day));
                give(Cell::from(country));
            }
            Key::Referrer { day, referrer_url } => {
                give(Cell::from(day));
                give(Cell::from(referrer_url));
            }
            Key::Store { day, country, store_id } => {
                give(Cell::from(day));
                give(Cell::from(country));
                give(Cell::from(store_id));
            }
            Key::BrowserOs { day, hour, browser_os } => {
                let (browser, os) = browser_os.names();
                give(Cell::from(day));
                give(Cell::from(hour));
                give(Cell::from(browser));
                give(Cell::from(os));
            }
        }
    }
}

impl From<&Key<&str>> for Key {
    fn from(key: &Key<&str>) -> Self {
        key.map(Shared::from)
    }
}

impl Equivalent<Key> for Key<&str> {
    fn equivalent(&self, key: &Key) -> bool {
        *self == key.borrowed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_small() {
        // Millions of keys are held; three words each were chosen with care.
        assert_eq!(size_of::<Key>(), 24);
    }
}
