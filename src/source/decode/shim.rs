//! SHIM(issue22): an event of the default model as the view that the dataflows still take.

use std::borrow::Cow;

use dataflows::{BrowserOs, Country, Event, Text, View};

/// Gives the view that an event is.
pub fn with_view<T>(event: &Event<'_>, take: impl FnOnce(&View<'_>) -> T) -> T {
    let [product_id, store_id, referrer_url, country, browser, os] = &event.fields[..] else {
        unreachable!("six fields")
    };
    let text =
        |text: &Option<Text<Cow<'_, str>>>| text.as_ref().map_or(String::new(), |text| text.to_str().into_owned());
    let browser_os: BrowserOs<String> = BrowserOs::new(&text(browser), &text(os));
    take(&View {
        day: event.day,
        hour: event.hour,
        product_id: product_id.clone(),
        store_id: store_id.clone(),
        referrer_url: referrer_url.clone(),
        current_url: event.page.clone(),
        country: Country::new(&text(country)).unwrap_or(Country::UNKNOWN),
        browser_os: browser_os.borrowed(),
    })
}
