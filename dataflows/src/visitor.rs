//! What in a URL or an id may say who a visitor is: an e-mail address or the number of a session, however they are encoded.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// Rounds of decoding at most. What is encoded more often is taken for what it may hide.
const DECODE_ROUNDS_MAX: usize = 4;

/// The signs of an address: `@`, and the two characters that Unicode has as other forms of it.
const AT_SIGNS: [&[u8]; 3] = [b"@", "\u{ff20}".as_bytes(), "\u{fe6b}".as_bytes()];

const SESSION: &[u8] = b";jsessionid=";

/// Whether a text holds the sign of an e-mail address.
pub fn holds_at_sign(text: &str) -> bool {
    decoded(text.as_bytes()).is_none_or(|text| at_signs(&text).next().is_some())
}

/// Whether a page's address may name its visitor.
pub(crate) fn names_visitor(url: &str) -> bool {
    let holds_session = |url: &[u8]| {
        let is_session = |at: usize| url[at..].get(..SESSION.len()).is_some_and(|it| it.eq_ignore_ascii_case(SESSION));
        memchr::memchr_iter(SESSION[0], url).any(is_session)
    };
    decoded(url.as_bytes()).is_none_or(|url| at_signs(&url).next().is_some() || holds_session(&url))
}

/// The text with `(e-mail)` for each e-mail address in it; none if it holds none. An address is what stands between two of
/// `parts` and has an at sign in it, with something on both sides.
pub fn without_emails(text: &str) -> Option<String> {
    // Hardly any text has an address, and one without these bytes has none.
    memchr::memchr3(b'@', b'%', 0xef, text.as_bytes())?;
    let mut masked = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.bytes().position(parts).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let (separator, behind) = behind.split_at(behind.len().min(1));
        masked.push_str(if is_email(word.as_bytes()) { "(e-mail)" } else { word });
        masked.push_str(separator);
        rest = behind;
    }
    (masked != text).then_some(masked)
}

/// Whether an ASCII byte separates the words of a URL, or those of a word once that is decoded.
fn parts(byte: u8) -> bool {
    matches!(byte, b'/' | b'?' | b'#' | b'&' | b'=' | b';' | b',' | b'\\' | 0..=b' ' | 0x7f)
}

fn is_email(word: &[u8]) -> bool {
    let Some(word) = decoded(word) else { return true };
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| !parts(*byte));
    at_signs(&word).any(|(from, end)| is_word(word[..from].last()) && is_word(word.get(end)))
}

/// The start and end of each.
fn at_signs(text: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    memchr::memchr2_iter(b'@', 0xef, text).filter_map(|from| {
        let sign = AT_SIGNS.into_iter().find(|sign| text[from..].starts_with(sign))?;
        Some((from, from + sign.len()))
    })
}

/// A text without percent-encoding, however often it was encoded; none if that was too often.
fn decoded(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut plain = Cow::Borrowed(text);
    for _ in 0..=DECODE_ROUNDS_MAX {
        let Cow::Owned(next) = Cow::from(percent_decode(&plain)) else { return Some(plain) };
        plain = Cow::Owned(next);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_masked_however_it_is_spelt() {
        let hidden = format!("m%{}40a.b", "25".repeat(DECODE_ROUNDS_MAX));
        let cases = [
            ("me@a.b", "(e-mail)"),
            (
                "https://c.de/x/me@a.b/y?mail=me.too+x@a.b&z=1#me@a.b",
                "https://c.de/x/(e-mail)/y?mail=(e-mail)&z=1#(e-mail)",
            ),
            ("mailto:me@a.b", "(e-mail)"),
            ("https://me:secret@c.de:80/x", "https://(e-mail)/x"),
            ("x?m=me%40a.b", "x?m=(e-mail)"),
            ("x?m=me%252540a.b&n=2", "x?m=(e-mail)&n=2"),
            ("x?u=https%3A%2F%2Fc.de%2F%3Fm%3Dme%2540a.b&n=2", "x?u=(e-mail)&n=2"),
            ("me＠a.b é", "(e-mail) é"),
            ("me%EF%bc%A0a.b", "(e-mail)"),
            ("me﹫a.b", "(e-mail)"),
            (&hidden, "(e-mail)"),
            ("a@@b", "(e-mail)"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_emails(text).as_deref(), Some(expected), "{text}");
        }
        for text in
            ["", "/", "https://c.de/@me/", "me@", "x?@=a", "a%2F%40b", "100%25", "%E4%zz%", "ｆull-width", "a=@"]
        {
            assert_eq!(without_emails(text), None, "{text}");
        }
    }
}
