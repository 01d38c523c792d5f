//! An access log of nginx, one JSON object a request.

use chrono::SecondsFormat;
use rand::RngExt;
use serde_json::{Value, json};

use super::Act;
use crate::Dice;
use crate::shares::mostly_first;

pub(super) fn event(act: &Act<'_>, dice: &mut Dice) -> Value {
    let visitor = act.visitor;
    let (host, path, query) = act.page();
    let is_missing = dice.random_ratio(1, 40);
    let status = if is_missing { 404 } else { mostly_first(&[200, 200, 200, 304, 301, 499, 500], dice) };
    let page =
        if is_missing { mostly_first(&["/wp-login.php", "/.env", "/favicon.ico", "/old.html"], dice) } else { path };
    json!({
        "time_iso8601": act.at.to_rfc3339_opts(SecondsFormat::Secs, false),
        "msec": act.at.timestamp_millis() as f64 / 1_000.0,
        "remote_addr": visitor.ip,
        "host": host,
        "request_method": if act.collection.opens { "GET" } else { "POST" },
        "request_uri": format!("{page}{query}"),
        "uri": page,
        "status": status,
        "body_bytes_sent": dice.random_range(0..90_000),
        "request_time": f64::from(dice.random_range(0..2_000)) / 1_000.0,
        "http_referer": visitor.referrer_url,
        "http_user_agent": visitor.user_agent,
    })
}
