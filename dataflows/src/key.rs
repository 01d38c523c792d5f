//! What views are counted by.

use hashbrown::Equivalent;
use serde::{Deserialize, Serialize};

use crate::reports::{browser_os_hours, product_hours, store_views, top_countries, top_referrers};
use crate::{BrowserOs, Cell, Country, Day, Shared, Table, Text};

/// One thing that is counted: a row of one of the counted tables, or what only feeds others, summed from such rows.
///
/// One type for all of them, so that one arrangement holds every count. `T` is the text in it: a [`Text`] that is kept,
/// `Text<&str>` where a record's views are looked up, which hashes alike, and a number inside the arrangement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the columns of the tables, described in schema.sql")]
pub enum Key<T = Text> {
    /// A row of `product_views_hourly`.
    ProductHour { day: Day, hour: u8, product_id: T },
    /// A product's day, summed from its hours: it feeds a ranking.
    ProductDay { day: Day, product_id: T },
    /// A row of `country_views_daily`.
    Country { day: Day, country: Country },
    /// A row of `country_views`, summed from the country's days.
    CountryTotal { country: Country },
    /// A row of `referrer_views_daily`.
    Referrer { day: Day, referrer_url: T },
    /// A row of `store_views_daily`.
    Store { day: Day, country: Country, store_id: T },
    /// A store in a country, summed from its days: it tells where the store is most seen.
    StoreCountry { country: Country, store_id: T },
    /// A row of `browser_os_views_hourly`; the text is that of a [`BrowserOs`].
    BrowserOs { day: Day, hour: u8, browser_os: T },
}

impl<T> Key<T> {
    /// The same key with another text, made of the one it has.
    pub(crate) fn map<U>(self, text: impl FnOnce(T) -> U) -> Key<U> {
        match self {
            Key::ProductHour { day, hour, product_id } => Key::ProductHour { day, hour, product_id: text(product_id) },
            Key::ProductDay { day, product_id } => Key::ProductDay { day, product_id: text(product_id) },
            Key::Country { day, country } => Key::Country { day, country },
            Key::CountryTotal { country } => Key::CountryTotal { country },
            Key::Referrer { day, referrer_url } => Key::Referrer { day, referrer_url: text(referrer_url) },
            Key::Store { day, country, store_id } => Key::Store { day, country, store_id: text(store_id) },
            Key::StoreCountry { country, store_id } => Key::StoreCountry { country, store_id: text(store_id) },
            Key::BrowserOs { day, hour, browser_os } => Key::BrowserOs { day, hour, browser_os: text(browser_os) },
        }
    }

    /// The key of what this count is summed up in, if it is.
    pub(crate) fn coarser(self) -> Option<Key<T>> {
        match self {
            Key::ProductHour { day, product_id, .. } => Some(Key::ProductDay { day, product_id }),
            Key::Country { country, .. } => Some(Key::CountryTotal { country }),
            Key::Store { country, store_id, .. } => Some(Key::StoreCountry { country, store_id }),
            _ => None,
        }
    }

    /// The same key, its text lent.
    pub(crate) fn as_ref(&self) -> Key<&T> {
        match self {
            Key::ProductHour { day, hour, product_id } => Key::ProductHour { day: *day, hour: *hour, product_id },
            Key::ProductDay { day, product_id } => Key::ProductDay { day: *day, product_id },
            Key::Country { day, country } => Key::Country { day: *day, country: *country },
            Key::CountryTotal { country } => Key::CountryTotal { country: *country },
            Key::Referrer { day, referrer_url } => Key::Referrer { day: *day, referrer_url },
            Key::Store { day, country, store_id } => Key::Store { day: *day, country: *country, store_id },
            Key::StoreCountry { country, store_id } => Key::StoreCountry { country: *country, store_id },
            Key::BrowserOs { day, hour, browser_os } => Key::BrowserOs { day: *day, hour: *hour, browser_os },
        }
    }

    /// Its text, if it has one.
    pub(crate) fn text(&self) -> Option<&T> {
        let mut found = None;
        self.as_ref().map(|text| found = Some(text));
        found
    }
}

impl Key {
    /// The table that this key identifies a row of; none for what only feeds others.
    pub fn table(&self) -> Option<&'static Table> {
        match self {
            Key::ProductHour { .. } => Some(&product_hours::TABLE),
            Key::ProductDay { .. } | Key::StoreCountry { .. } => None,
            Key::Country { .. } => Some(&top_countries::COUNTED),
            Key::CountryTotal { .. } => Some(&top_countries::TOTALS),
            Key::Referrer { .. } => Some(&top_referrers::COUNTED),
            Key::Store { .. } => Some(&store_views::TABLE),
            Key::BrowserOs { .. } => Some(&browser_os_hours::TABLE),
        }
    }

    /// How much memory its text takes, beside the key itself.
    pub(crate) fn text_bytes(&self) -> usize {
        match self.text() {
            Some(Text::Other(text)) => text.as_ref().len(),
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
            Key::CountryTotal { country } => give(Cell::from(country)),
            Key::Referrer { day, referrer_url } => {
                give(Cell::from(day));
                give(Cell::from(referrer_url));
            }
            Key::Store { day, country, store_id } => {
                give(Cell::from(day));
                give(Cell::from(country));
                give(Cell::from(store_id));
            }
            Key::StoreCountry { country, store_id } => {
                give(Cell::from(country));
                give(Cell::from(store_id));
            }
            Key::BrowserOs { day, hour, browser_os } => {
                let (browser, os) = BrowserOs::names_in(browser_os);
                give(Cell::from(day));
                give(Cell::from(hour));
                give(Cell::from(browser));
                give(Cell::from(os));
            }
        }
    }
}

impl From<&Key<Text<&str>>> for Key {
    fn from(key: &Key<Text<&str>>) -> Self {
        key.map(|text| text.map(Shared::from))
    }
}

impl Equivalent<Key> for Key<Text<&str>> {
    fn equivalent(&self, key: &Key) -> bool {
        *self == key.as_ref().map(Text::borrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_small() {
        // Of these, as many are folded in an epoch as there are keys in it.
        assert_eq!(size_of::<Key>(), 24);
        // And of these, millions are held.
        assert_eq!(size_of::<Key<u32>>(), 12);
    }
}
