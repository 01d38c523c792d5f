//! The browsers and operating systems, with the category that woothee gives them.

use super::{Attributes, DimensionKey};
use crate::key::{join, part};
use crate::model::{Column, ColumnType, DimensionTable, Table, TableRows};
use crate::{Cell, Row, RowReader, SharedStr, Text};

/// The pairs.
pub(crate) fn table() -> Table {
    let key = vec![Column::new("browser", ColumnType::Text), Column::new("os", ColumnType::Text)];
    let values = vec![Column::new("category", ColumnType::Text)];
    Table {
        name: "dim_browser_os".into(),
        key,
        values,
        rows: TableRows::Members(DimensionTable::BrowserOs),
        about: "dim_browser_os".into(),
    }
}

/// The row of these cells.
pub(crate) fn read(cells: &mut RowReader<'_, '_>) -> Option<Row> {
    let browser_os = pair(&cells.text()?, &cells.text()?);
    let _category = cells.text()?;
    Some(Row::member(DimensionKey::BrowserOs(browser_os), Attributes::default()))
}

/// The columns of a pair.
pub(crate) fn cells<'a>(browser_os: &'a Text, give: &mut impl FnMut(Cell<'a>)) {
    let [browser, os] = [0, 1].map(|place| name(browser_os, place));
    give(Cell::from(browser));
    give(Cell::from(os));
    give(Cell::from(category(browser, os)));
}

/// The browser or, at place 1, the operating system of a pair.
fn name(pair: &Text, place: usize) -> &str {
    match part(pair, 2, place) {
        Text::Other(name) => name,
        Text::Number(_) => "",
    }
}

/// The text of a pair.
pub(super) fn pair(browser: &str, os: &str) -> Text {
    Text::Other(SharedStr::from(join([browser, os])))
}

/// The category of a browser on a system, in woothee's words: that of the browser where it is one by itself (a crawler, a
/// console, a telephone), else that of the system; `unknown` for others. Held against woothee's own list by a test.
pub fn category(browser: &str, os: &str) -> &'static str {
    let of = |categories: &Categories, name: &str| {
        categories.iter().find(|(_, names)| names.contains(&name)).map(|(category, _)| *category)
    };
    of(BROWSERS, browser).or_else(|| of(SYSTEMS, os)).unwrap_or("unknown")
}

/// Categories with the names that belong to them.
type Categories = [(&'static str, &'static [&'static str])];

const CRAWLER: &str = "crawler";
const MISC: &str = "misc";
const MOBILE_PHONE: &str = "mobilephone";
const APPLIANCE: &str = "appliance";

const BROWSERS: &Categories = &[
    (
        CRAWLER,
        &[
            "AdsBot-Google",
            "AdsBot-Google-Mobile",
            "Apple iCloud",
            "Baiduspider",
            "BingPreview",
            "Genieo Web Filter",
            "Google AppEngine",
            "Google FeedBurner",
            "Google Feedfetcher",
            "Google Mediapartners",
            "Google Web Preview",
            "Googlebot",
            "Googlebot Mobile",
            "Hatena",
            "Indy Library",
            "Naver Yeti",
            "SeoMoz rogerbot",
            "Yahoo! Japan",
            "Yahoo! Pipes",
            "Yahoo! Slurp",
            "ahref AhrefsBot",
            "bingbot",
            "facebook",
            "goo",
            "livedoor FeedFetcher",
            "misc crawler",
            "mixi",
            "msnbot",
            "salesforce radian6",
            "topsy Butterfly",
            "trendiction",
            "twitter",
        ],
    ),
    // Those that the rules of `--user-agents extended` add.
    (
        CRAWLER,
        &[
            "Amazonbot",
            "Applebot",
            "Bytespider",
            "CCBot",
            "ChatGPT-User",
            "ClaudeBot",
            "Discordbot",
            "DotBot",
            "DuckDuckBot",
            "GPTBot",
            "Google-InspectionTool",
            "GoogleOther",
            "HeadlessChrome",
            "Lighthouse",
            "LinkedInBot",
            "MJ12bot",
            "OAI-SearchBot",
            "PerplexityBot",
            "PetalBot",
            "Pinterestbot",
            "SemrushBot",
            "SkypeUriPreview",
            "Slackbot",
            "Storebot-Google",
            "TelegramBot",
            "Twitterbot",
            "WhatsApp preview",
            "YandexBot",
            "facebookexternalhit",
            "meta-externalagent",
        ],
    ),
    (MISC, &["Google Desktop", "HTTP Library", "RSSReader", "Safari RSSReader", "Windows RSSReader"]),
    (
        MOBILE_PHONE,
        &[
            "Mobile Transcoder",
            "SoftBank Mobile",
            "SymbianOS",
            "WILLCOM",
            "au by KDDI",
            "docomo",
            "emobile",
            "jig browser",
        ],
    ),
    (
        APPLIANCE,
        &[
            "InternetTVBrowser",
            "Nintendo 3DS",
            "Nintendo DSi",
            "Nintendo Wii",
            "Nintendo Wii U",
            "PlayStation 3",
            "PlayStation 4",
            "PlayStation Portable",
            "PlayStation Vita",
            "Xbox 360",
            "Xbox One",
        ],
    ),
    (APPLIANCE, &["PlayStation 5", "Xbox Series"]),
];

const SYSTEMS: &Categories = &[
    (
        "pc",
        &[
            "BSD",
            "ChromeOS",
            "Linux",
            "Mac OS Classic",
            "Mac OSX",
            "Windows 10",
            "Windows 2000",
            "Windows 7",
            "Windows 8",
            "Windows 8.1",
            "Windows 95",
            "Windows 98",
            "Windows Me",
            "Windows NT 4.0",
            "Windows UNKNOWN Ver",
            "Windows Vista",
            "Windows XP",
        ],
    ),
    (
        "smartphone",
        &[
            "Android",
            "BlackBerry",
            "BlackBerry 10",
            "Firefox OS",
            "Windows CE",
            "Windows Phone OS",
            "iOS",
            "iPad",
            "iPhone",
            "iPod",
        ],
    ),
    // Those that the rules of `--user-agents extended` add.
    ("smartphone", &["HarmonyOS"]),
    (MOBILE_PHONE, &["KaiOS"]),
    (APPLIANCE, &["PlayStation 5", "PlayStation Vita", "Tizen", "Xbox Series", "webOS"]),
];
