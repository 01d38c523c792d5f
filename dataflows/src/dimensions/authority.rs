//! The host of a URL, of whatever scheme and however it is spelt. The function `referrer_host` of `schema.sql` is the same
//! rule in SQL.

use std::borrow::Cow;

/// The longest name of a host, in bytes: that of DNS.
const LONGEST: usize = 253;

/// What stands between the `://` of a URL and its path, as it is spelt.
pub(super) fn authority(url: &str) -> Option<&str> {
    // Nearly always it is one of the web.
    let rest = match url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) {
        Some(rest) => rest,
        None => url.split_once(':')?.1.strip_prefix("//")?,
    };
    let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'\\')).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// The host in it, without user and port, in lower case; none if that is no name that a host can have.
pub(super) fn host(authority: &str) -> Option<Cow<'_, str>> {
    let behind_user = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match behind_user.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => behind_user,
    };
    if !(1..=LONGEST).contains(&host.len()) {
        return None;
    }
    let is_lower = !host.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if is_lower { Cow::Borrowed(host) } else { Cow::Owned(host.to_ascii_lowercase()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_found_however_it_is_spelt() {
        let long = format!("http://{}/", "a".repeat(LONGEST + 1));
        let cases = [
            ("https://www.a.de/x?y=z://b", Some("www.a.de")),
            ("HTTP://WWW.A.DE", Some("www.a.de")),
            ("https://u:p@x@A.de:8080/", Some("a.de")),
            ("https://[::1]:80/", Some("[::1]")),
            ("https://a.de:", Some("a.de")),
            ("https://a.de:8x", Some("a.de:8x")),
            ("https://a.de\\b", Some("a.de")),
            ("https://a.de#@b", Some("a.de")),
            ("https://MÜNCHEN.de/", Some("mÜnchen.de")),
            ("android-app://com.google.android.gm/", Some("com.google.android.gm")),
            ("javascript:alert(1)//x://y", None),
            ("www.a.de", None),
            ("https:///x", None),
            ("https://u@:80/", None),
            (&long, None),
        ];
        for (url, expected) in cases {
            assert_eq!(authority(url).and_then(host).as_deref(), expected, "{url}");
        }
    }
}
