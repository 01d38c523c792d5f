//! The host of a URL, of whatever scheme and however it is spelt. The function `referrer_host` of `schema.sql` is the same
//! rule in SQL.

use std::borrow::Cow;

/// The longest name of a host, in bytes: that of DNS.
const HOST_BYTES_MAX: usize = 253;

/// The host of a URL, in lower case, if it has one.
#[inline]
pub fn host(url: &str) -> Option<Cow<'_, str>> {
    Authority::parse(url).and_then(Authority::host)
}

/// What stands between the `://` of a URL and its path, as it is spelt.
#[derive(Clone, Copy, Debug)]
struct Authority<'a> {
    text: &'a str,
    /// It has no user, no port and no capital letter: it is a host as [`Authority::host`] spells it.
    is_plain: bool,
}

/// What a byte of a URL means for its authority.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    /// Not part of a normalized host.
    Odd,
    /// The first byte behind it.
    End,
}

static CLASSES: [Class; 256] = {
    let (mut classes, mut byte) = ([Class::Plain; 256], 0_usize);
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'/' | b'?' | b'#' | b'\\' => Class::End,
            b'@' | b':' | b'A'..=b'Z' => Class::Odd,
            _ => Class::Plain,
        };
        byte += 1;
    }
    classes
};

impl<'a> Authority<'a> {
    /// The authority of a URL; none if it has none.
    #[inline]
    fn parse(url: &'a str) -> Option<Self> {
        // Nearly all are http or https.
        let rest = match url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) {
            Some(rest) => rest,
            None => url.split_once(':')?.1.strip_prefix("//")?,
        };
        let (mut end, mut is_plain) = (0, true);
        for byte in rest.bytes() {
            match CLASSES[byte as usize] {
                Class::Plain => {}
                Class::Odd => is_plain = false,
                Class::End => break,
            }
            end += 1;
        }
        Some(Authority { text: &rest[..end], is_plain: is_plain && (1..=HOST_BYTES_MAX).contains(&end) })
    }

    /// The host in it, without user and port, in lower case; none if that is no name that a host can have.
    #[inline]
    fn host(self) -> Option<Cow<'a, str>> {
        if self.is_plain { Some(Cow::Borrowed(self.text)) } else { self.odd_host() }
    }

    fn odd_host(self) -> Option<Cow<'a, str>> {
        let behind_user = self.text.rsplit_once('@').map_or(self.text, |(_, host)| host);
        let host = match behind_user.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => behind_user,
        };
        (1..=HOST_BYTES_MAX).contains(&host.len()).then(|| Cow::Owned(host.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_found_however_it_is_spelt() {
        let long = format!("http://{}/", "a".repeat(HOST_BYTES_MAX + 1));
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
            assert_eq!(host(url).as_deref(), expected, "{url}");
        }
    }
}
