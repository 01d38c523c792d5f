//! Writes a draft as a file of reports.

use std::fmt::Write;

use super::{Draft, Field, Role, Way};

/// Types that a comment names.
const TYPES_MAX: usize = 12;

/// The file.
pub(super) fn toml(draft: &Draft) -> String {
    let mut out = String::from("[event]\n");
    // Writing to a String cannot fail, here and below.
    if draft.is_array {
        let _ = writeln!(out, "envelope = \"array\"");
    }
    if let Some(kind) = &draft.kind {
        let _ = writeln!(out, "type = {}", spelled(kind));
        let named = draft.types.iter().take(TYPES_MAX).map(|(name, events)| format!("{name:?} ({events})"));
        let (named, more) = (named.collect::<Vec<_>>().join(", "), draft.types.len().saturating_sub(TYPES_MAX));
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let _ = writeln!(out, "# Of all types. Seen were {named}{more}: to count only some, name them here.");
        let _ = writeln!(out, "views = [\"all\"]");
    }
    for (key, times) in [("local_time", &draft.local_times), ("time_stamp", &draft.moments)] {
        if !times.is_empty() {
            let _ = writeln!(out, "{key} = {}", list(times));
        }
    }
    if let Some(page) = &draft.page {
        let _ = writeln!(out, "page = {}", spelled(page));
    }
    let _ = writeln!(out, "\n[fields]");
    for Field { name, way, kind, .. } in &draft.fields {
        let key = way.key.as_ref().map_or(String::new(), |key| format!(", key = {}", quoted(key)));
        let missing = if draft.has_or(name) { ", or = \"Unknown\"" } else { "" };
        let _ = writeln!(out, "{name} = {{ path = {}{key}, kind = {kind}{missing} }}", quoted(&way.path()));
    }
    for field in &draft.fields {
        reports(&mut out, field);
    }
    agents(&mut out, draft);
    if draft.fields.is_empty() {
        report(&mut out, "days", "Events by day", "events_daily", &["day"], "days = \"all\"");
    }
    out
}

impl Draft {
    /// Whether events without this field are shown as well.
    fn has_or(&self, name: &str) -> bool {
        self.fields.iter().any(|field| {
            field.name == name
                && field.role == Role::Few
                && (field.kind.starts_with("\"text") || field.kind.starts_with("\"id"))
        })
    }
}

fn reports(out: &mut String, Field { name, role, .. }: &Field) {
    let (title, dashed) = (name.replace('_', " "), name.replace('_', "-"));
    match role {
        Role::Page | Role::Ranked => {
            top(out, &format!("top-{dashed}"), &format!("Top by {title}"), &format!("top_{name}_daily"), name);
            let title = format!("Hourly events by {title}");
            report(out, &format!("{dashed}-hours"), &title, &format!("{name}_hourly"), &[name, "day", "hour"], "");
        }
        Role::Country => {
            let daily = format!("limit = 10\ndaily = \"top-{dashed}\"");
            report(out, &dashed, &format!("Events by {title}"), &format!("{name}_events"), &[name], &daily);
            top(out, &format!("top-{dashed}"), &format!("Top by {title} of a day"), &format!("top_{name}_daily"), name);
            let _ = writeln!(out, "\n[[report]]\ntable = \"{name}_daily\"\nby = [\"day\", \"{name}\"]");
        }
        Role::Type => {
            let title = format!("Hourly events by {title}");
            report(out, &format!("{dashed}-hours"), &title, &format!("{name}_hourly"), &[name, "day", "hour"], "");
        }
        Role::Few => {
            let title = format!("Events by {title}");
            report(out, &dashed, &title, &format!("{name}_daily"), &["day", name], "days = \"all\"");
        }
        Role::Agent => {}
    }
}

/// Hours by browser and operating system, if the draft has both.
fn agents(out: &mut String, draft: &Draft) {
    let of_agents = draft.fields.iter().filter(|field| field.role == Role::Agent).map(|field| field.name.as_str());
    let names: Vec<_> = of_agents.collect();
    if let [browser, os] = names[..] {
        let title = "Hourly events by browser and operating system";
        report(out, "agent-hours", title, "agents_hourly", &["day", "hour", browser, os], "");
    }
}

fn report(out: &mut String, name: &str, title: &str, table: &str, by: &[&str], more: &str) {
    let by: Vec<_> = by.iter().map(|dimension| format!("\"{dimension}\"")).collect();
    let by = by.join(", ");
    let more = if more.is_empty() { String::new() } else { format!("{more}\n") };
    let _ =
        write!(out, "\n[[report]]\nname = \"{name}\"\ntitle = \"{title}\"\ntable = \"{table}\"\nby = [{by}]\n{more}");
}

fn top(out: &mut String, name: &str, title: &str, table: &str, of: &str) {
    let top = format!("top = {{ count = 10, of = \"{of}\", by = [\"day\"] }}");
    let _ = write!(out, "\n[[report]]\nname = \"{name}\"\ntitle = \"{title}\"\ntable = \"{table}\"\n{top}\n");
}

/// A member of `[event]`.
fn spelled(way: &Way) -> String {
    match &way.key {
        Some(key) => format!("{{ path = {}, key = {} }}", quoted(&way.path()), quoted(key)),
        None => quoted(&way.path()),
    }
}

/// A list of members, of which an event uses the first that it has. A member in an array of pairs is listed alone.
fn list(ways: &[Way]) -> String {
    match ways {
        [way] => spelled(way),
        [way, ..] if way.key.is_some() => spelled(way),
        ways => {
            let ways: Vec<_> = ways.iter().filter(|way| way.key.is_none()).map(spelled).collect();
            format!("[{}]", ways.join(", "))
        }
    }
}

/// A TOML string; no member of a draft has a name that cannot be quoted like this.
fn quoted(text: &str) -> String {
    if text.contains('"') { format!("'{text}'") } else { format!("\"{text}\"") }
}
