//! The browsers and operating systems, with the category that woothee gives them.

use super::{Attributes, Facts, Member, told_by_new};
use crate::count::Counts;
use crate::{BrowserOs, Cell, Column, Holds, Key, Kind, Row, Table, Text};

/// The pairs.
pub(crate) static TABLE: Table = Table {
    name: "dim_browser_os",
    key: &[Column::new("browser", Kind::Text), Column::new("os", Kind::Text)],
    values: &[Column::new("category", Kind::Text)],
    holds: Holds::Members,
    read: |cells| {
        let browser_os = BrowserOs::new(&cells.text()?, &cells.text()?).into_text();
        let _category = cells.text()?;
        Some(Row::member(Member::BrowserOs(browser_os), Attributes::default()))
    },
};

/// The columns of a pair.
pub(crate) fn cells<'a>(browser_os: &'a Text, give: &mut impl FnMut(Cell<'a>)) {
    let (browser, os) = BrowserOs::names_in(browser_os);
    give(Cell::from(browser));
    give(Cell::from(os));
    give(Cell::from(category(browser, os)));
}

/// What is told, by the counts of browsers.
pub(crate) fn facts(browsers: Counts<'_>) -> Facts<'_> {
    told_by_new(browsers, |key| match key {
        Key::BrowserOs { browser_os, .. } => Some((Member::BrowserOs(browser_os.cloned()), Attributes::default())),
        _ => None,
    })
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
