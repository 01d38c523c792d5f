//! Reads the names of products and hosts from the addresses of pages.

use std::borrow::Cow;

use percent_encoding::{percent_decode, percent_decode_str};

/// The longest page that counts, in bytes.
const PAGE_BYTES_MAX: usize = 2_048;
/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 1_024;
/// The longest host, in bytes: DNS knows no longer one.
const HOST_BYTES_MAX: usize = 253;

/// A page that gives a product a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<'a> {
    /// Its address, without query and fragment, which are the visitor's.
    pub url: &'a str,
    /// The last part of its path, as it is spelt: what its name is made of.
    last: &'a str,
}

impl<'a> Page<'a> {
    /// The page of a URL. None if it is not one of the web, has no path, is too long, or may hold a name or a password.
    pub fn parse(url: &'a str) -> Option<Page<'a>> {
        let page = url.split(['?', '#']).next()?;
        let (scheme, rest) = page.split_once("://")?;
        let is_web = ["http", "https"].iter().any(|name| scheme.eq_ignore_ascii_case(name));
        let is_safe = page.len() <= PAGE_BYTES_MAX && !page.contains('\0') && !names_visitor(page);
        let (_, path) = rest.split_once('/')?;
        let last = path.split('/').rfind(|segment| !segment.is_empty())?;
        (is_web && is_safe).then_some(Page { url: page, last })
    }

    /// The words of the last part of its path, which shops name after their products.
    pub fn name(&self) -> Option<String> {
        let text: Cow<'_, str> = percent_decode_str(without_extension(self.last)).decode_utf8().ok()?;
        let blank = |c: char| matches!(c, '-' | '_' | '+') || c.is_whitespace() || c.is_control();
        let words: Vec<_> = text.split(blank).filter(|word| !word.is_empty()).collect();
        let name = words.join(" ");
        (!name.is_empty() && name.len() <= NAME_BYTES_MAX).then_some(name)
    }
}

/// Whether a page holds an at sign, in one of its three forms, or a session id, encoded up to four times. A page that is
/// encoded more often counts as holding one.
fn names_visitor(page: &str) -> bool {
    let (mut text, mut decodings) = (page.as_bytes().to_vec(), 0);
    loop {
        let next: Vec<u8> = percent_decode(&text).collect();
        if next == text {
            let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
            return ["@", "\u{ff20}", "\u{fe6b}", ";jsessionid="].iter().any(|part| text.contains(part));
        }
        decodings += 1;
        if decodings > 4 {
            return true;
        }
        text = next;
    }
}

fn without_extension(file: &str) -> &str {
    match file.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && is_extension(extension) => stem,
        _ => file,
    }
}

fn is_extension(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The host of a URL, if it has one.
pub fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once(':')?;
    let authority = rest.strip_prefix("//")?.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    (1..=HOST_BYTES_MAX).contains(&host.len()).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_or_there_is_none() {
        let longest = "a".repeat(253);
        for (url, expected) in [
            ("https://www.google.de/search?q=ring", Some("www.google.de")),
            ("HTTPS://WWW.Google.DE", Some("www.google.de")),
            (
                "android-app://com.google.android.googlequicksearchbox/https/a.b",
                Some("com.google.android.googlequicksearchbox"),
            ),
            ("http://a.b:8080/", Some("a.b")),
            ("http://a.b:/", Some("a.b")),
            ("http://a.b:80:81/", Some("a.b:80")),
            ("http://a.b:8o/", Some("a.b:8o")),
            ("http://a.b:٨/", Some("a.b:٨")),
            ("http://[::1]:80/", Some("[::1]")),
            ("http://[::1]/", Some("[::1]")),
            ("https://google.com@evil.example/", Some("evil.example")),
            ("https://a:b@c@evil.example:1/", Some("evil.example")),
            ("https://evil.example/@google.com", Some("evil.example")),
            ("https://evil.example?@google.com", Some("evil.example")),
            ("https://evil.example#@google.com", Some("evil.example")),
            (r"https://evil.example\@google.com", Some("evil.example")),
            ("://a.b", Some("a.b")),
            ("not a scheme://A.b", Some("a.b")),
            ("https://MÜNCHEN.de/", Some("mÜnchen.de")),
            ("https:// a.b /", Some(" a.b ")),
            ("mailto:x://a.b/", None),
            ("//a.b/", None),
            ("a.b/c", None),
            ("https:/a.b/", None),
            ("https:", None),
            ("https://", None),
            ("https:///a.b", None),
            ("https://user@/", None),
            ("https://:80/", None),
            (r"https:\\a.b\", None),
            ("about:blank", None),
            ("", None),
            (&format!("https://{longest}:443/"), Some(longest.as_str())),
            (&format!("https://{longest}a/"), None),
        ] {
            assert_eq!(host(url).as_deref(), expected, "{url}");
        }
    }

    /// The page of a URL, and its name.
    fn seen(url: &str) -> Option<(String, Option<String>)> {
        Page::parse(url).map(|page| (page.url.to_owned(), page.name()))
    }

    #[test]
    fn a_page_url_has_no_query_or_visitor() {
        let longest = format!("https://a.b/{}", "é".repeat(1_018));
        assert_eq!(longest.len(), PAGE_BYTES_MAX);
        for (url, expected) in [
            ("https://a.b/c?d#e", Some("https://a.b/c")),
            ("https://a.b/c#d?e", Some("https://a.b/c")),
            ("https://a.b/c?c@d", Some("https://a.b/c")),
            ("https://a.b/c#%40\0", Some("https://a.b/c")),
            ("hTTp://A.b/C", Some("hTTp://A.b/C")),
            ("http:///c", Some("http:///c")),
            ("http://", None),
            ("https://a.b", None),
            ("https://a.b/", None),
            ("https://a.b/%4", Some("https://a.b/%4")),
            (&format!("{longest}?more"), Some(longest.as_str())),
            (&format!("{longest}e"), None),
            ("https://user:password@a.b/", None),
            ("https://a.b/mail/me@c.d", None),
            ("https://a.b/mail/me%40c.d", None),
            ("https://a.b/mail/me%2540c.d", None),
            ("https://a.b/mail/me%2525252540c.d", None),
            ("https://a.b/%2525252541", None),
            ("https://a.b/%25252541", Some("https://a.b/%25252541")),
            ("https://a.b/me＠c.d", None),
            ("https://a.b/me%EF%bc%A0c.d", None),
            ("https://a.b/me﹫c.d", None),
            ("https://a.b/c;JSESSIONID=1", None),
            ("https://a.b/c%3bjsessionid%3d1", None),
            ("https://a.b/c;jsessionid", Some("https://a.b/c;jsessionid")),
            ("https://a.b/\0", None),
            ("ftp://a.b/", None),
            ("httpss://a.b/", None),
            (" https://a.b/", None),
            ("https:/a.b/", None),
            ("https?://a.b/", None),
            ("//a.b/", None),
            ("", None),
        ] {
            assert_eq!(seen(url).map(|(page, _)| page).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_name_is_the_end_of_the_path() {
        for (path, expected) in [
            ("/glamira-pendant-viktor.html?alloy=x", Some("glamira pendant viktor")),
            ("/rings/viktor/", Some("viktor")),
            ("/rings//", Some("rings")),
            ("/", None),
            ("", None),
            ("//", None),
            ("/a.tar.gz", Some("a.tar")),
            ("/a.jpeg5", Some("a")),
            ("/a.jpeg56", Some("a.jpeg56")),
            ("/a.", Some("a.")),
            ("/a.h-l", Some("a.h l")),
            ("/a.é", Some("a.é")),
            ("/.html", Some(".html")),
            ("/..html", Some(".")),
            ("/-.html", None),
            ("/a.%68", Some("a.h")),
            ("/caf%C3%A9", Some("café")),
            ("/caf%c3%a9.html", Some("café")),
            ("/caf%C3", None),
            ("/100%", Some("100%")),
            ("/%zz%2", Some("%zz%2")),
            ("/%2541", Some("%41")),
            ("/a%2Fb", Some("a/b")),
            ("/%00a%0a%09b%7f", Some("a b")),
            ("/a%C2%A0\u{2003}\u{85}b", Some("a b")),
            ("/a\u{200b}b", Some("a\u{200b}b")),
            ("/__a+-_b++", Some("a b")),
            ("/%20", None),
            (r"/a\b", Some(r"a\b")),
        ] {
            let name = seen(&format!("https://a.b{path}")).and_then(|(_, name)| name);
            assert_eq!(name.as_deref(), expected, "{path}");
        }
    }
}
