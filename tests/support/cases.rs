//! The contract, one record a line: what the oracle is held against by itself, and then the program by the oracle.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::dimensions::{NEITHER, SEARCH, SOCIAL};
use super::verdict::{Event, Verdict};

/// When the cases were written to Kafka, in ms: 2020-06-05 08:15:27 UTC, a day after [`TIME`].
pub const WRITTEN: i64 = 1_591_344_927_000;

const VIEW: &str = r#""collection":"view_product_detail""#;
const TIME: &str = r#""local_time":"2020-06-04 08:15:27""#;

/// What the contract says of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expect {
    Ignored,
    Rejected(u8),
    Counted,
    Product(Option<&'static str>),
    Store(Option<&'static str>),
    Referrer(Option<&'static str>),
    Country(&'static str),
    Time(&'static str),
    Browser(&'static str, &'static str),
}

use Expect::{Browser, Counted, Country, Ignored, Product, Referrer, Rejected, Store, Time};

impl Expect {
    /// Whether the verdict is the one expected.
    pub fn holds(self, verdict: &Verdict) -> bool {
        let event: &Event = match (self, verdict) {
            (Ignored, Verdict::Ignored) => return true,
            (Rejected(expected), Verdict::Rejected(rule)) => return expected == *rule,
            (Ignored | Rejected(_), _) | (_, Verdict::Ignored | Verdict::Rejected(_)) => return false,
            (_, Verdict::Counted(event)) => event,
        };
        match self {
            Product(id) => event.product.as_deref() == id,
            Store(id) => event.store.as_deref() == id,
            Referrer(url) => event.referrer.as_deref() == url,
            Country(code) => event.country == code,
            Time(time) => event.time.format("%Y-%m-%dT%H:%M:%S%.f").to_string() == time,
            Browser(browser, os) => (event.browser.as_str(), event.os.as_str()) == (browser, os),
            Ignored | Rejected(_) | Counted => self == Counted,
        }
    }
}

/// All cases with default settings. `@V` stands for a collection that counts, `@T` for a good `local_time`.
pub fn cases() -> Vec<(Option<Vec<u8>>, Expect)> {
    let texts = [JSON, COLLECTION, TIMES, IDS, REFERRERS, COUNTRIES, BROWSERS, PAGES].concat();
    let expand = |text: &str| text.replace("@V", VIEW).replace("@T", TIME).into_bytes();
    let mut cases: Vec<(Option<Vec<u8>>, Expect)> =
        texts.into_iter().map(|(text, expect)| (Some(expand(text)), expect)).collect();
    cases.push((None, Rejected(1)));
    cases.push((Some(b"{\"collection\":\"view_product_detail\",\"x\":\"\xff\"}".to_vec()), Rejected(1)));
    cases.push((Some([b"\xef\xbb\xbf".to_vec(), expand("{@V,@T}")].concat()), Rejected(1)));
    for (levels, expect) in [(100, Counted), (127, Counted), (128, Rejected(1)), (100_000, Rejected(1))] {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        cases.push((Some(expand(&format!(r#"{{@V,@T,"deep":{open}{close}}}"#))), expect));
    }
    for (bytes, expect) in [(1024, Counted), (1025, Rejected(6))] {
        let id = "é".repeat(bytes / 2) + &"e".repeat(bytes % 2);
        cases.push((Some(expand(&format!(r#"{{@V,@T,"product_id":"{id}"}}"#))), expect));
        cases.push((Some(expand(&format!(r#"{{@V,@T,"store_id":"{id}"}}"#))), expect));
    }
    for (bytes, query, expect) in REFERRERS_BY_LENGTH {
        let url = incompressible(*bytes) + &query.replace('*', &"q".repeat(2_048));
        cases.push((Some(expand(&format!(r#"{{@V,@T,"referrer_url":"{url}"}}"#))), *expect));
    }
    for bytes in [2_048, 2_049] {
        let url = format!("https://www.glamira.de/{}", "r".repeat(bytes - 23));
        cases.push((Some(expand(&format!(r#"{{@V,@T,"product_id":"{bytes}","current_url":"{url}?x"}}"#))), Counted));
    }
    let longest = "h".repeat(253);
    let hosts = SEARCH.iter().chain(&SOCIAL).chain(&NEITHER).copied();
    for host in hosts.chain([longest.as_str(), &format!("{longest}h")]) {
        cases.push((Some(expand(&format!(r#"{{@V,@T,"referrer_url":"https://{host}/a"}}"#))), Counted));
    }
    cases
}

/// Letters at random: an index entry of Postgres fails by its size after compression.
fn incompressible(bytes: usize) -> String {
    let mut rng = StdRng::seed_from_u64(7);
    (0..bytes).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect()
}

/// How long a referrer is before its query, and that, where `*` stands for 2,048 letters.
const REFERRERS_BY_LENGTH: &[(usize, &str, Expect)] = &[
    (2_048, "", Counted),
    (2_049, "", Rejected(6)),
    (2_047, "?", Counted),
    (2_048, "?", Counted),
    (2_048, "?*#*", Counted),
    (2_049, "?*", Rejected(6)),
    (65_537, "?", Rejected(6)),
    (0, "a?*", Referrer(Some("a"))),
    (0, "12#*?", Referrer(Some("12"))),
    (0, r"\u0061?*", Referrer(Some("a"))),
    (0, "é#*", Referrer(Some("é"))),
    (0, "?*", Rejected(6)),
    (0, "#*", Rejected(6)),
    (0, r"?*\u0000", Rejected(6)),
    (0, r"a?*\u0000", Rejected(7)),
    (0, r"a\u0000?*", Rejected(7)),
    (2_049, r"\u0000", Rejected(6)),
];

type Cases = &'static [(&'static str, Expect)];

const JSON: Cases = &[
    ("", Rejected(1)),
    (" ", Rejected(1)),
    ("null", Rejected(1)),
    ("[]", Rejected(1)),
    ("17", Rejected(1)),
    (r#""text""#, Rejected(1)),
    ("{", Rejected(1)),
    ("{@V,@T", Rejected(1)),
    ("{@V,@T,}", Rejected(1)),
    ("{@V,@T}{}", Rejected(1)),
    ("{@V,@T} x", Rejected(1)),
    ("\n\t {@V , @T}\r\n", Counted),
    ("\u{a0}{@V,@T}", Rejected(1)),
    (r#"{@V,@T,"x":NaN}"#, Rejected(1)),
    (r#"{@V,@T,"x":Infinity}"#, Rejected(1)),
    (r#"{@V,@T,"x":01}"#, Rejected(1)),
    (r#"{@V,@T,"x":1.}"#, Rejected(1)),
    (r#"{@V,@T,"x":.5}"#, Rejected(1)),
    (r#"{@V,@T,"x":+1}"#, Rejected(1)),
    (r#"{@V,@T,"x":-}"#, Rejected(1)),
    (r#"{@V,@T,"x":1e}"#, Rejected(1)),
    (r#"{@V,@T,"x":1e999}"#, Counted),
    (r#"{@V,@T,"x":-0.0E-12}"#, Counted),
    (r#"{@V,@T,"x":123456789012345678901234567890}"#, Counted),
    (r#"{@V,@T,"x":True}"#, Rejected(1)),
    (r#"{@V,@T,'x':1}"#, Rejected(1)),
    (r#"{@V,@T,x:1}"#, Rejected(1)),
    (r#"{@V,@T,"x":"\x41"}"#, Rejected(1)),
    (r#"{@V,@T,"x":"\u12G4"}"#, Rejected(1)),
    ("{@V,@T,\"x\":\"\n\"}", Rejected(1)),
    ("{@V,@T,\"x\":\"\u{7f}\"}", Counted),
    (r#"{@V,@T,"x":"\ud83d\ude00\b\f\n\r\t\/\\\""}"#, Counted),
    (r#"{@V,@T,"x":[1,{"y":[]},null]}"#, Counted),
    (r#"{@V,@T,"x":[1,]}"#, Rejected(1)),
    (r#"{@V,@T,"x":"\u0000"}"#, Counted),
    (r#"{@V,@T,"option":[{"a":1}],"price":"375,00","recommendation":false,"utm_source":false}"#, Counted),
];

const COLLECTION: Cases = &[
    ("{@T}", Rejected(2)),
    (r#"{@T,"collection":""}"#, Rejected(2)),
    (r#"{@T,"collection":null}"#, Rejected(2)),
    (r#"{@T,"collection":7}"#, Rejected(2)),
    (r#"{@T,"collection":["view_product_detail"]}"#, Rejected(2)),
    (r#"{@T,"collection":"\ud800"}"#, Rejected(1)),
    (r#"{@T,"Collection":"view_product_detail"}"#, Rejected(2)),
    (r#"{@T,"collection":"view_product\u005fdetail"}"#, Counted),
    (r#"{@T,"c\u006fllection":"view_product_detail"}"#, Counted),
    (r#"{@T,"collection":"checkout"}"#, Ignored),
    (r#"{@T,"collection":" view_product_detail"}"#, Ignored),
    (r#"{"collection":"checkout","local_time":5,"product_id":true,"referrer_url":[]}"#, Ignored),
    (r#"{"collection":"checkout","store_id":"\u0000"}"#, Ignored),
    (r#"{@V,@T,"collection":"checkout"}"#, Ignored),
    (r#"{@T,"collection":"checkout",@V}"#, Counted),
    (r#"{@T,"collection":3,@V}"#, Counted),
    (r#"{@V,@T,"collection":null}"#, Rejected(2)),
];

const TIMES: Cases = &[
    ("{@V}", Rejected(3)),
    (r#"{@V,"local_time":null}"#, Rejected(3)),
    (r#"{@V,"local_time":""}"#, Rejected(3)),
    (r#"{@V,"local_time":"","time_stamp":"1591258527"}"#, Time("2020-06-04T08:15:27")),
    (r#"{@V,"local_time":"","time_stamp":1591258527.0}"#, Time("2020-06-04T08:15:27")),
    (r#"{@V,"time_stamp":1.591258527e9}"#, Time("2020-06-04T08:15:27")),
    (r#"{@V,"time_stamp":1591258527}"#, Time("2020-06-04T08:15:27")),
    (r#"{@V,"local_time":null,"time_stamp":1591258527042}"#, Time("2020-06-04T08:15:27")),
    (r#"{@V,"local_time":"","time_stamp":0}"#, Rejected(5)),
    (r#"{@V,"time_stamp":-1591258527}"#, Rejected(5)),
    (r#"{@V,"time_stamp":100000000000}"#, Rejected(5)),
    (r#"{@V,"time_stamp":100000000001}"#, Rejected(5)),
    (r#"{@V,"time_stamp":9223372036854775807}"#, Rejected(5)),
    (r#"{@V,"time_stamp":-9223372036854775808}"#, Rejected(5)),
    (r#"{@V,"time_stamp":9223372036854775808}"#, Rejected(3)),
    (r#"{@V,"time_stamp":946684799}"#, Rejected(5)),
    (r#"{@V,"time_stamp":946684800}"#, Time("2000-01-01T00:00:00")),
    (r#"{@V,@T,"time_stamp":1500000000}"#, Time("2020-06-04T08:15:27")),
    (r#"{@V,@T,"time_stamp":"nonsense"}"#, Counted),
    (r#"{@V,"local_time":"2020-06-04 8:15:27"}"#, Time("2020-06-04T08:15:27")),
    (r#"{@V,"local_time":"2020-06-04T8:15:27"}"#, Time("2020-06-04T08:15:27")),
    (r#"{@V,"local_time":"2020-06-04T23:59:59.999999999"}"#, Time("2020-06-04T23:59:59.999999999")),
    (r#"{@V,"local_time":"2020-06-04 08:15:27.5"}"#, Time("2020-06-04T08:15:27.500")),
    (r#"{@V,"local_time":"2020-06-04 08:15:27."}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04 08:15:27.5x"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04 08:15:27Z"}"#, Time("2020-06-04T08:15:27")),
    (r#"{@V,"local_time":"2020-06-04 08:15:27+02:00"}"#, Time("2020-06-04T08:15:27")),
    (r#"{@V,"local_time":" 2020-06-04 08:15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04 08:15:27 "}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04  8:15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04t08:15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-6-04 08:15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-4 08:15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"20-06-04 08:15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04 08:5:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04 08:15:7"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04 008:15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04 :15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04 08:15"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020/06/04 08:15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04 24:00:00"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04 08:60:00"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-04 23:59:60"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-06-31 08:15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2019-02-29 08:15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"2020-02-29 08:15:27"}"#, Time("2020-02-29T08:15:27")),
    (r#"{@V,"local_time":"2020-00-10 08:15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"0000-00-00 00:00:00"}"#, Rejected(4)),
    (r#"{@V,"local_time":"٢٠٢٠-06-04 08:15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":"-020-06-04 08:15:27"}"#, Rejected(4)),
    (r#"{@V,"local_time":1591258527,"time_stamp":1591258527}"#, Rejected(4)),
    (r#"{@V,"local_time":false,"time_stamp":1591258527}"#, Rejected(4)),
    (r#"{@V,"local_time":"soon","time_stamp":1591258527}"#, Rejected(4)),
    (r#"{@V,"local_time":"\ud800"}"#, Rejected(1)),
    (r#"{@V,"local_time":"1999-12-31 23:59:59"}"#, Rejected(5)),
    (r#"{@V,"local_time":"2000-01-01 00:00:00"}"#, Counted),
    (r#"{@V,"local_time":"2020-06-06 08:15:27"}"#, Counted),
    (r#"{@V,"local_time":"2020-06-06 08:15:28"}"#, Rejected(5)),
    (r#"{@V,"local_time":"9999-12-31 23:59:59"}"#, Rejected(5)),
    (r#"{@V,"local_time":"x",@T}"#, Counted),
];

const IDS: Cases = &[
    ("{@V,@T}", Product(None)),
    (r#"{@V,@T,"product_id":null}"#, Product(None)),
    (r#"{@V,@T,"product_id":false}"#, Product(None)),
    (r#"{@V,@T,"product_id":""}"#, Product(None)),
    (r#"{@V,@T,"product_id":"104501"}"#, Product(Some("104501"))),
    (r#"{@V,@T,"product_id":"me@a.b"}"#, Product(Some("me@a.b"))),
    (r#"{@V,@T,"product_id":" x "}"#, Product(Some(" x "))),
    (r#"{@V,@T,"product_id":85}"#, Product(Some("85"))),
    (r#"{@V,@T,"product_id":85.0}"#, Product(Some("85"))),
    (r#"{@V,@T,"product_id":1e3}"#, Product(Some("1000"))),
    (r#"{@V,@T,"product_id":-0.0}"#, Product(Some("0"))),
    (r#"{@V,@T,"product_id":-0}"#, Product(Some("0"))),
    (r#"{@V,@T,"product_id":-7}"#, Product(Some("-7"))),
    (r#"{@V,@T,"product_id":18446744073709551615}"#, Product(Some("18446744073709551615"))),
    (r#"{@V,@T,"product_id":-9223372036854775808}"#, Product(Some("-9223372036854775808"))),
    (r#"{@V,@T,"product_id":18446744073709551616}"#, Rejected(6)),
    (r#"{@V,@T,"product_id":-9223372036854775809}"#, Rejected(6)),
    (r#"{@V,@T,"product_id":1e19}"#, Product(Some("10000000000000000000"))),
    (r#"{@V,@T,"product_id":1e20}"#, Rejected(6)),
    (r#"{@V,@T,"product_id":1e999}"#, Rejected(6)),
    (r#"{@V,@T,"product_id":85.5}"#, Rejected(6)),
    (r#"{@V,@T,"product_id":true}"#, Rejected(6)),
    (r#"{@V,@T,"product_id":{}}"#, Rejected(6)),
    (r#"{@V,@T,"product_id":["1"]}"#, Rejected(6)),
    (r#"{@V,@T,"product_id":"a\u0000b"}"#, Rejected(7)),
    (r#"{@V,@T,"product_id":"\udc00"}"#, Rejected(1)),
    (r#"{@V,@T,"product_id":true,"product_id":"1"}"#, Product(Some("1"))),
    (r#"{@V,@T,"product_id":"1","product_id":null}"#, Product(None)),
    (r#"{@V,@T,"product_id":"\ud83d\ude00"}"#, Product(Some("😀"))),
    (r#"{@V,@T,"product_id":"back\\slash\ttab\nline"}"#, Product(Some("back\\slash\ttab\nline"))),
    (r#"{@V,@T,"product_id":"\\N"}"#, Product(Some("\\N"))),
    (r#"{@V,@T,"product_id":"NULL"}"#, Product(Some("NULL"))),
    (r#"{@V,@T,"store_id":"7,me%40a.b"}"#, Store(Some("7,me%40a.b"))),
    (r#"{@V,@T,"store_id":"6"}"#, Store(Some("6"))),
    (r#"{@V,@T,"store_id":6}"#, Store(Some("6"))),
    (r#"{@V,@T,"store_id":6.0}"#, Store(Some("6"))),
    (r#"{@V,@T,"store_id":false}"#, Store(None)),
    (r#"{@V,@T,"store_id":""}"#, Store(None)),
    (r#"{@V,@T,"store_id":0.5}"#, Rejected(6)),
    (r#"{@V,@T,"store_id":true}"#, Rejected(6)),
    (r#"{@V,@T,"store_id":[]}"#, Rejected(6)),
    (r#"{@V,@T,"store_id":"\u0000"}"#, Rejected(7)),
    (r#"{@V,@T,"store_id":"\ud83d"}"#, Rejected(1)),
];

const REFERRERS: Cases = &[
    ("{@V,@T}", Referrer(None)),
    (r#"{@V,@T,"referrer_url":null}"#, Referrer(None)),
    (r#"{@V,@T,"referrer_url":false}"#, Referrer(None)),
    (r#"{@V,@T,"referrer_url":""}"#, Referrer(None)),
    (r#"{@V,@T,"referrer_url":"https://www.facebook.com/"}"#, Referrer(Some("https://www.facebook.com/"))),
    (r#"{@V,@T,"referrer_url":" HTTPS:\/\/A.b "}"#, Referrer(Some(" HTTPS://A.b "))),
    (r#"{@V,@T,"referrer_url":"no url {\"a,b\"}"}"#, Referrer(Some("no url {\"a,b\"}"))),
    (r#"{@V,@T,"referrer_url":"e\u0301"}"#, Referrer(Some("e\u{301}"))),
    (r#"{@V,@T,"referrer_url":"é"}"#, Referrer(Some("é"))),
    (
        r#"{@V,@T,"referrer_url":"https://me:x@a.b/me@c.d?m=me%40c.d"}"#,
        Referrer(Some("https://me:x@a.b/me@c.d?m=me%40c.d")),
    ),
    (
        r#"{@V,@T,"referrer_url":"https://a.b/@me?me%252540c.d#me＠c.d"}"#,
        Referrer(Some("https://a.b/@me?me%252540c.d#me＠c.d")),
    ),
    (r#"{@V,@T,"referrer_url":"me@c.d x://a.b/"}"#, Referrer(Some("me@c.d x://a.b/"))),
    (r##"{@V,@T,"referrer_url":"#me\u0040c.d"}"##, Referrer(Some("#me@c.d"))),
    (r#"{@V,@T,"referrer_url":true}"#, Rejected(6)),
    (r#"{@V,@T,"referrer_url":0}"#, Rejected(6)),
    (r#"{@V,@T,"referrer_url":{}}"#, Rejected(6)),
    (r#"{@V,@T,"referrer_url":["https://a.b/"]}"#, Rejected(6)),
    (r#"{@V,@T,"referrer_url":"https://a.b/\u0000"}"#, Rejected(7)),
    (r#"{@V,@T,"referrer_url":"\ud800\ud800"}"#, Rejected(1)),
];

const COUNTRIES: Cases = &[
    ("{@V,@T}", Country("ZZ")),
    (r#"{@V,@T,"current_url":null}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":["https://www.glamira.de/"]}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"https://www.glamira.de/ring.html?alloy=white"}"#, Country("DE")),
    (r#"{@V,@T,"current_url":"HTTP://WWW.GLAMIRA.DE:8080"}"#, Country("DE")),
    (r#"{@V,@T,"current_url":"https://www.glamira.co.uk/"}"#, Country("GB")),
    (r#"{@V,@T,"current_url":"https://www.glamira.gb/"}"#, Country("GB")),
    (r#"{@V,@T,"current_url":"https://europa.eu/"}"#, Country("EU")),
    (r#"{@V,@T,"current_url":"https://www.glamira.com/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"https://www.glamira.com.au/"}"#, Country("AU")),
    (r#"{@V,@T,"current_url":"https://www.glamira.africa/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"https://www.glamira.de./"}"#, Country("DE")),
    (r#"{@V,@T,"current_url":"https://www.glamira.de../"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"https://www..de/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"https://.de/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"https://de/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"https://user:pass@glamira.fr/"}"#, Country("FR")),
    (r#"{@V,@T,"current_url":"  https://glamira.fr/ "}"#, Country("FR")),
    (r#"{@V,@T,"current_url":"https:\/\/glam\tira.f\nr"}"#, Country("FR")),
    (r#"{@V,@T,"current_url":"https:glamira.it"}"#, Country("IT")),
    (r#"{@V,@T,"current_url":"https:\\\\glamira.se\\x"}"#, Country("SE")),
    (r#"{@V,@T,"current_url":"https://glamira%2Ede/"}"#, Country("DE")),
    (r#"{@V,@T,"current_url":"https://münchen.de/"}"#, Country("DE")),
    (r#"{@V,@T,"current_url":"https://glamira。de/"}"#, Country("DE")),
    (r#"{@V,@T,"current_url":"https://glamira.xx/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"https://glamira.рф/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"https://glamira.su/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"http://192.168.1.7/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"http://[::1]/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"ftp://glamira.de/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"file:///C:/glamira.de"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"www.glamira.de"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"//www.glamira.de/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"https://glamira.de:99999/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":""}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"https://glamira.de/\u0000"}"#, Country("DE")),
    (r#"{@V,@T,"current_url":"\ud800"}"#, Rejected(1)),
];

const BROWSERS: Cases = &[
    ("{@V,@T}", Browser("Unknown", "Unknown")),
    (r#"{@V,@T,"user_agent":""}"#, Browser("Unknown", "Unknown")),
    (r#"{@V,@T,"user_agent":7}"#, Browser("Unknown", "Unknown")),
    (r#"{@V,@T,"user_agent":null}"#, Browser("Unknown", "Unknown")),
    (r#"{@V,@T,"user_agent":"nobody knows"}"#, Browser("Unknown", "Unknown")),
    (
        r#"{@V,@T,"user_agent":"Mozilla/5.0 (Windows NT 10.0; rv:76.0) Gecko/20100101 Firefox/76.0"}"#,
        Browser("Firefox", "Windows 10"),
    ),
    (
        r#"{@V,@T,"user_agent":"Mozilla\/5.0 (X11; Linux x86_64; rv:76.0) Gecko\/20100101 Firefox\/76.0"}"#,
        Browser("Firefox", "Linux"),
    ),
    (r#"{@V,@T,"user_agent":"facebookexternalhit/1.1"}"#, Browser("facebook", "Unknown")),
    (r#"{@V,@T,"user_agent":"\ud800"}"#, Rejected(1)),
];

/// What dimensions are made of. Of the pages of one product one holds.
const PAGES: Cases = &[
    (r#"{@V,@T,"product_id":"p1","current_url":"https://www.glamira.de/ring-b.html?alloy=x#top"}"#, Country("DE")),
    (r#"{@V,@T,"product_id":"p1","current_url":"https://www.glamira.de/ring-a.html"}"#, Country("DE")),
    (r#"{@V,@T,"product_id":"p1","current_url":"https://www.glamira.de/ring-000.html"}"#, Country("DE")),
    (r#"{@V,"local_time":"2020-06-03 23:59:59","product_id":"p1","current_url":"https://a.de/"}"#, Country("DE")),
    (r#"{@V,"local_time":"2020-06-05 00:00:00","product_id":"p1"}"#, Product(Some("p1"))),
    (r#"{@V,@T,"product_id":"p2","current_url":"https://user:pass@glamira.fr/ring.html"}"#, Country("FR")),
    (r#"{@V,@T,"product_id":"p2","current_url":"https://glamira.fr/me%40a.b/ring.html"}"#, Country("FR")),
    (r#"{@V,@T,"product_id":"p2","current_url":"https://glamira.fr/me%2540a.b"}"#, Country("FR")),
    (r#"{@V,@T,"product_id":"p2","current_url":"https://glamira.fr/%2525252541"}"#, Country("FR")),
    (r#"{@V,@T,"product_id":"p2","current_url":"https://glamira.fr/me＠a.b"}"#, Country("FR")),
    (r#"{@V,@T,"product_id":"p2","current_url":"https://glamira.fr/me%EF%bc%A0a.b"}"#, Country("FR")),
    (r#"{@V,@T,"product_id":"p2","current_url":"https://glamira.fr/ring;JSessionID=7"}"#, Country("FR")),
    (r#"{@V,@T,"product_id":"p2","current_url":"https://glamira.fr/\u0000"}"#, Country("FR")),
    (r#"{@V,@T,"product_id":"p2","current_url":"ftp://glamira.fr/ring.html"}"#, Country("ZZ")),
    (r#"{@V,@T,"product_id":"p2","current_url":["https://glamira.fr/ring.html"]}"#, Country("ZZ")),
    (r#"{@V,@T,"product_id":"p3","current_url":"HTTPS://A.de/?mail=me@a.b&x=%40#\u0000"}"#, Country("DE")),
    (r#"{@V,@T,"product_id":"p4","current_url":"https://a.de/caf%C3%A9%20+_-%09.x.tar/?%ff"}"#, Country("DE")),
    (r#"{@V,@T,"product_id":"p5","current_url":"https://a.de/%ff.html"}"#, Country("DE")),
    (r#"{@V,@T,"product_id":"p6","current_url":"https://a.de/.html//"}"#, Country("DE")),
    (r#"{@V,@T,"product_id":"p7","current_url":"https://a.de/--.html"}"#, Country("DE")),
    (r#"{@V,@T,"product_id":"p8","current_url":"https://a.de/100%\u00a0%2gold%00\u2003\u0085%2541"}"#, Country("DE")),
    (r#"{@V,@T,"store_id":"s1","current_url":"https://a.fr/"}"#, Country("FR")),
    (r#"{@V,@T,"store_id":"s1","current_url":"https://a.de/"}"#, Country("DE")),
    (r#"{@V,"local_time":"2020-06-03 8:15:27","store_id":"s1"}"#, Country("ZZ")),
    (r#"{@V,"local_time":"2000-02-29 8:15:27","store_id":"s2"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"https://own.de/a","referrer_url":"HTTP://x@Own.DE:80?b"}"#, Country("DE")),
    (r#"{@V,@T,"current_url":"https://a.de/","referrer_url":"https://own.de/"}"#, Country("DE")),
    (r#"{@V,@T,"current_url":"https://m.b.de/","referrer_url":"https://b.de/"}"#, Country("DE")),
    (r#"{@V,@T,"current_url":["https://c.de/"],"referrer_url":"https://c.de/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"d://d.d/","referrer_url":"e f://d.d\\@www.google.com/"}"#, Country("ZZ")),
    (r#"{@V,@T,"current_url":"https://www.google.com/","referrer_url":"https://www.google.com/"}"#, Country("ZZ")),
    (r#"{@V,@T,"referrer_url":"https://a:b@c@e.example:1:2:/"}"#, Counted),
    (r#"{@V,@T,"referrer_url":"https://[::1]:80/"}"#, Counted),
    (r#"{@V,@T,"referrer_url":"https://É.example\n/\nx"}"#, Counted),
    (r#"{@V,@T,"referrer_url":"\n\n://newline.example"}"#, Counted),
    (r#"{@V,@T,"referrer_url":"x:y://a.example"}"#, Counted),
    (r#"{@V,@T,"referrer_url":"https://user@:80/"}"#, Counted),
    (r#"{@V,@T,"referrer_url":"https:\\\\a.example"}"#, Counted),
];
