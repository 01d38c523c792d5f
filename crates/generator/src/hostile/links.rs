//! `referrer_url`, `current_url` and `user_agent`.

use super::Fate::{Counted, Rejected};
use super::draft::{Draft, long};
use super::{Case, build, set};

/// The event with a referrer of this many bytes.
fn referred(event: Draft, bytes: usize) -> Option<Vec<u8>> {
    const START: &str = "https://example.com/";
    event.with("referrer_url", &format!("\"{START}{}\"", "r".repeat(bytes - START.len()))).bytes()
}

/// The event with a referrer of this and a query of 60 KB.
fn referred_with_query(event: Draft, start: &str) -> Option<Vec<u8>> {
    event.with("referrer_url", &format!("\"{start}?{}\"", "q".repeat(60_000))).bytes()
}

/// The event with a referrer of 2 KB that no compression makes small: three of them fill a page of a B-tree.
fn referred_at_random(event: Draft) -> Option<Vec<u8>> {
    let mut state = 0x9e37_79b9_u32;
    let letters = (0..2_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'0' + (state >> 24) as u8 % 75).to_ascii_lowercase()
    });
    let path: String = letters.filter(|letter| *letter != '\\').collect();
    event.with("referrer_url", &format!("\"https://example.org/{path}\"")).bytes()
}

#[rustfmt::skip]
pub(super) static CASES: &[Case] = &[
    build("referrer_url missing", Counted, |event| event.without("referrer_url").bytes()),
    set("referrer_url null", Counted, "referrer_url", "null"),
    set("referrer_url false", Counted, "referrer_url", "false"),
    set("referrer_url empty", Counted, "referrer_url", "\"\""),
    set("referrer_url true", Rejected, "referrer_url", "true"),
    set("referrer_url 0", Rejected, "referrer_url", "0"),
    set("referrer_url a number", Rejected, "referrer_url", "12.5"),
    set("referrer_url 1e999", Rejected, "referrer_url", "1e999"),
    set("referrer_url an object", Rejected, "referrer_url", "{}"),
    set("referrer_url an array", Rejected, "referrer_url", "[\"https://www.google.de/\"]"),
    build("referrer_url of 60 KB", Rejected, |event| referred(event, 60_000)),
    build("referrer_url of 60 KB, mostly query", Counted, |event| referred_with_query(event, "https://example.com/")),
    build("referrer_url of 60 KB, nothing but query", Rejected, |event| referred_with_query(event, "")),
    build("referrer_url of 2 KB, incompressible", Counted, referred_at_random),
    build("referrer_url of 2,048 bytes", Counted, |event| referred(event, 2_048)),
    build("referrer_url of 2,049 bytes", Rejected, |event| referred(event, 2_049)),
    build("referrer_url of 1,024 letters, 2,048 bytes", Counted, |event| event.with("referrer_url", &long("é", 1_024)).bytes()),
    set("referrer_url a space", Counted, "referrer_url", "\" \""),
    set("referrer_url in capitals", Counted, "referrer_url", "\"HTTPS://WWW.GOOGLE.DE/\""),
    set("referrer_url with a space behind", Counted, "referrer_url", "\"https://www.google.de/ \""),
    set("referrer_url without its slash", Counted, "referrer_url", "\"https://www.google.de\""),
    set("referrer_url no URL", Counted, "referrer_url", "\"about:blank\""),
    set("referrer_url script", Counted, "referrer_url", "\"javascript:alert(1)\""),
    set("referrer_url HTML", Counted, "referrer_url", r#""https://example.com/\"><script>alert('x')</script>""#),
    set("referrer_url SQL", Counted, "referrer_url", "\"https://example.com/?q=1' OR '1'='1\""),
    set("referrer_url backslashes", Counted, "referrer_url", r#""https:\\\\example.com\\x\\""#),
    set("referrer_url emoji", Counted, "referrer_url", "\"https://example.com/💍?q=é\""),
    set("referrer_url escaped slashes", Counted, "referrer_url", r#""https:\/\/www.google.de\/""#),
    set("referrer_url control characters", Counted, "referrer_url", r#""https://example.com/\t\n\u0007""#),
    set("referrer_url bad percent", Counted, "referrer_url", "\"https://example.com/%zz%00%ff\""),
    set("referrer_url with a password", Counted, "referrer_url", "\"https://guest:guest@example.com/\""),
    set("referrer_url NUL", Rejected, "referrer_url", r#""https://example.com/\u0000""#),
    set("referrer_url lone surrogate", Rejected, "referrer_url", r#""https://example.com/\ud83d""#),
    build("current_url missing", Counted, |event| event.without("current_url").bytes()),
    set("current_url null", Counted, "current_url", "null"),
    set("current_url false", Counted, "current_url", "false"),
    set("current_url a number", Counted, "current_url", "404"),
    set("current_url 1e999", Counted, "current_url", "1e999"),
    set("current_url an object", Counted, "current_url", "{\"href\":\"https://www.glamira.de/\"}"),
    set("current_url empty", Counted, "current_url", "\"\""),
    set("current_url no scheme", Counted, "current_url", "\"www.glamira.de/ring.html\""),
    set("current_url scheme taken over", Counted, "current_url", "\"//www.glamira.de/ring.html\""),
    set("current_url one slash", Counted, "current_url", "\"https:/www.glamira.fr/\""),
    set("current_url no slash", Counted, "current_url", "\"https:www.glamira.fr\""),
    set("current_url backslashes", Counted, "current_url", r#""https:\\\\www.glamira.se\\ring""#),
    set("current_url file", Counted, "current_url", "\"file:///C:/Users/guest/ring.html\""),
    set("current_url ftp", Counted, "current_url", "\"ftp://www.glamira.de/\""),
    set("current_url data", Counted, "current_url", "\"data:text/html,www.glamira.de\""),
    set("current_url http in capitals", Counted, "current_url", "\"HTTP://WWW.GLAMIRA.IT/\""),
    set("current_url IPv4", Counted, "current_url", "\"https://127.0.0.1/ring.html\""),
    set("current_url IPv4 of one number", Counted, "current_url", "\"http://2130706433/\""),
    set("current_url IPv4 in hexadecimal", Counted, "current_url", "\"http://0x7f.0.0.1/\""),
    set("current_url IPv6", Counted, "current_url", "\"https://[::1]:8080/\""),
    set("current_url host of digits at the end", Counted, "current_url", "\"https://www.glamira.1/\""),
    set("current_url trailing dot", Counted, "current_url", "\"https://www.glamira.de./\""),
    set("current_url two trailing dots", Counted, "current_url", "\"https://www.glamira.de../\""),
    set("current_url leading dot", Counted, "current_url", "\"https://.de/\""),
    set("current_url only a dot", Counted, "current_url", "\"https://./\""),
    set("current_url empty label", Counted, "current_url", "\"https://www..glamira.de/\""),
    set("current_url single label", Counted, "current_url", "\"http://localhost/\""),
    set("current_url only a country", Counted, "current_url", "\"https://de/\""),
    set("current_url no host", Counted, "current_url", "\"https:///\""),
    set("current_url .com", Counted, "current_url", "\"https://www.glamira.com/\""),
    set("current_url .africa", Counted, "current_url", "\"https://www.glamira.africa/\""),
    set("current_url .eu", Counted, "current_url", "\"https://www.glamira.eu/\""),
    set("current_url .uk", Counted, "current_url", "\"https://glamira.uk/\""),
    set("current_url .gb", Counted, "current_url", "\"https://glamira.gb/\""),
    set("current_url country of nobody", Counted, "current_url", "\"https://www.glamira.xx/\""),
    set("current_url country that is gone", Counted, "current_url", "\"https://www.glamira.su/\""),
    set("current_url user and password", Counted, "current_url", "\"https://guest:guest@www.glamira.nl/\""),
    set("current_url shop as the user", Counted, "current_url", "\"https://www.glamira.de@example.fr/\""),
    set("current_url port", Counted, "current_url", "\"https://www.glamira.es:8443/ring\""),
    set("current_url port too large", Counted, "current_url", "\"https://www.glamira.es:99999/\""),
    set("current_url port of letters", Counted, "current_url", "\"https://www.glamira.es:http/\""),
    set("current_url host before a question mark", Counted, "current_url", "\"https://www.glamira.at?from=https://www.glamira.de/\""),
    set("current_url host before a hash", Counted, "current_url", "\"https://www.glamira.ch#.de\""),
    set("current_url international", Counted, "current_url", "\"https://www.glämira.de/\""),
    set("current_url international in ASCII", Counted, "current_url", "\"https://www.xn--glmira-bua.de/\""),
    set("current_url international country", Counted, "current_url", "\"https://例え.中国/\""),
    set("current_url broken punycode", Counted, "current_url", "\"https://xn--a.de/\""),
    set("current_url full-width letters", Counted, "current_url", "\"https://www.glamira.ｄｅ/\""),
    set("current_url ideographic dot", Counted, "current_url", "\"https://www。glamira。de/\""),
    set("current_url host with percent", Counted, "current_url", "\"https://www.glamira%2Ede/\""),
    set("current_url host with a space", Counted, "current_url", "\"https://www.glamira de/\""),
    set("current_url host with an underscore", Counted, "current_url", "\"https://my_shop.glamira.pl/\""),
    set("current_url host with a tab inside", Counted, "current_url", r#""https://www.gla\tmira.\nde/""#),
    set("current_url soft hyphen", Counted, "current_url", "\"https://www.glamira.d\u{ad}e/\""),
    set("current_url spaces around", Counted, "current_url", "\"  https://www.glamira.be/  \""),
    set("current_url escaped letters", Counted, "current_url", r#""https://www.glamira.\u0064\u0065/""#),
    set("current_url emoji", Counted, "current_url", "\"https://www.glamira.dk/💍?q=💎\""),
    set("current_url NUL", Counted, "current_url", r#""https://www.glamira.de/\u0000""#),
    set("current_url NUL in the host", Counted, "current_url", r#""https://www.glamira\u0000.de/""#),
    set("current_url lone surrogate", Rejected, "current_url", r#""https://www.glamira.de/\ud800""#),
    build("current_url of 100 KB", Counted, |event| event.with("current_url", &format!("\"https://www.glamira.no/{}\"", "u".repeat(100_000))).bytes()),
    build("current_url with a host of 10 KB", Counted, |event| event.with("current_url", &format!("\"https://{}de/\"", "www.".repeat(2_500))).bytes()),
    build("user_agent missing", Counted, |event| event.without("user_agent").bytes()),
    set("user_agent null", Counted, "user_agent", "null"),
    set("user_agent a number", Counted, "user_agent", "5.0"),
    set("user_agent 1e999", Counted, "user_agent", "1e999"),
    set("user_agent an object", Counted, "user_agent", "{}"),
    set("user_agent empty", Counted, "user_agent", "\"\""),
    set("user_agent a hyphen", Counted, "user_agent", "\"-\""),
    set("user_agent UNKNOWN", Counted, "user_agent", "\"UNKNOWN\""),
    set("user_agent nonsense", Counted, "user_agent", "\"((((;;;;)))) 💍 ' \\\" <b>\""),
    set("user_agent NUL", Counted, "user_agent", r#""Mozilla/5.0\u0000 (Windows NT 10.0)""#),
    set("user_agent lone surrogate", Rejected, "user_agent", r#""Mozilla/5.0 \udead""#),
    set("user_agent escaped slash", Counted, "user_agent", r#""facebookexternalhit\/1.1""#),
    build("user_agent of 5 KB", Counted, |event| event.with("user_agent", &format!("\"Mozilla/5.0 (Linux; Android 10; {}) Chrome/83.0\"", "x; ".repeat(1_700))).bytes()),
    build("user_agent of 5 KB of nested comments", Counted, |event| event.with("user_agent", &long("(", 5_000)).bytes()),
];
