//! One ordinary event as compact JSON, its members in the order of the real records.
//!
//! Nothing here needs escaping: all texts come from sibling modules, and have only characters that JSON leaves alone.

use std::fmt::Write;

use rand::RngExt;

use super::Dice;
use super::clock::{Moment, push_local_time};
use super::collections::{Collection, Extra};
use super::shares::{mostly_first, one_of};
use super::visitor::{Visitor, push_uuid};

/// The event of `collection` that `visitor` causes at `moment`.
pub(super) fn json(visitor: &Visitor, collection: &Collection, moment: Moment, dice: &mut Dice) -> String {
    let mut out = String::with_capacity(1_280);
    push_sender(&mut out, visitor, moment, dice);
    push_page(&mut out, visitor, moment, dice);
    if collection.extra == Extra::View {
        push_origin(&mut out, dice);
    }
    push_text(&mut out, "collection", collection.name);
    push_extra(&mut out, visitor, collection.extra, dice);
    out.push_str("\"id\":\"");
    push_uuid(&mut out, dice);
    out.push_str("\"}");
    out
}

/// Appends `"name":"value",`.
fn push_text(out: &mut String, name: &str, value: &str) {
    debug_assert!(!value.contains(['"', '\\']), "{value} needs escaping");
    for part in ["\"", name, "\":\"", value, "\","] {
        out.push_str(part);
    }
}

/// Appends `"name":value,`, with a value that is JSON.
fn push_raw(out: &mut String, name: &str, value: &str) {
    for part in ["\"", name, "\":", value, ","] {
        out.push_str(part);
    }
}

/// Appends who sends the event, and with what.
fn push_sender(out: &mut String, visitor: &Visitor, moment: Moment, dice: &mut Dice) {
    let seconds = moment.utc;
    let stamp = if visitor.habits.milliseconds { seconds * 1_000 + dice.random_range(0..1_000) } else { seconds };
    // Writing to a String cannot fail.
    let _ = write!(out, "{{\"_id\":\"{seconds:08x}{:016x}\",\"time_stamp\":{stamp},", dice.random::<u64>());
    push_text(out, "ip", &visitor.ip);
    push_text(out, "user_agent", &visitor.user_agent);
    push_text(out, "resolution", visitor.resolution);
    push_text(out, "user_id_db", &visitor.user_id);
    push_text(out, "device_id", &visitor.device_id);
    push_text(out, "api_version", "1.0");
    let _ = write!(out, "\"store_id\":\"{}\",", visitor.shop.id);
}

/// Appends when and where.
fn push_page(out: &mut String, visitor: &Visitor, moment: Moment, dice: &mut Dice) {
    out.push_str("\"local_time\":\"");
    push_local_time(out, moment.local, visitor.habits.short_hour);
    out.push_str("\",");
    push_raw(out, "show_recommendation", one_of(&["null", "\"true\"", "\"false\"", "\"false\""], dice));
    push_text(out, "current_url", &visitor.current_url);
    push_text(out, "referrer_url", &visitor.referrer_url);
    push_text(out, if visitor.habits.short_email { "email" } else { "email_address" }, &visitor.email);
}

/// Appends the campaign through which the visitor came, if any.
fn push_origin(out: &mut String, dice: &mut Dice) {
    push_raw(out, "recommendation", one_of(&["false", "false", "true"], dice));
    let campaigns = [
        ("false", "false"),
        ("\"google\"", "\"cpc\""),
        ("\"facebook\"", "\"cpc\""),
        ("\"newsletter\"", "\"email\""),
        ("\"criteo\"", "\"retargeting\""),
    ];
    let (source, medium) = mostly_first(&campaigns, dice);
    push_raw(out, "utm_source", source);
    push_raw(out, "utm_medium", medium);
}

/// Appends the further members of this kind of event.
fn push_extra(out: &mut String, visitor: &Visitor, extra: Extra, dice: &mut Dice) {
    let id = visitor.product.id().to_string();
    match extra {
        Extra::View => {
            push_text(out, "product_id", &id);
            push_options(out, mostly_first(&[1, 2, 3], dice), dice);
        }
        Extra::Choice => {
            push_text(out, "product_id", &id);
            push_options(out, 1, dice);
        }
        Extra::Filters => push_filters(out, dice),
        Extra::Recommended => {
            push_text(out, "viewing_product_id", &id);
            push_text(out, "recommendation_product_id", &id);
            push_text(out, "recommendation_clicked_position", one_of(&["1", "2", "3", "4"], dice));
        }
        Extra::Added => {
            push_text(out, "product_id", &id);
            push_options(out, 2, dice);
            push_text(out, "price", &price(dice));
            push_text(out, "currency", "€");
        }
        Extra::Cart => push_cart(out, &id, dice),
        Extra::Order => {
            push_order_number(out, dice);
            push_cart(out, &id, dice);
        }
        Extra::EmptyOption => push_text(out, "option", ""),
        Extra::None => {}
    }
}

const OPTIONS: [(&str, [&str; 4]); 4] = [
    ("alloy", ["white-585", "yellow-375", "red-585", ""]),
    ("diamond", ["diamond-Brillant", "diamond-zirconia", "sapphire", ""]),
    ("stone2", ["diamond-Brillant", "emerald", "blackdiamond", ""]),
    ("size", ["54", "56", "", "60"]),
];

/// Appends the choices for one product, as an array of objects.
fn push_options(out: &mut String, count: usize, dice: &mut Dice) {
    out.push_str("\"option\":[");
    for (index, (label, values)) in OPTIONS.iter().take(count).enumerate() {
        if index > 0 {
            out.push(',');
        }
        let (option, value) = (dice.random_range(100_000..400_000), dice.random_range(1_000_000..4_000_000));
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "{{\"option_label\":\"{label}\",\"option_id\":\"{option}\",\"value_label\":\"{}\",\"value_id\":\"{value}\"}}",
            one_of(values, dice)
        );
    }
    out.push_str("],");
}

/// Appends the filters of a list: here `option` is one object.
fn push_filters(out: &mut String, dice: &mut Dice) {
    push_text(out, "cat_id", one_of(&["18", "34", "102", "471"], dice));
    let (alloy, stone) = (one_of(&OPTIONS[0].1, dice), one_of(&OPTIONS[1].1, dice));
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "\"option\":{{\"alloy\":\"{alloy}\",\"diamond\":\"{stone}\",\"category id\":\"{}\",\"price\":\"false\",\"kollektion\":\"{}\"}},",
        dice.random_range(10..900),
        one_of(&["verlobungsringe", "memoire", "solitaire", ""], dice)
    );
}

/// Appends the contents of the cart.
fn push_cart(out: &mut String, product: &str, dice: &mut Dice) {
    out.push_str("\"cart_products\":[");
    for index in 0..dice.random_range(1..=2) {
        if index > 0 {
            out.push(',');
        }
        let (amount, price) = (dice.random_range(1..=2), price(dice));
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "{{\"product_id\":{product},\"amount\":{amount},\"price\":\"{price}\",\"currency\":\"€\",\"option\":[{{\"option_label\":\"alloy\",\"option_id\":{},\"value_label\":\"{}\"}}]}}",
            dice.random_range(100_000..400_000),
            one_of(&OPTIONS[0].1, dice)
        );
    }
    out.push_str("],");
}

/// Appends the order number, which producers send as a whole number, as a double, or not at all.
fn push_order_number(out: &mut String, dice: &mut Dice) {
    let number = dice.random_range(100_000..900_000);
    let value = one_of(&[number.to_string().as_str(), format!("{number}.0").as_str(), "\"\""], dice).to_owned();
    push_raw(out, "order_id", &value);
}

/// A price as Germans write it: `1.375,00`, `375,00`.
fn price(dice: &mut Dice) -> String {
    let (thousands, euros) = (dice.random_range(0..3), dice.random_range(80..1_000));
    if thousands == 0 { format!("{euros},00") } else { format!("{thousands}.{euros:03},00") }
}
