//! The hosts that visitors came from, and what kind of site each is.

use std::iter;
use std::sync::LazyLock;

use hashbrown::HashMap;

use super::{Attributes, DimensionKey};
use crate::model::{Column, ColumnType, DimensionTable, Table, TableRows};
use crate::{Cell, Row, RowReader, Text};

/// What a site is.
const SEARCH: &str = "search";
const SOCIAL: &str = "social";
const OWN: &str = "own site";
const OTHER: &str = "other";

/// The hosts.
pub(crate) fn table() -> Table {
    let key = vec![Column::new("host", ColumnType::Text)];
    let values = vec![Column::new("kind", ColumnType::Text)];
    Table {
        name: "dim_referrer".into(),
        key,
        values,
        rows: TableRows::Members(DimensionTable::Referrer),
        about: "dim_referrer".into(),
    }
}

/// The row of these cells.
pub(crate) fn read(cells: &mut RowReader<'_, '_>) -> Option<Row> {
    let (host, kind) = (cells.id()?, cells.text()?);
    Some(Row::member(DimensionKey::Referrer(host), Attributes { is_own: kind == OWN, ..Attributes::default() }))
}

/// The columns of a host.
pub(crate) fn cells<'a>(host: &'a Text, attributes: &'a Attributes, give: &mut impl FnMut(Cell<'a>)) {
    let kind = known_kind(&host.to_str()).unwrap_or(if attributes.is_own { OWN } else { OTHER });
    give(Cell::from(host));
    give(Cell::from(kind));
}

/// What kind of site a host is known to be, whatever the shop.
pub fn known_kind(host: &str) -> Option<&'static str> {
    let mut domains = iter::successors(Some(host), |domain| Some(domain.split_once('.')?.1));
    domains.find_map(kind_of_domain)
}

/// The kind of a domain and all that is below it.
fn kind_of_domain(domain: &str) -> Option<&'static str> {
    static DOMAINS: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
        let lists = [(SEARCH, SEARCH_ENGINES), (SOCIAL, SOCIAL_NETWORKS), (OTHER, OTHERS)];
        lists.into_iter().flat_map(|(kind, domains)| domains.iter().map(move |domain| (*domain, kind))).collect()
    });
    let of_country = || {
        let name = name_of_many(domain)?;
        let lists = [(SEARCH, SEARCH_ENGINES_OF_COUNTRIES), (SOCIAL, SOCIAL_NETWORKS_OF_COUNTRIES)];
        lists.into_iter().find(|(_, names)| names.contains(&name)).map(|(kind, _)| kind)
    };
    DOMAINS.get(domain).copied().or_else(of_country)
}

/// The name that a domain has below that of a country: `google` of `google.de`, `google.co.uk` and `google.com`.
fn name_of_many(domain: &str) -> Option<&str> {
    let (name, country) = domain.split_once('.')?;
    let is_label = |label: &str| (2..=3).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_lowercase());
    (country.split('.').count() <= 2 && country.split('.').all(is_label)).then_some(name)
}

/// Names that have a domain in each country.
const SEARCH_ENGINES_OF_COUNTRIES: &[&str] = &["bing", "google", "yahoo", "yandex"];
const SOCIAL_NETWORKS_OF_COUNTRIES: &[&str] = &["pinterest"];

/// Search engines with a single domain. Android apps go by their package name.
const SEARCH_ENGINES: &[&str] = &[
    "aol.com",
    "ask.com",
    "baidu.com",
    "coccoc.com",
    "com.google.android.googlequicksearchbox",
    "daum.net",
    "dogpile.com",
    "duckduckgo.com",
    "ecosia.org",
    "excite.com",
    "goo.ne.jp",
    "haosou.com",
    "info.com",
    "kagi.com",
    "lilo.org",
    "lycos.com",
    "metager.de",
    "mojeek.com",
    "onet.pl",
    "perplexity.ai",
    "petalsearch.com",
    "presearch.com",
    "qwant.com",
    "rambler.ru",
    "search.brave.com",
    "search.ch",
    "search.mail.ru",
    "search.naver.com",
    "search.seznam.cz",
    "searchencrypt.com",
    "seznam.cz",
    "sm.cn",
    "so.com",
    "sogou.com",
    "startpage.com",
    "suche.t-online.de",
    "suche.web.de",
    "swisscows.com",
    "walla.co.il",
    "webcrawler.com",
    "ya.ru",
    "you.com",
];

/// Social networks, likewise.
const SOCIAL_NETWORKS: &[&str] = &[
    "bsky.app",
    "com.facebook.katana",
    "com.instagram.android",
    "com.pinterest",
    "com.twitter.android",
    "discord.com",
    "facebook.com",
    "fb.com",
    "fb.me",
    "flickr.com",
    "instagram.com",
    "line.me",
    "linkedin.com",
    "lnkd.in",
    "mastodon.social",
    "medium.com",
    "messenger.com",
    "ok.ru",
    "pin.it",
    "plus.google.com",
    "quora.com",
    "reddit.com",
    "snapchat.com",
    "t.co",
    "t.me",
    "telegram.org",
    "threads.net",
    "tiktok.com",
    "tumblr.com",
    "twitter.com",
    "vimeo.com",
    "vk.com",
    "weibo.com",
    "whatsapp.com",
    "x.com",
    "xing.com",
    "youtu.be",
    "youtube.com",
];

/// Hosts that are neither, below a domain that is one of them.
const OTHERS: &[&str] = &[
    "accounts.google.com",
    "ads.google.com",
    "adwords.google.com",
    "calendar.google.com",
    "docs.google.com",
    "drive.google.com",
    "groups.google.com",
    "mail.aol.com",
    "mail.google.com",
    "mail.yahoo.com",
    "mail.yandex.ru",
    "meet.google.com",
    "sites.google.com",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_domain_decides() {
        let cases = [
            ("google.com", Some(SEARCH)),
            ("www.google.co.uk", Some(SEARCH)),
            ("uk.search.yahoo.com", Some(SEARCH)),
            ("yandex.com.tr", Some(SEARCH)),
            ("search.naver.com", Some(SEARCH)),
            ("com.google.android.googlequicksearchbox", Some(SEARCH)),
            ("l.facebook.com", Some(SOCIAL)),
            ("www.pinterest.co.kr", Some(SOCIAL)),
            ("plus.google.com", Some(SOCIAL)),
            ("mail.google.com", Some(OTHER)),
            ("notgoogle.com", None),
            ("google.example.com", None),
            ("google.com.evil.example", None),
            ("facebook.com.evil.example", None),
            ("google", None),
            ("blog.naver.com", None),
            ("", None),
        ];
        for (host, expected) in cases {
            assert_eq!(known_kind(host), expected, "{host}");
        }
    }
}
