//! The products, with the page of each that gives it the most seen name.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{Attributes, DimensionKey, Page, Seen};
use crate::model::{Column, ColumnType, DimensionTable, Table, TableRows};
use crate::visitor::names_visitor;
use crate::{Cell, Row, RowReader, SharedStr, Text};

/// The longest URL that is kept, in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// The longest name, in bytes: with a product's id it fits a row of an index.
const NAME_BYTES_MAX: usize = 1_024;

/// The products.
pub(crate) fn table() -> Table {
    let key = vec![Column::new("product_id", ColumnType::Text)];
    let values = vec![
        Column::nullable("name", ColumnType::Text),
        Column::nullable("url", ColumnType::Text),
        Column::nullable("url_day", ColumnType::Date),
        Column::new("first_day", ColumnType::Date),
        Column::new("last_day", ColumnType::Date),
    ];
    Table {
        name: "dim_product".into(),
        key,
        values,
        rows: TableRows::Members(DimensionTable::Product),
        about: "dim_product".into(),
    }
}

/// The row of these cells.
pub(crate) fn read(cells: &mut RowReader<'_, '_>) -> Option<Row> {
    let id = cells.id()?;
    let _name = cells.optional(|cells| cells.text())?;
    let url = cells.optional(|cells| cells.text())?;
    let day = cells.optional(|cells| cells.day())?;
    let page = url.zip(day).map(|(url, day)| Page { is_own: false, views: 0, url: SharedStr::from(&*url), day });
    let seen = Some(Seen { first: cells.day()?, last: cells.day()? });
    Some(Row::member(DimensionKey::Product(id), Attributes { seen, page, ..Attributes::default() }))
}

/// The columns of a product.
pub(crate) fn cells<'a>(id: &'a Text, attributes: &'a Attributes, give: &mut impl FnMut(Cell<'a>)) {
    let page = attributes.page.as_ref();
    give(Cell::from(id));
    give(page.and_then(|page| name(page.url.as_ref())).map_or(Cell::Null, |name| Cell::Text(Cow::Owned(name))));
    give(Cell::or_null(page.map(|page| page.url.as_ref())));
    give(Cell::or_null(page.map(|page| &page.day)));
    give(Cell::or_null(attributes.seen.as_ref().map(|seen| &seen.first)));
    give(Cell::or_null(attributes.seen.as_ref().map(|seen| &seen.last)));
}

/// A URL without its query and fragment, which may hold anything.
pub fn without_query(url: &str) -> &str {
    memchr::memchr2(b'?', b'#', url.as_bytes()).map_or(url, |end| &url[..end])
}

/// Whether a URL without its query may be kept: it is http or https, short enough to be shown, and names nobody.
pub(crate) fn is_usable(url: &str) -> bool {
    let begins_with = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let bytes = url.as_bytes();
    // Hardly any address has any of these, and two scans find out.
    let odd = || memchr::memchr3(b'@', b'%', b'\0', bytes).or_else(|| memchr::memchr2(b';', 0xef, bytes));
    (begins_with("http://") || begins_with("https://"))
        && url.len() <= URL_BYTES_MAX
        && (odd().is_none() || !url.contains('\0') && !names_visitor(url))
}

/// The last part of a page's path that is not empty: what its name is made of.
pub(super) fn last_part(url: &str) -> Option<&str> {
    let scheme = memchr::memchr(b':', url.as_bytes())?;
    let behind_scheme = url[scheme + 1..].strip_prefix("//")?;
    let path = memchr::memchr(b'/', behind_scheme.as_bytes())?;
    let path = behind_scheme[path..].trim_end_matches('/');
    memchr::memrchr(b'/', path.as_bytes()).map(|part| &path[part + 1..])
}

/// The name of what a page shows, from the last part of its path.
pub(crate) fn name(url: &str) -> Option<String> {
    let part = last_part(url)?;
    let is_extension = |end: &str| (1..=5).contains(&end.len()) && end.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let part = match part.rsplit_once('.') {
        Some((stem, end)) if !stem.is_empty() && is_extension(end) => stem,
        _ => part,
    };
    let decoded = match memchr::memchr(b'%', part.as_bytes()) {
        Some(_) => percent_decode_str(part).decode_utf8().ok()?,
        None => Cow::Borrowed(part),
    };
    // Of ASCII only these are white space or controls, and nearly every address is ASCII.
    let is_ascii_blank = |letter: char| letter <= ' ' || matches!(letter, '-' | '_' | '+' | '\x7f');
    let is_blank = |letter: char| is_ascii_blank(letter) || letter.is_whitespace() || letter.is_control();
    let mut name = String::with_capacity(decoded.len());
    let mut add = |word: &str| {
        if !word.is_empty() {
            name.push_str(if name.is_empty() { "" } else { " " });
            name.push_str(word);
        }
    };
    if decoded.is_ascii() {
        decoded.split(is_ascii_blank).for_each(&mut add);
    } else {
        decoded.split(is_blank).for_each(&mut add);
    }
    (1..=NAME_BYTES_MAX).contains(&name.len()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_last_path_segment() {
        let cases = [
            ("https://a.de/glamira-pendant-viktor.html", Some("glamira pendant viktor")),
            ("https://a.de/rings/gold//", Some("gold")),
            ("https://a.de/R%C3%BCng_of+Fire", Some("Rüng of Fire")),
            ("https://a.de/v1.2-ring", Some("v1.2 ring")),
            ("https://a.de/ring.html5x", Some("ring.html5x")),
            ("https://a.de/.html", Some(".html")),
            ("https://a.de/a%0d%0ab%00c%zz", Some("a b c%zz")),
            ("https://a.de/%ff", None),
            ("https://a.de/--_", None),
            ("https://a.de/", None),
            ("https://a.de", None),
        ];
        for (url, expected) in cases {
            assert_eq!(name(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_pages_address_names_no_visitor() {
        let url = |length: usize| format!("http://{}", "a".repeat(length - "http://".len()));
        let usable = [
            "https://a.de/x",
            "HTTP://a.de/x",
            "https://a.de/%4",
            "https://a.de/a;jsession=1/100%25",
            &url(URL_BYTES_MAX),
        ];
        for usable in usable {
            assert!(is_usable(usable), "{usable}");
        }
        for unusable in [
            "ftp://a.de/",
            "//a.de",
            "http:/",
            "http://a@a.de/",
            "https://a.de/b%40c.d",
            "https://a.de/b%2540c.d",
            "https://a.de/b%2525252540c.d",
            "https://a.de/b%2525252541",
            "https://a.de/b＠c.d",
            "https://a.de/b%ef%BC%a0c.d",
            "https://a.de/b﹫c.d",
            "https://a.de/b;JSessionID=1",
            "https://a.de/b%3Bjsessionid%3D1",
            "https://a.de/\0",
            &url(URL_BYTES_MAX + 1),
        ] {
            assert!(!is_usable(unusable), "{unusable}");
        }
    }
}
