//! The parts of a URL of the web, as the `url` crate parses it.

use std::borrow::Cow;

use url::{Url, form_urlencoded};

/// The longest name of a host, in bytes: that of DNS.
const HOST_BYTES_MAX: usize = 253;

/// A URL of the web, looked at once for all that is read from it.
///
/// The url crate takes 0.3 µs, ten times what a slice takes, and decides wherever there is doubt.
pub(super) enum WebUrl<'a> {
    /// One whose domain is spelt so plainly that it can be cut out.
    Plain {
        /// All of it.
        url: &'a str,
        domain: &'a str,
        /// What is behind the domain.
        rest: &'a str,
    },
    /// Any other.
    Parsed(Url),
    /// Not a URL of the web.
    None,
}

impl<'a> WebUrl<'a> {
    /// A text, taken for a URL.
    pub fn parse(text: &'a str) -> Self {
        match plain_domain(text) {
            Some((domain, rest)) => WebUrl::Plain { url: text, domain, rest },
            None => parsed(text).map_or(WebUrl::None, WebUrl::Parsed),
        }
    }

    /// Its domain; none if its host is an IP address.
    pub fn domain(&self) -> Option<&str> {
        match self {
            WebUrl::Plain { domain, .. } => Some(domain),
            WebUrl::Parsed(url) => url.domain(),
            WebUrl::None => None,
        }
    }

    /// Its host, in lower case.
    pub fn host(&self) -> Option<Cow<'a, str>> {
        let host = match self {
            WebUrl::Plain { domain, .. } => Cow::Borrowed(*domain),
            WebUrl::Parsed(url) => {
                let host = url.host_str()?;
                Cow::Owned(host.strip_suffix('.').unwrap_or(host).to_owned())
            }
            WebUrl::None => return None,
        };
        (1..=HOST_BYTES_MAX).contains(&host.len()).then_some(host)
    }

    /// Its path, which begins with a slash.
    pub fn path(&self) -> Option<Cow<'a, str>> {
        match self {
            WebUrl::Plain { url, rest, .. } => match plain_path(rest) {
                Some(path) => Some(Cow::Borrowed(path)),
                None => parsed(url).map(|url| Cow::Owned(url.path().to_owned())),
            },
            WebUrl::Parsed(url) => Some(Cow::Owned(url.path().to_owned())),
            WebUrl::None => None,
        }
    }

    /// The value of the first parameter of this name in its query.
    pub fn query(&self, parameter: &str) -> Option<Cow<'a, str>> {
        match self {
            WebUrl::Plain { url, rest, .. } => match plain_query(rest)? {
                Ok(query) => value_in(query, parameter),
                Err(Odd) => value_in(parsed(url)?.query()?, parameter).map(|value| Cow::Owned(value.into_owned())),
            },
            WebUrl::Parsed(url) => value_in(url.query()?, parameter).map(|value| Cow::Owned(value.into_owned())),
            WebUrl::None => None,
        }
    }
}

fn parsed(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

fn value_in<'q>(query: &'q str, parameter: &str) -> Option<Cow<'q, str>> {
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == parameter).map(|(_, value)| value)
}

/// The domain of a URL so plain that it can be cut out, and what is behind it: `http(s)://`, then lower-case letters, digits,
/// hyphens and dots up to the path or the end. No user, port, escape, IP address or internationalized name (`xn--…`), for
/// which there are rules in the URL standard.
fn plain_domain(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let (mut end, mut last_label, mut before) = (0, 0, b'.');
    for byte in rest.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => {}
            b'-' if before != b'-' => {}
            b'.' => last_label = end + 1,
            b'/' | b'?' | b'#' => break,
            _ => return None,
        }
        before = byte;
        end += 1;
    }
    rest.as_bytes()[last_label..end].first()?.is_ascii_lowercase().then_some(rest.split_at(end))
}

/// The path in what is behind a domain, if the url crate would leave it as it is.
fn plain_path(rest: &str) -> Option<&str> {
    let path = dataflows::without_query(rest);
    let mut before = b'a';
    for byte in path.bytes() {
        match byte {
            // A segment of dots, which may be escaped.
            b'.' | b'%' if before == b'/' => return None,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' | b'!' | b'$' | b'&' => {}
            b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@' | b'%' => {}
            _ => return None,
        }
        before = byte;
    }
    Some(if path.is_empty() { "/" } else { path })
}

/// The url crate would strip something from it.
struct Odd;

/// The query in what is behind a domain, if there is one.
fn plain_query(rest: &str) -> Option<Result<&str, Odd>> {
    let behind_path = &rest[dataflows::without_query(rest).len()..];
    let query = behind_path.strip_prefix('?')?;
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    Some(if query.bytes().all(|byte| byte > b' ') { Ok(query) } else { Err(Odd) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_096, ..ProptestConfig::default() })]

        #[test]
        fn the_slices_agree_with_the_url_crate(
            url in "(https?|HTTP|ftp)://?([a-z0-9.-]{0,12}|[A-Za-z0-9.:@%\\\\ü\\[\\]_ -]{0,12})(\\.(de|uk|com|0x1|12|xn--p1ai))?\\.?\
                    ((/|\\.\\.?|%2[eE]|[a-zA-Z0-9._~!$&'()*+,;=:@%|^\\\\\"<>`{}\\[\\]ü \t-]){0,8})?([?#](a=|b=|&|%41|%0|\\+|[?#x ü'\t\u{1}]){0,8})?"
        ) {
            let (cut, parsed) = (WebUrl::parse(&url), parsed(&url).map_or(WebUrl::None, WebUrl::Parsed));
            prop_assert_eq!(cut.domain(), parsed.domain(), "{:?}", url);
            prop_assert_eq!(cut.host(), parsed.host(), "{:?}", url);
            prop_assert_eq!(cut.path(), parsed.path(), "{:?}", url);
            for parameter in ["a", "b", "A", ""] {
                prop_assert_eq!(cut.query(parameter), parsed.query(parameter), "{:?} {}", url, parameter);
            }
        }
    }

    #[test]
    fn the_parts_are_lent_where_they_are_plain() {
        let url = WebUrl::parse("https://www.a-shop.de/ring/x.html?a=%41+b&c=d&c=e#f");
        assert!(matches!(url.host(), Some(Cow::Borrowed("www.a-shop.de"))));
        assert!(matches!(url.path(), Some(Cow::Borrowed("/ring/x.html"))));
        assert!(matches!(url.query("c"), Some(Cow::Borrowed("d"))));
        assert_eq!(url.query("a").as_deref(), Some("A b"));
        assert_eq!(url.query("f"), None);
        assert_eq!(WebUrl::parse("https://me@[::1]:80/../ä").host().as_deref(), Some("[::1]"));
        assert_eq!(WebUrl::parse("https://WWW.a.de.:80").host().as_deref(), Some("www.a.de"));
        assert_eq!(WebUrl::parse(&format!("https://{}.de", "a.".repeat(126))).host(), None, "it is too long");
    }
}
