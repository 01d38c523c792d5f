//! Google Analytics 4, as rows of its export to BigQuery: parameters in an array of keys and values.

use rand::RngExt;
use serde_json::{Value, json};

use super::Act;
use crate::Dice;

pub(super) fn event(act: &Act<'_>, dice: &mut Dice) -> Value {
    let visitor = act.visitor;
    let (host, _, _) = act.page();
    let kind = match (act.is_view(), act.is_order()) {
        (true, _) => "page_view",
        (_, true) => "purchase",
        _ => act.collection.name.trim_end_matches("_action"),
    };
    let mut params = vec![
        // As the export has it: all four kinds of value, three of them null.
        json!({"key": "page_location", "value": {"string_value": visitor.current_url, "int_value": null, "float_value": null, "double_value": null}}),
        json!({"key": "page_title", "value": {"string_value": act.title()}}),
        json!({"key": "ga_session_id", "value": {"int_value": (act.at.timestamp() / 1_800).to_string()}}),
        json!({"key": "engagement_time_msec", "value": {"int_value": dice.random_range(1..90_000)}}),
    ];
    if !visitor.referrer_url.is_empty() {
        params.push(json!({"key": "page_referrer", "value": {"string_value": visitor.referrer_url}}));
    }
    let (browser, os) = act.agent();
    let campaign = act.campaign;
    json!({
        "event_date": act.at.format("%Y%m%d").to_string(),
        "event_timestamp": act.at.timestamp_micros().to_string(),
        "event_name": kind,
        "event_params": params,
        "event_bundle_sequence_id": dice.random_range(1..100_000),
        "user_pseudo_id": format!("{}.{}", dice.random_range(1..2_000_000_000), act.at.timestamp()),
        "device": {
            "category": if act.is_mobile() { "mobile" } else { "desktop" },
            "language": act.country().locale.to_lowercase(),
            "operating_system": os,
            "web_info": {"browser": browser, "hostname": host},
        },
        "geo": {"continent": "Europe", "country": act.country().name},
        "collected_traffic_source": {
            "manual_source": campaign.map(|it| it.source),
            "manual_medium": campaign.map(|it| it.medium),
            "manual_campaign_name": campaign.map(|it| it.name),
        },
        "traffic_source": {"name": "(direct)", "medium": "(none)", "source": "(direct)"},
        "stream_id": "1234567890",
        "platform": "WEB",
    })
}
