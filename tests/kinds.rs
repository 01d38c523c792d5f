//! What a field of each kind is, and which events count, in a model of the tests' own.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use dataflows::Event;
use dataflows::model::Model;
use freshet::source::decode::{Decoder, Outcome, Redaction, Referrers, Rules};
use proptest::prelude::*;
use serde_json::json;

use crate::support::defaults::{decoded, rules};

const MODEL: &str = r#"
[event]
type = "what"
views = ["view"]
time_stamp = "at"
page = "page"

[fields]
sku = { path = "item", kind = "id" }
brand = { path = "maker", kind = "text" }
source = { path = "from", kind = "url" }
source_host = { path = "from", kind = "host" }
country = { path = "page", kind = "country" }
host = { path = "page", kind = "host" }
page_path = { path = "page", kind = "path" }
campaign = { path = "page", kind = "query", parameter = "utm_campaign" }
browser = { path = "agent", kind = "browser" }
os = { path = "agent", kind = "os" }
device = { path = "agent", kind = "device" }
is_sale = { path = "sale", kind = "boolean" }

[[report]]
table = "views_by_sku"
by = ["day", "sku"]

[[report]]
table = "carts_by_brand"
by = ["day", "brand"]
where = { what = ["cart", "order"] }

[[report]]
table = "sale_orders_by_sku"
by = ["day", "sku"]
where = { what = "order", is_sale = "true", sku = ["7", "a"] }

[[report]]
table = "german_views_by_path"
by = ["day", "page_path"]
where = { country = "DE" }
"#;

fn model_rules() -> Rules {
    static PARSED: LazyLock<Arc<Model>> = LazyLock::new(|| Arc::new(Model::parse(MODEL, "test").expect("a model")));
    Rules { model: Arc::clone(&PARSED), views: "view".parse().expect("a list"), ..rules() }
}

/// The tables that an event counts in, or its fields as `name=text`; or else `ignored`, or why it is rejected.
fn decided(rules: &Rules, members: &str, show: impl Fn(&Model, &Event<'_>) -> String) -> String {
    let record = format!(r#"{{"what":"view","at":1591258527{}{members}}}"#, if members.is_empty() { "" } else { "," });
    decoded(&mut Decoder::new(rules.clone()), Some(record.as_bytes()), None, |outcome| match outcome {
        Outcome::Counted(event) => show(&rules.model, event),
        Outcome::Ignored(_) => "ignored".into(),
        Outcome::Bot => "bot".into(),
        Outcome::Forgotten(_) => "forgotten".into(),
        Outcome::Rejected(reason) => reason.to_string(),
    })
}

fn fields(model: &Model, event: &Event<'_>) -> String {
    let texts = model.fields.iter().zip(&event.fields);
    let texts = texts.filter_map(|(field, text)| text.as_ref().map(|text| format!("{}={text}", field.name)));
    texts.collect::<Vec<_>>().join(" ")
}

fn tables(model: &Model, event: &Event<'_>) -> String {
    let counts = model.counts.iter().filter(|count| event.is_passed(count.filter));
    let counts = counts.filter(|count| count.members.iter().all(|member| event.fields[*member].is_some()));
    counts.filter_map(|count| Some(model.tables[count.table?].name.as_str())).collect::<Vec<_>>().join(" ")
}

/// What a field of a record with this member is.
fn field(name: &str, member: &str, json: &str) -> String {
    decided(&model_rules(), &format!(r#""{member}":{json}"#), |model, event| {
        let place = model.fields.iter().position(|field| field.name == name).expect("a field");
        event.fields[place].as_ref().map_or("-".into(), ToString::to_string)
    })
}

/// Field, member, its JSON, and what the field is.
type Case<'a> = (&'a str, &'a str, &'a str, &'a str);

fn must_be(cases: &[Case<'_>]) {
    for (name, member, json, expected) in cases {
        assert_eq!(field(name, member, json), *expected, "{name}: {json:.80}");
    }
}

fn shop(behind: &str) -> String {
    format!("\"https://www.shop.de{behind}\"")
}

#[test]
fn texts_and_booleans_are_checked() {
    let long = format!("\"{}\"", "a".repeat(1_025));
    let no_text = "brand is not a text";
    let no_boolean = "is_sale is neither true nor false";
    must_be(&[
        ("brand", "maker", "\"Ring & Co\"", "Ring & Co"),
        ("brand", "maker", "\"007\"", "007"),
        ("brand", "maker", "\"\"", "-"),
        ("brand", "maker", "null", "-"),
        ("brand", "maker", "false", "-"),
        ("brand", "maker", "7", no_text),
        ("brand", "maker", "true", no_text),
        ("brand", "maker", "{}", no_text),
        ("brand", "maker", &long, "brand is longer than 1024 bytes"),
        ("brand", "maker", r#""a\u0000""#, "brand holds the character U+0000, which Postgres cannot store"),
        ("source", "from", "7", "source is not a text"),
        ("is_sale", "sale", "true", "true"),
        ("is_sale", "sale", "false", "false"),
        ("is_sale", "sale", "\"true\"", "true"),
        ("is_sale", "sale", "\"false\"", "false"),
        ("is_sale", "sale", "null", "-"),
        ("is_sale", "sale", "\"\"", "-"),
        ("is_sale", "sale", "\"True\"", no_boolean),
        ("is_sale", "sale", "1", no_boolean),
        ("is_sale", "sale", "[]", no_boolean),
        ("sku", "item", "7.0", "7"),
        ("sku", "item", "true", "sku is neither a text nor a whole number of 64 bits"),
    ]);
}

#[test]
fn url_parts_agree_with_the_url_crate() {
    must_be(&[
        ("source_host", "from", "\"HTTPS://me@WWW.a.de:80/x\"", "www.a.de"),
        ("host", "page", &shop("/x"), "www.shop.de"),
        ("host", "page", "\"https://WWW.SHOP.de.:8443\"", "www.shop.de"),
        ("host", "page", "\"http://[::1]/\"", "[::1]"),
        ("host", "page", "\"http://127.1/\"", "127.0.0.1"),
        ("host", "page", "\"https://münchen.de\"", "xn--mnchen-3ya.de"),
        ("host", "page", "\"https://a%00b.de/\"", "-"),
        ("host", "page", "\"ftp://www.shop.de/\"", "-"),
        ("host", "page", "\"www.shop.de\"", "-"),
        ("host", "page", "7", "-"),
        ("host", "page", "null", "-"),
        ("page_path", "page", &shop(""), "/"),
        ("page_path", "page", &shop("/ring/x.html?a=b#c"), "/ring/x.html"),
        ("page_path", "page", &shop("/a/../b/./c"), "/b/c"),
        ("page_path", "page", &shop("/ä b"), "/%C3%A4%20b"),
        ("page_path", "page", &shop(r"\\x"), "/x"),
        ("page_path", "page", r#""https:\/\/www.shop.de\/x\u0000y""#, "/x%00y"),
        ("page_path", "page", &shop(&format!("/{}", "a".repeat(1_023))), &format!("/{}", "a".repeat(1_023))),
        ("page_path", "page", &shop(&format!("/{}?x", "a".repeat(1_024))), "page_path is longer than 1024 bytes"),
        ("page_path", "page", "\"x\"", "-"),
        ("campaign", "page", &shop("/?a=b&utm_campaign=spring&utm_campaign=x"), "spring"),
        ("campaign", "page", &shop("?utm_campaign=7#utm_campaign=8"), "7"),
        ("campaign", "page", &shop("?utm%5Fcampaign=a+b%20%C3%A4%FF"), "a b ä\u{fffd}"),
        ("campaign", "page", &shop("?utm_campaign=a\\u0009b c"), "ab c"),
        ("campaign", "page", r#""https:\/\/www.shop.de\/?utm_campaign=x""#, "x"),
        ("campaign", "page", &shop("?utm_campaign="), "-"),
        ("campaign", "page", &shop("?utm_campaign"), "-"),
        ("campaign", "page", &shop("?UTM_campaign=x"), "-"),
        ("campaign", "page", &shop("#?utm_campaign=x"), "-"),
        (
            "campaign",
            "page",
            &shop("?utm_campaign=%00"),
            "campaign holds the character U+0000, which Postgres cannot store",
        ),
        (
            "campaign",
            "page",
            &shop(&format!("?utm_campaign={}", "a".repeat(1_025))),
            "campaign is longer than 1024 bytes",
        ),
        ("campaign", "page", "\"?utm_campaign=x\"", "-"),
    ]);
}

#[test]
fn closed_kinds_always_have_a_text() {
    must_be(&[
        ("country", "page", &shop("/"), "DE"),
        ("country", "page", r#""https:\/\/www.shop.fr\/""#, "FR"),
        ("country", "page", "null", "ZZ"),
        (
            "device",
            "agent",
            "\"Mozilla/5.0 (iPhone; CPU iPhone OS 13_5 like Mac OS X) Version/13.1 Mobile/15E148 Safari/604.1\"",
            "smartphone",
        ),
        ("device", "agent", "\"Mozilla/5.0 (Windows NT 10.0) Chrome/83.0.4103.61 Safari/537.36\"", "pc"),
        ("device", "agent", "\"Googlebot/2.1\"", "crawler"),
        ("device", "agent", "\"?\"", "unknown"),
        ("device", "agent", "{}", "unknown"),
    ]);
}

#[test]
fn a_model_declares_event_types_and_times() {
    let none = "there is no event time: at is no time";
    let cases = [
        (r#""what":7"#, "what is missing, empty or not a text"),
        (r#""at":null"#, none),
        (r#""at":null,"local_time":"2020-06-04 08:15:27""#, none),
        (r#""collection":"x","local_time":7"#, "country=ZZ browser=Unknown os=Unknown device=unknown"),
        (r#""page":"\ud800""#, "page holds half of a surrogate pair"),
    ];
    for (members, expected) in cases {
        assert_eq!(decided(&model_rules(), members, fields), expected, "{members}");
    }
    let page = |members: &str| decided(&model_rules(), members, |_, event| format!("{:?}", event.page.as_deref()));
    assert_eq!(page(r#""page":"x\u0000""#), r#"Some("x\0")"#, "as it came");
    assert_eq!(page(r#""page":7"#), "None");
}

#[test]
fn events_count_where_type_and_fields_pass() {
    let german = r#""page":"https://a.de/x""#;
    let cases = [
        (r#""item":7"#, "views_by_sku"),
        (r#""item":7,"page":"https://a.fr/x""#, "views_by_sku"),
        (&format!(r#""item":7,{german}"#), "views_by_sku german_views_by_path"),
        (&format!(r#""what":"cart","item":7,"maker":"m",{german}"#), "carts_by_brand"),
        (r#""what":"order","item":7,"maker":"m","sale":true"#, "carts_by_brand sale_orders_by_sku"),
        (r#""what":"order","item":"a","sale":"true""#, "sale_orders_by_sku"),
        (r#""what":"order","item":"07","maker":"m","sale":true"#, "carts_by_brand"),
        (r#""what":"order","item":7,"maker":"m","sale":false"#, "carts_by_brand"),
        (r#""what":"cart","item":true"#, "sku is neither a text nor a whole number of 64 bits"),
        (r#""what":"search","at":"x","item":true"#, "ignored"),
    ];
    for (members, expected) in cases {
        assert_eq!(decided(&model_rules(), members, tables), expected, "{members}");
    }
    let views = |views: &str, members: &str| {
        decided(&Rules { views: views.parse().expect("a list"), ..model_rules() }, members, tables)
    };
    assert_eq!(views("all", r#""what":"search","item":7"#), "views_by_sku");
    assert_eq!(views("search", r#""item":7"#), "ignored");
    assert_eq!(views("cart", r#""what":"cart","item":7,"maker":"m""#), "views_by_sku carts_by_brand");
    let only = format!(
        "{}[[report]]\ntable = \"t\"\nby = [\"day\"]\nwhere = {{ what = \"order\", is_sale = \"true\" }}\n",
        &MODEL[..MODEL.find("[[").expect("reports")]
    );
    let rules = Rules { model: Arc::new(Model::parse(&only, "test").expect("a model")), ..model_rules() };
    assert_eq!(decided(&rules, r#""at":"x""#, tables), "ignored", "no report counts views");
    assert_eq!(decided(&rules, r#""what":"order","sale":false"#, tables), "ignored");
    assert_eq!(
        decided(&rules, r#""what":"order","sale":false,"item":true"#, tables),
        "sku is neither a text nor a whole number of 64 bits",
        "examined before its fields decide"
    );
    assert_eq!(decided(&rules, r#""what":"order","sale":true"#, tables), "t");
}

#[test]
fn visitors_are_kept_in_no_field() {
    let redaction = Redaction { referrers: Referrers::NoQuery, mask_emails: true };
    let rules = Rules { redaction, ..model_rules() };
    let members = r#""item":"me@a.b","maker":"me%40a.b","from":"https://me@a.de/?x=1","page":"https://a.de/me@a.b/x?utm_campaign=me@a.b""#;
    let expected = "sku=(e-mail) brand=(e-mail) source=https://(e-mail)/ source_host=a.de country=DE host=a.de \
                    page_path=/(e-mail)/x campaign=(e-mail) browser=Unknown os=Unknown device=unknown";
    assert_eq!(decided(&rules, members, fields), expected);
    let origin = Redaction { referrers: Referrers::Host, mask_emails: false };
    let kept = decided(&Rules { redaction: origin, ..model_rules() }, members, fields);
    assert!(kept.contains("brand=me%40a.b source=https://a.de source_host=a.de "), "{kept}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_048, ..ProptestConfig::default() })]

    /// The member limit does not bound what is closed, so nothing that a visitor writes may come through.
    #[test]
    fn closed_kinds_hold_no_text_of_visitors(
        parts in prop::collection::vec(prop::sample::select(vec![
            "Mozilla/5.0", " (", "Windows NT ", "Windows ", "Linux; ", "Android 10; ", "iPhone; ", ") ", "; wv", "Chrome/", "Safari/",
            "Opera/", "DoCoMo/2.0 ", "KDDI-", "SoftBank/1.0/", "WILLCOM;", "jig browser web; ", "FOMA;", "BlackBerry", "Nintendo ",
            "bot", "spider", "/zzzz", " zzzz", "zzzz;", "https://", "www.", "zzzz", ".zz", ".de", "/", "FBAN/", "Googlebot/", "+http://",
        ]), 0..10),
        sale in any::<Option<bool>>(),
    ) {
        let text = parts.concat();
        let members = json!({"page": text, "agent": text, "sale": sale}).to_string();
        let mut texts = BTreeMap::new();
        let record = format!(r#"{{"what":"view","at":1591258527,{}"#, &members[1..]);
        let rules = model_rules();
        decoded(&mut Decoder::new(rules.clone()), Some(record.as_bytes()), None, |outcome| match outcome {
            Outcome::Counted(event) => {
                for (field, text) in rules.model.fields.iter().zip(&event.fields).filter(|(field, _)| field.kind.is_closed()) {
                    texts.insert(field.name.clone(), text.as_ref().map(ToString::to_string));
                }
            }
            other => panic!("{other:?}"),
        });
        prop_assert_eq!(texts.len(), 5);
        prop_assert!(texts.values().flatten().all(|text| !text.contains("zz")), "{:?} {}", texts, text);
    }
}
