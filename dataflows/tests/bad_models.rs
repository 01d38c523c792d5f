//! Files that are refused: each is a good one with one thing wrong, and what is said of it.

use dataflows::model::Model;

const GOOD: &str = r#"[event]
type = "kind"
views = ["view"]
local_time = "at"
[fields]
item = { path = "item", kind = "id" }
topic = { path = "from", kind = "url", label = "referrer" }
land = { path = "page", kind = "country" }
[dimensions]
product = { id = "item" }
[[report]]
name = "items"
table = "item_views_hourly"
by = ["item", "day", "hour"]
[[report]]
name = "lands"
table = "land_views"
by = ["land"]
limit = 10
daily = "top-lands"
[[report]]
name = "top-lands"
table = "top_lands"
top = { count = 10, of = "land", by = ["day"] }
[[report]]
name = "land-days"
table = "land_views_daily"
days = "all"
by = ["day", "land"]
"#;

/// What is replaced in the good file, by what, and what is said then.
#[rustfmt::skip]
const WRONG: &[(&str, &str, &str)] = &[
    // The file as a whole.
    ("[event]", "[evnt]", r#"1:2: there is no key "evnt"; did you mean "event"?"#),
    ("[event]\ntype = \"kind\"", "[event]", "2:9: without `type` every event is a view; leave this out, or add `type`"),
    ("views = [\"view\"]", "", r#"1:1: the key "views" is missing; add it"#),
    ("local_time = \"at\"", "local_time = \"at\"\ntime_format = \"second\"", r#"5:15: there is no format of time "second"; did you mean "seconds"?"#),
    ("local_time = \"at\"", "local_time = \"at\"\nenvelope = \"batch\"", r#"5:12: there is no envelope "batch"; take one of auto, none, array, payload, confluent-json"#),
    ("local_time = \"at\"", "local_time = \"at\"\narray = \"batch\"", "5:9: an array of events is an envelope; add envelope = \"array\""),
    ("local_time = \"at\"", "local_time = \"at\"\nenvelope = \"payload\"\narray = \"batch\"", "6:9: only the envelope \"array\" is in a member; leave this out"),
    ("local_time = \"at\"", "local_time = \"at\"\nenvelope = \"array\"\narray = [\"a\", \"b\"]", "6:9: events are in one array; name the one way to it, like \"batch\""),
    ("[\"view\"]", "[\"view\"", "4:1: missing comma between array elements, expected `,`"),
    ("[\"view\"]", "\"view\"", r#"3:9: invalid type: string "view", expected a sequence"#),
    ("local_time = \"at\"", "", "1:1: an event needs a time; add local_time = \"…\" or time_stamp = \"…\""),
    ("[\"view\"]", "[]", "3:9: no type counts; name at least one, or \"all\""),
    ("[\"view\"]", "[\"all\", \"view\"]", "3:10: \"all\" takes every type; leave the others out"),
    ("[\"view\"]", "[\"a,b\"]", "3:10: a type without commas or blanks around it is expected"),
    // Fields.
    ("path = \"item\"", "path = \"a..b\"", r#"6:17: "a..b" is no way to a member of a record; take the names of members, like "url" or "context.page.url""#),
    ("path = \"item\"", "path = '\"a\"b'", r#"6:17: "\"a\"b" has something behind a quoted name; take the names of members, like "url" or "context.page.url""#),
    ("path = \"item\"", "path = []", "6:17: a list of 1 to 8 ways is expected"),
    ("path = \"item\"", "path = 7", r#"6:17: expected the way to a member, like "page.url", or a list of such ways"#),
    ("path = \"item\"", "path = [\"a\", \"b\"], key = \"k\"", "6:35: of several ways each has its own key; write { path = \"…\", key = \"…\" } in the list"),
    ("kind = \"country\"", "kind = \"country\", lower = true", "8:51: only a text that visitors can make up has letters to choose; leave this out"),
    ("kind = \"country\"", "kind = \"country\", or = \"DE\"", r#"8:48: a field of kind "country" is never missing, or has only values of its own; leave this out"#),
    ("kind = \"id\"", "kind = \"id\", or = \"\"", "6:43: an empty text; leave the key out"),
    ("kind = \"id\"", "kind = \"ids\"", r#"6:32: there is no kind "ids"; did you mean "id"?"#),
    ("kind = \"id\"", "kind = \"number\"", r#"6:32: there is no kind "number"; take one of id, text, url, country, country-code, host, path, browser, os, device, boolean, query"#),
    ("kind = \"id\"", "kind = \"query\"", r#"6:32: the kind "query" needs a parameter's name; add parameter = "utm_campaign" or another"#),
    ("kind = \"id\"", "kind = \"id\", parameter = \"p\"", r#"6:50: only the kind "query" has a parameter; leave it out"#),
    ("kind = \"id\"", "kin = \"id\"", r#"6:25: there is no key "kin"; did you mean "kind"?"#),
    ("item = {", "Item = {", r#"6:1: "Item" is no name for a field; take a small letter, then small letters, digits and _"#),
    ("item = {", "order = {", "6:1: Postgres reserves the word order; take another name for the field, such as order_"),
    ("item = {", "views = {", "6:1: views is a column that tables and views have anyway; take another name for the field"),
    ("item = {", "kind = {", "6:1: `where` knows the type of an event by this name; take another one for the field"),
    ("item = {", "thing = {", r#"14:7: there is no field "item"; take one of thing, topic, land, day, hour"#),
    ("land = {", "topic_digest = {", "8:1: the digest of topic has this name; take another one for the field"),
    ("topic = {", "item_name = {", "7:1: a dimension gives the column item_name; take another name for the field"),
    ("topic = {", "land_region = {", "7:1: a dimension gives the column land_region; take another name for the field"),
    ("land = {", "a_name_of_so_many_letters_that_its_digest_has_too_many_of_them = {", "8:1: the name of the field has 62 bytes; it may have 48"),
    (", label = \"referrer\"", "", "7:1: topic is a parameter or a flag that reports have anyway; take another label"),
    ("\"referrer\"", "\"report\"", "7:48: the API has a path /api/reports of its own, where reports would be listed; take another label"),
    ("\"referrer\"", "\"statu\"", "7:48: the API has a path /api/status of its own, where status would be listed; take another label"),
    ("\"referrer\"", "\"item\"", r#"7:48: the field item has the label "item"; add another label"#),
    ("\"id\" }\ntopic = { path = \"from\", kind = \"url\", label = \"referrer\" }", "\"id\", label = \"class\" }\ntopic = { path = \"from\", kind = \"url\", label = \"classe\" }", r#"7:48: the field item has the label "class", in the plural the same; add another label"#),
    ("\"referrer\"", "\"Referrer\"", r#"7:48: "Referrer" is no name for a label; take a small letter, then small letters, digits and _ and -"#),
    ("\"referrer\"", "\"referrer\", about = \"two\\nlines\"", "7:68: a text with a control character, such as the end of a line; write it in one line"),
    ("\"referrer\"", "\"referrer\", labels = { de-AT = \"Verweis\" }", r#"7:71: "de-AT" is no code of a language; give two or three letters, like de"#),
    // Dimensions.
    ("{ id = \"item\" }", "{ id = \"land\" }", r#"10:18: land is of another kind; name a field of kind "id" or "text""#),
    ("by = [\"item\", \"day\", \"hour\"]", "by = [\"day\"]", r#"10:11: no report without a `where` counts by just these; add one with by = ["day", "item"]"#),
    ("product = {", "produkt = {", r#"10:1: there is no key "produkt"; did you mean "product"?"#),
    // Names of reports and tables.
    ("name = \"items\"", "name = \"lands\"", r#"16:8: a second report "lands"; take another name"#),
    ("name = \"items\"", "name = \"Items\"", r#"12:8: "Items" is no name for a report; take a small letter, then small letters, digits and -"#),
    ("name = \"items\"", "name = \"day\"", "12:8: report_day is a view of Freshet's own; take another name for the report"),
    ("\"land_views\"", "\"top_lands\"", r#"23:9: a second table "top_lands"; take another name"#),
    ("\"land_views\"", "\"land-views\"", r#"17:9: "land-views" is no name for a table; take a small letter, then small letters, digits and _"#),
    ("\"land_views\"", "\"user\"", "17:9: Postgres reserves the word user; take another name for the table, such as user_"),
    ("\"land_views\"", "\"progress\"", "17:9: Freshet has a table progress of its own; take another name"),
    ("\"land_views\"", "\"dim_land\"", "17:9: names that begin with dim_ are taken; take another one for the table"),
    ("\"land_views\"", "\"top_lands_pkey\"", "17:9: names that end with _pkey are those of indexes; take another one for the table"),
    ("\"item_views_hourly\"", "\"land_views_by_land\"", "13:9: an index has the name land_views_by_land; take another one for the table"),
    // What a report counts.
    ("by = [\"land\"]", "", "15:1: a report needs a count or a ranking; add `by` or `top`"),
    ("by = [\"day\", \"land\"]", "by = [\"day\"]\ntop = { count = 1, of = \"land\", by = [\"day\"] }", "30:7: a report is a count or a ranking; leave out `by` or `top`"),
    ("by = [\"land\"]", "by = []", "18:6: a count by nothing; name at least one field, or \"day\""),
    ("by = [\"land\"]", "by = [\"land\", \"dai\"]", r#"18:15: there is no field "dai"; did you mean "day"?"#),
    ("by = [\"land\"]", "by = [\"land\", \"land\"]", "18:15: land is named twice; name it once"),
    ("by = [\"land\"]", "by = [\"land\", \"hour\"]", "18:6: an hour without its day; add \"day\""),
    ("by = [\"land\"]", "by = [\"land\", \"day\"]", "29:6: land_views counts the same; leave one of them out"),
    ("by = [\"land\"]", "bye = [\"land\"]", r#"18:1: there is no key "bye"; did you mean "by"?"#),
    // Filters.
    ("by = [\"land\"]", "by = [\"land\"]\nwhere = { lend = \"DE\" }", r#"19:11: there is no field "lend"; did you mean "land"?"#),
    ("by = [\"land\"]", "by = [\"land\"]\nwhere = { kind = [] }", "19:18: no value passes; name at least one"),
    ("by = [\"land\"]", "by = [\"land\"]\nwhere = { kind = \"\" }", "19:18: no field has an empty value; leave it out"),
    ("by = [\"land\"]", "by = [\"land\"]\nwhere = { land = \"Germany\" }", r#"19:18: the field never is "Germany"; its values are codes of two letters, like "DE""#),
    ("by = [\"land\"]", "by = [\"land\"]\nwhere = { item = 1.5 }", "19:18: expected a text, a whole number, true or false, or a list of them"),
    // Rankings.
    ("count = 10", "count = 101", "24:17: a ranking has 1 to 100 places; give a count between them"),
    ("of = \"land\"", "of = \"lands\"", r#"24:26: there is no field "lands"; did you mean "land"?"#),
    ("of = \"land\"", "of = \"topic\"", r#"24:26: no report counts what is ranked here; add one with by = ["day", "topic"]"#),
    ("by = [\"day\"] }", "by = [] }", "24:39: a ranking by nothing; name \"day\", or give the count of all days a `limit`"),
    ("by = [\"day\"] }", "by = [\"land\"] }", "24:39: land is what is ranked; leave it out of `by`"),
    ("by = [\"day\"] }", "by = [\"day\"] }\nwhere = { land = \"DE\" }", r#"24:26: no report counts what is ranked here; add one with by = ["day", "land"] and the same `where`"#),
    // Days that leave.
    ("by = [\"land\"]", "by = [\"land\"]\nretain = \"30\"", "19:10: `retain`: expected whole days, at least 1d, like 400d, or off"),
    ("by = [\"land\"]", "by = [\"land\"]\nretain = \"30d\"\nwhere = { land = \"DE\" }", "19:10: no day leaves a report that does not follow from one by day; leave `retain` out"),
    // What is shown.
    ("limit = 10", "limit = 0", "19:9: a report shows 1 to 100 rows; give a limit between them"),
    ("by = [\"item\", \"day\", \"hour\"]", "by = [\"item\", \"day\", \"hour\"]\nlimit = 10", "15:9: only a count of all days has a limit; leave it out, or \"day\" out of `by`"),
    ("name = \"lands\"\n", "", "18:9: only a report with a name is shown; add a name, or leave this out"),
    ("limit = 10", "days = \"all\"", "19:8: only a count by day, without hour, is shown of all days; leave `days` out"),
    ("limit = 10", "days = \"some\"", "19:8: `days` is \"all\" or left out, not \"some\""),
    ("daily = \"top-lands\"", "daily = \"top-land\"", r#"20:9: there is no report "top-land"; did you mean "top-lands"?"#),
    ("daily = \"top-lands\"", "daily = \"items\"", "20:9: `daily` belongs to a count of all days by one field, and names the ranking of that field by day; name such a ranking, or leave it out"),
];

#[test]
fn errors_name_place_and_remedy() {
    Model::parse(GOOD, "good.toml").expect("the good file");
    let mut broken = Vec::new();
    for (part, by, expected) in WRONG {
        assert!(GOOD.contains(part), "the good file has no {part}");
        let said = match Model::parse(&GOOD.replacen(part, by, 1), "bad.toml") {
            Ok(_) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        };
        if said != format!("bad.toml:{expected}") {
            broken.push(format!("{part} -> {by}\n  is said:    {said}\n  and should: bad.toml:{expected}"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn reports_and_their_fields_are_bounded() {
    let head = "[event]\ntype = \"kind\"\nviews = [\"view\"]\nlocal_time = \"at\"\n[fields]\n";
    let said = |text: &str| Model::parse(text, "f").map_or_else(|error| error.to_string(), |_| String::new());
    assert_eq!(said(head), "f:1:1: the file declares no report; add a [[report]]");
    let field = |at: usize| format!("f{at} = {{ path = \"f{at}\", kind = \"text\" }}\n");
    let fields = |number: usize| (0..number).map(field).collect::<String>();
    let report = |at: usize| format!("[[report]]\ntable = \"t{at}\"\nby = [\"day\"]\nwhere = {{ f0 = \"{at}\" }}\n");
    let reports = |number: usize| (0..number).map(report).collect::<String>();
    assert_eq!(said(&(head.to_owned() + &fields(64) + &reports(100))), "");
    let too_many = said(&(head.to_owned() + &fields(64) + &reports(101)));
    assert_eq!(too_many, "f:470:1: a file may declare 100 reports; leave some out");
    let too_many = said(&(head.to_owned() + &fields(65) + &reports(1)));
    assert_eq!(too_many, "f:70:1: a file may declare 64 fields; leave some out");
    let wide = "[[report]]\ntable = \"wide\"\nby = [\"f0\", \"f1\", \"f2\", \"f3\", \"f4\"]\n";
    let too_wide = said(&(head.to_owned() + &fields(5) + wide));
    assert_eq!(too_wide, "f:13:6: a report groups by at most 4 fields, beside day and hour; leave some out");
}
