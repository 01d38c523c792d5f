//! Segment's calls: `page` when a page opens, `track` for actions on it, now and then `identify`.

use rand::RngExt;
use serde_json::{Value, json};

use super::{Act, id, text};
use crate::Dice;

pub(super) fn event(act: &Act<'_>, dice: &mut Dice) -> Value {
    let visitor = act.visitor;
    let (_, path, search) = act.page();
    let page = json!({
        "path": path,
        "referrer": visitor.referrer_url,
        "search": search,
        "title": act.title(),
        "url": visitor.current_url,
    });
    let mut context = json!({
        "ip": visitor.ip,
        "library": {"name": "analytics.js", "version": "next-1.70.0"},
        "locale": act.country().locale,
        "page": page,
        "userAgent": visitor.user_agent,
    });
    if let Some(campaign) = act.campaign {
        context["campaign"] = json!({"name": campaign.name, "source": campaign.source, "medium": campaign.medium});
    }
    let mut event = json!({
        "anonymousId": visitor.device_id,
        "channel": "client",
        "context": context,
        "integrations": {},
        "messageId": format!("ajs-next-{:016x}", dice.random::<u64>()),
        "originalTimestamp": act.iso(-40),
        "receivedAt": act.iso(310),
        "sentAt": act.iso(-10),
        "timestamp": act.iso(0),
        "userId": text(&visitor.user_id),
        "version": 2,
        "writeKey": id(dice),
    });
    if !act.is_view() && !visitor.email.is_empty() && dice.random_ratio(1, 8) {
        event["type"] = "identify".into();
        event["traits"] = json!({"email": visitor.email});
    } else if act.is_view() {
        event["type"] = "page".into();
        event["properties"] = page;
    } else {
        event["type"] = "track".into();
        event["event"] =
            if act.is_order() { "Order Completed".into() } else { act.collection.name.replace('_', " ").into() };
        event["properties"] = json!({"product_id": act.product(), "currency": "EUR"});
    }
    event
}
