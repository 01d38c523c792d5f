//! Snowplow's enriched events, as its Analytics SDKs convert them to JSON: flat, missing values null.

use rand::RngExt;
use serde_json::{Value, json};

use super::{Act, id, text};
use crate::Dice;

pub(super) fn event(act: &Act<'_>, dice: &mut Dice) -> Value {
    let visitor = act.visitor;
    let (host, path, query) = act.page();
    let kind = match (act.is_view(), act.is_order()) {
        (true, _) => "page_view",
        (_, true) => "transaction",
        _ if dice.random_ratio(1, 2) => "page_ping",
        _ => "struct",
    };
    let is_own = visitor.referrer_url.contains(visitor.shop.host);
    let medium = match visitor.referrer_url.as_str() {
        "" => Value::Null,
        _ if is_own => "internal".into(),
        url if ["google", "bing", "duckduckgo", "ecosia"].iter().any(|name| url.contains(name)) => "search".into(),
        url if ["facebook", "pinterest", "instagram"].iter().any(|name| url.contains(name)) => "social".into(),
        _ => "unknown".into(),
    };
    let campaign = act.campaign;
    json!({
        "app_id": "shop",
        "platform": "web",
        "etl_tstamp": act.iso(900),
        "collector_tstamp": act.iso(120),
        "dvce_created_tstamp": act.iso(-2_500),
        "dvce_sent_tstamp": act.iso(-2_400),
        "derived_tstamp": act.iso(0),
        "event": kind,
        "event_id": id(dice),
        "event_name": kind,
        "event_vendor": "com.snowplowanalytics.snowplow",
        "user_id": text(&visitor.user_id),
        "user_ipaddress": visitor.ip,
        "domain_userid": visitor.device_id,
        "domain_sessionidx": dice.random_range(1..9),
        "network_userid": id(dice),
        "geo_country": act.country().code,
        "page_url": visitor.current_url,
        "page_title": act.title(),
        "page_referrer": text(&visitor.referrer_url),
        "page_urlscheme": "https",
        "page_urlhost": host,
        "page_urlport": 443,
        "page_urlpath": path,
        "page_urlquery": text(query.trim_start_matches('?')),
        "refr_medium": medium,
        "mkt_source": campaign.map(|it| it.source),
        "mkt_medium": campaign.map(|it| it.medium),
        "mkt_campaign": campaign.map(|it| it.name),
        "se_category": if kind == "struct" { Value::from("shop") } else { Value::Null },
        "se_action": if kind == "struct" { Value::from(act.collection.name) } else { Value::Null },
        "useragent": visitor.user_agent,
        "br_lang": act.country().locale,
        "br_cookies": true,
        "dvce_ismobile": act.is_mobile(),
        "contexts_com_snowplowanalytics_snowplow_web_page_1": [{"id": id(dice)}],
    })
}
