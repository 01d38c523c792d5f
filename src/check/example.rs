//! Values as examples: enough to recognize a member, and nothing that is personal.

use std::net::IpAddr;

use serde_json::Value;

use crate::terminal::anonymous;

/// Characters from which on a text without spaces, of letters and digits, counts as an id of somebody or something.
const TOKEN_CHARS_MIN: usize = 16;
/// Characters of a text that are shown.
const TEXT_CHARS_MAX: usize = 48;

/// Words in the names of members that are personal whatever their values look like.
const PERSONAL: [&str; 20] = [
    "email",
    "firstname",
    "lastname",
    "surname",
    "fullname",
    "username",
    "traits.name",
    "phone",
    "birth",
    "street",
    "address",
    "password",
    "userid",
    "customerid",
    "visitorid",
    "distinctid",
    "anonymousid",
    "device",
    "session",
    "cookie",
];

/// A value of this member as it may be shown.
pub(super) fn show(member: &str, value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::String(text) if is_personal(member) => letters(text),
        Value::String(text) => of_text(text),
        Value::Number(_) if is_personal(member) => "(a number)".into(),
        Value::Array(all) => format!("[{} elements]", all.len()),
        Value::Object(all) => format!("{{{} members}}", all.len()),
        other => other.to_string(),
    }
}

/// Whether the name of a member says that it is about a person.
pub(super) fn is_personal(member: &str) -> bool {
    let plain: String = member.to_lowercase().chars().filter(|c| !matches!(c, '_' | '-')).collect();
    PERSONAL.iter().any(|word| plain.contains(word))
}

fn of_text(text: &str) -> String {
    let trimmed = text.trim();
    if trimmed.parse::<IpAddr>().is_ok() {
        return "(an IP address)".into();
    }
    if let Some((scheme, rest)) = trimmed.split_once("://") {
        let (place, query) = up_to_query(rest);
        // User and password come before the host.
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        let query = if query.is_empty() { "" } else { "?…" };
        return format!("{}{query}", cut(&format!("{scheme}://{}", anonymous(place))));
    }
    if let Some(path) = trimmed.strip_prefix('/') {
        return cut(&format!("/{}", anonymous(up_to_query(path).0)));
    }
    if trimmed.starts_with('?') {
        return "?…".into();
    }
    let is_token = trimmed.len() >= TOKEN_CHARS_MIN
        && !trimmed.contains(char::is_whitespace)
        && trimmed.contains(|c: char| c.is_ascii_digit())
        && trimmed.contains(char::is_alphabetic)
        && !looks_like_a_time(trimmed);
    if is_token { letters(trimmed) } else { cut(&anonymous(text)) }
}

/// Splits a URL at its query, which may hold anything.
fn up_to_query(url: &str) -> (&str, &str) {
    url.split_at(url.find(['?', '#']).unwrap_or(url.len()))
}

fn looks_like_a_time(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.as_bytes().get(4) == Some(&b'-') && text.as_bytes().get(7) == Some(&b'-') && digits >= 8 && text.len() <= 40
}

fn letters(text: &str) -> String {
    match text.chars().count() {
        0 => "\"\"".into(),
        letters => format!("({letters} letters)"),
    }
}

fn cut(text: &str) -> String {
    let end = text.char_indices().nth(TEXT_CHARS_MAX).map_or(text.len(), |(at, _)| at);
    if text.is_empty() {
        "\"\"".into()
    } else if end < text.len() {
        format!("{}…", &text[..end])
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_values_are_not_shown() {
        for (member, value, shown) in [
            ("ip", "10.1.2.3", "(an IP address)"),
            ("ip", "2001:db8::1", "(an IP address)"),
            ("id", "b25d1c51-89b3-4721-8dae-08490f4be626", "(36 letters)"),
            ("contact", "anna@example.com", "a… (16 letters)"),
            ("distinct_id", "anna@example.com", "(16 letters)"),
            ("context.traits.firstName", "Anna", "(4 letters)"),
            ("user_name", "anna", "(4 letters)"),
            ("url", "https://me:x@shop.example/ring?email=anna", "https://shop.example/ring?…"),
            ("url", "https://shop.example/", "https://shop.example/"),
            ("path", "/ring-sku123456789.html?email=anna", "/ring-sku123456789.html"),
            ("search", "?email=anna", "?…"),
            ("at", "2020-06-04T08:15:27.123Z", "2020-06-04T08:15:27.123Z"),
            ("name", "page_view", "page_view"),
            (
                "agent",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML)",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.…",
            ),
        ] {
            assert_eq!(show(member, &value.into()), shown, "{member}");
        }
        assert_eq!(show("user_id_db", &491_234.into()), "(a number)");
        assert_eq!(show("status", &200.into()), "200");
    }
}
