//! PostHog's events, as its web library captures them.

use serde_json::{Value, json};

use super::{Act, id, text};
use crate::Dice;

pub(super) fn event(act: &Act<'_>, dice: &mut Dice) -> Value {
    let visitor = act.visitor;
    let (host, path, _) = act.page();
    let kind = match (act.is_view(), act.is_order()) {
        (true, _) => "$pageview",
        (_, true) => "order completed",
        _ => "$autocapture",
    };
    let referring = visitor.referrer_url.split('/').nth(2).filter(|host| !host.is_empty());
    let referrer = if referring.is_some() { visitor.referrer_url.as_str() } else { "$direct" };
    let (browser, os) = act.agent();
    let mut properties = json!({
        "$browser": browser,
        "$current_url": visitor.current_url,
        "$device_id": visitor.device_id,
        "$device_type": if act.is_mobile() { "Mobile" } else { "Desktop" },
        "$geoip_country_code": act.country().code,
        "$geoip_country_name": act.country().name,
        "$host": host,
        "$ip": visitor.ip,
        "$lib": "web",
        "$lib_version": "1.236.0",
        "$os": os,
        "$pathname": path,
        "$raw_user_agent": visitor.user_agent,
        "$referrer": referrer,
        "$referring_domain": referring.unwrap_or("$direct"),
        "$session_id": id(dice),
        "token": "phc_an_example",
    });
    if let Some(campaign) = act.campaign {
        properties["utm_source"] = campaign.source.into();
        properties["utm_medium"] = campaign.medium.into();
        properties["utm_campaign"] = campaign.name.into();
    }
    if let Some(product) = act.product() {
        properties["product_id"] = product.into();
    }
    json!({
        "uuid": id(dice),
        "event": kind,
        "distinct_id": if visitor.email.is_empty() { text(&visitor.device_id) } else { text(&visitor.email) },
        "timestamp": act.iso(0),
        "properties": properties,
    })
}
