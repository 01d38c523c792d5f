//! The value as bytes, as JSON, as an object; its collection.

use super::Fate::{Counted, Ignored, Open, Rejected};
use super::draft::{Draft, long, nested};
use super::{Case, build, set};

/// The event with its first brace replaced.
fn begun(draft: &Draft, start: &str) -> Option<Vec<u8>> {
    Some(draft.json().replacen('{', start, 1).into_bytes())
}

/// The event with something after its end.
fn ended(draft: &Draft, end: &[u8]) -> Option<Vec<u8>> {
    Some([draft.json().as_bytes(), end].concat())
}

/// The event with raw bytes as the text of a member that no report uses.
fn with_bytes(draft: Draft, bytes: &[u8]) -> Option<Vec<u8>> {
    let event = draft.with("resolution", "\"@\"").json();
    let (before, after) = event.split_once('@').unwrap_or_default();
    Some([before.as_bytes(), bytes, after.as_bytes()].concat())
}

/// The first half of the event.
fn cut(draft: &Draft) -> Option<Vec<u8>> {
    let event = draft.json();
    Some(event.as_bytes()[..event.len() / 2].to_vec())
}

/// Ten thousand members that nobody uses.
fn crowded(draft: Draft) -> Option<Vec<u8>> {
    (0..10_000).fold(draft, |draft, index| draft.and(&format!("unused_{index}"), "0")).bytes()
}

fn utf16(draft: &Draft) -> Option<Vec<u8>> {
    Some(draft.json().encode_utf16().flat_map(u16::to_le_bytes).collect())
}

#[rustfmt::skip]
pub(super) static CASES: &[Case] = &[
    build("null value", Rejected, |_| None),
    build("empty value", Rejected, |_| Some(Vec::new())),
    build("white space alone", Rejected, |_| Some(b" \r\n\t".to_vec())),
    build("byte 0xFF", Rejected, |event| with_bytes(event, b"\xff")),
    build("overlong UTF-8", Rejected, |event| with_bytes(event, b"\xc0\xaf")),
    build("surrogate as UTF-8", Rejected, |event| with_bytes(event, b"\xed\xa0\x80")),
    build("UTF-8 beyond U+10FFFF", Rejected, |event| with_bytes(event, b"\xf4\x90\x80\x80")),
    build("UTF-8 sequence cut", Rejected, |event| with_bytes(event, b"\xe2\x82")),
    build("Latin-1", Rejected, |event| with_bytes(event, b"Caf\xe9")),
    build("UTF-16", Rejected, |event| utf16(&event)),
    build("byte order mark", Open, |event| begun(&event, "\u{feff}{")),
    build("white space around", Counted, |event| Some(format!(" \t\r\n{}\n \t\r", event.json()).into_bytes())),
    build("white space between members", Counted, |event| begun(&event, "{ \n\t\r ")),
    build("no-break space before", Rejected, |event| begun(&event, "\u{a0}{")),
    build("form feed behind", Rejected, |event| ended(&event, b"\x0c")),
    build("NUL behind", Rejected, |event| ended(&event, b"\0")),
    build("garbage behind", Rejected, |event| ended(&event, b"x")),
    build("comma behind", Rejected, |event| ended(&event, b",")),
    build("brace behind", Rejected, |event| ended(&event, b"}")),
    build("two objects", Rejected, |event| Some(event.json().repeat(2).into_bytes())),
    build("two lines", Rejected, |event| Some(format!("{0}\n{0}", event.json()).into_bytes())),
    build("comment behind", Rejected, |event| ended(&event, b" // end")),
    build("truncated", Rejected, |event| cut(&event)),
    build("only a brace", Rejected, |_| Some(b"{".to_vec())),
    build("not JSON at all", Rejected, |_| Some(b"<html><body>502 Bad Gateway</body></html>".to_vec())),
    build("a schema registry's header", Counted, |event| begun(&event, "\0\0\0\0\u{7}{")),
    build("comma before the end", Rejected, |event| Some(event.json().replace("}", ",}").into_bytes())),
    build("comma at the start", Rejected, |event| begun(&event, "{,")),
    build("member name without quotes", Rejected, |event| begun(&event, "{a:1,")),
    build("single quotes", Rejected, |event| begun(&event, "{'a':1,")),
    build("member name that is a number", Rejected, |event| begun(&event, "{1:1,")),
    build("comment inside", Rejected, |event| begun(&event, "{/* */")),
    build("top level array", Rejected, |event| Some(format!("[{}]", event.json()).into_bytes())),
    build("top level number", Rejected, |_| Some(b"42".to_vec())),
    build("top level text", Rejected, |_| Some(b"\"view_product_detail\"".to_vec())),
    build("top level true", Rejected, |_| Some(b"true".to_vec())),
    build("top level null", Rejected, |_| Some(b"null".to_vec())),
    build("the event as a JSON text", Rejected, |event| Some(format!("{:?}", event.json()).into_bytes())),
    build("empty object", Rejected, |_| Some(b"{}".to_vec())),
    set("NaN", Rejected, "resolution", "NaN"),
    set("Infinity", Rejected, "resolution", "-Infinity"),
    set("leading zero", Rejected, "resolution", "01"),
    set("plus sign", Rejected, "resolution", "+1"),
    set("number that ends in a point", Rejected, "resolution", "1."),
    set("number that begins with a point", Rejected, "resolution", ".5"),
    set("hexadecimal number", Rejected, "resolution", "0x1F"),
    set("True", Rejected, "resolution", "True"),
    set("undefined", Rejected, "resolution", "undefined"),
    set("bare line break in a text", Rejected, "resolution", "\"a\nb\""),
    set("bare NUL in a text", Rejected, "resolution", "\"a\0b\""),
    set("unknown escape", Rejected, "resolution", r#""\x41""#),
    set("short escape", Rejected, "resolution", r#""\u12""#),
    set("text without its end", Rejected, "resolution", "\"abc"),
    set("no value", Rejected, "resolution", ""),
    build("nesting of 100 arrays, unused", Counted, |event| event.with("option", &nested(99)).bytes()),
    build("nesting of 100 objects, unused", Counted, |event| event.with("option", &format!("{}1{}", "{\"a\":".repeat(99), "}".repeat(99))).bytes()),
    build("nesting of 200 levels, unused", Rejected, |event| event.with("option", &nested(199)).bytes()),
    build("nesting of 200 objects, unused", Rejected, |event| event.with("option", &format!("{}1{}", "{\"a\":".repeat(199), "}".repeat(199))).bytes()),
    build("nesting of 100 levels, used", Rejected, |event| event.with("product_id", &nested(99)).bytes()),
    build("nesting of 200 levels, used", Rejected, |event| event.with("product_id", &nested(199)).bytes()),
    build("nesting of 200 levels before the end", Rejected, |event| event.and("zz", &nested(199)).bytes()),
    build("nesting of 50,000 levels", Rejected, |event| event.with("option", &nested(50_000)).bytes()),
    build("50,000 brackets, none closed", Rejected, |_| Some("[".repeat(50_000).into_bytes())),
    build("nesting of 200 levels, ignored", Rejected, |event| event.with("collection", "\"checkout\"").with("option", &nested(199)).bytes()),
    build("brackets in a text", Counted, |event| event.with("resolution", &long("[", 300)).bytes()),
    set("huge double, unused", Counted, "option", "1e999"),
    set("huge negative exponent, unused", Counted, "option", "[-1E-99999]"),
    build("integer of 400 digits, unused", Counted, |event| event.with("option", &"9".repeat(400)).bytes()),
    set("lone surrogate, unused", Open, "resolution", r#""\ud800""#),
    set("lone surrogate in a name, unused", Open, r"\udc00", "1"),
    set("odd types in an unused member", Counted, "show_recommendation", r#"[{"":null},[],{},-0.0,true]"#),
    set("empty member name", Counted, "", "1"),
    set("member name with NUL", Counted, r"a\u0000", "1"),
    set("member name of another case", Counted, "PRODUCT_ID", "{}"),
    set("all escapes, unused", Counted, "resolution", r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#),
    build("record of 200 KB", Counted, |event| event.with("option", &long("0123456789", 20_000)).bytes()),
    build("10,000 members", Counted, crowded),
    build("only what is needed", Counted, |_| Some(br#"{"collection":"view_product_detail","time_stamp":1591266092}"#.to_vec())),
    build("repeated, last is right", Counted, |event| event.after("product_id", "{}").bytes()),
    build("repeated, last is wrong", Rejected, |event| event.and("product_id", "{}").bytes()),
    build("repeated, last is null", Counted, |event| event.and("product_id", "null").bytes()),
    build("repeated 100 times", Counted, |event| (0..100).fold(event, |event, n| event.and("product_id", &n.to_string())).bytes()),
    build("repeated local_time, last is wrong", Rejected, |event| event.and("local_time", "\"yesterday\"").bytes()),
    build("repeated local_time, last is right", Counted, |event| event.after("local_time", "7").bytes()),
    build("repeated referrer_url, last is right", Counted, |event| event.after("referrer_url", "7").bytes()),
    build("repeated collection, last is a view", Counted, |event| event.after("collection", "\"checkout\"").bytes()),
    build("repeated collection, last is no view", Ignored, |event| event.and("collection", "\"checkout\"").bytes()),
    build("repeated collection, last is null", Rejected, |event| event.and("collection", "null").bytes()),
    build("escaped name of collection", Counted, |event| event.without("collection").and(r"collecti\u006fn", "\"view_product_detail\"").bytes()),
    build("escaped name repeats collection", Ignored, |event| event.and(r"\u0063ollection", "\"checkout\"").bytes()),
    build("escaped name of product_id", Rejected, |event| event.without("product_id").and(r"product\u005fid", "true").bytes()),
    set("escaped value of collection", Counted, "collection", r#""view_product_d\u0065tail""#),
    build("collection missing", Rejected, |event| event.without("collection").bytes()),
    set("collection empty", Rejected, "collection", "\"\""),
    set("collection null", Rejected, "collection", "null"),
    set("collection a number", Rejected, "collection", "7"),
    set("collection an array", Rejected, "collection", r#"["view_product_detail"]"#),
    set("collection with a lone surrogate", Rejected, "collection", r#""\udfff""#),
    set("collection unknown", Ignored, "collection", "\"view_nothing\""),
    set("collection of another case", Ignored, "collection", "\"View_Product_Detail\""),
    set("collection with a space", Ignored, "collection", "\"view_product_detail \""),
    set("collection with NUL", Ignored, "collection", r#""view_product_detail\u0000""#),
    build("ignored, all else wrong", Ignored, |event| event.with("collection", "\"checkout\"").with("product_id", "{}").with("local_time", "7").with("referrer_url", "7").bytes()),
];
