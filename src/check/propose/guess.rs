//! Guesses what the members are for, by their values and names.

use std::cmp::Reverse;

use dataflows::model::Model;

use super::{Draft, Envelope, Field, Role, Survey, Way};
use crate::check::example;
use crate::check::members::Member;

/// Distinct values up to which a member is a group, and the number of such groups at most.
const GROUP_VALUES_MAX: usize = 40;
const GROUPS_MAX: usize = 8;

/// Names of members with the event's type, the likeliest first; in the form of [`plain`].
const TYPES: [&str; 8] = ["eventname", "eventtype", "collection", "event", "type", "action", "kind", "name"];
/// Names of the time at which an event happened, likewise.
const TIMES: [&str; 14] = [
    "localtime",
    "eventtime",
    "eventtimestamp",
    "derivedtstamp",
    "occurredat",
    "timestamp",
    "time",
    "timeiso8601",
    "ts",
    "datetime",
    "date",
    "createdat",
    "originaltimestamp",
    "msec",
];
/// Words in the names of other times.
const OTHER_TIMES: [&str; 16] = [
    "received",
    "sent",
    "server",
    "etl",
    "collector",
    "ingest",
    "load",
    "updated",
    "first",
    "previous",
    "birth",
    "expire",
    "session",
    "dvce",
    "signup",
    "offset",
];
/// Names of the page's address.
const PAGES: [&str; 10] =
    ["currenturl", "pageurl", "pagelocation", "url", "location", "href", "uri", "requesturi", "pathname", "path"];
/// Things whose ids are ranked.
const RANKED: [&str; 7] = ["product", "sku", "item", "article", "store", "shop", "category"];
/// Words in the names of members that say nothing about the event.
const TECHNICAL: [&str; 12] = [
    "version",
    "library",
    "lib",
    "schema",
    "encoding",
    "charset",
    "colordepth",
    "cookie",
    "bundle",
    "token",
    "key",
    "vendor",
];

/// A draft for these events; none if no member has their time.
pub(super) fn draft(survey: &Survey, envelope: Envelope) -> Option<Draft> {
    let (moments, local_times) = (times(survey, |it| it.moments), times(survey, |it| it.local_times));
    if moments.is_empty() && local_times.is_empty() {
        return None;
    }
    let kind = kind(survey);
    let mut fields = Fields { survey, kind: kind.map(|(way, _)| way.to_string()), fields: Vec::new() };
    let mut types = Vec::new();
    if let Some((way, member)) = kind {
        let is_taken = fields.kind.as_deref() == Some("event_type");
        fields.add(if is_taken { "event_kind" } else { "event_type" }, way, "text", Role::Type);
        types = member.values.iter().map(|(name, events)| (name.clone(), *events)).collect();
        types.sort_by_key(|(_, events)| Reverse(*events));
    }
    let page = fields.add_page();
    fields.add_referrer();
    fields.add_country(page.as_ref());
    fields.add_agent();
    fields.add_ranked();
    fields.add_groups();
    Some(Draft {
        is_array: envelope == Envelope::Array,
        kind: kind.map(|(way, _)| way.clone()),
        types,
        moments,
        local_times,
        page,
        fields: fields.fields,
    })
}

/// The last name on the way to a member, which says most about it.
fn last(way: &Way) -> &str {
    way.key.as_deref().or(way.names.last().map(String::as_str)).unwrap_or_default()
}

/// A name in lowercase, without the separators between words.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The position of a name in a list; the length of the list if it is not there.
fn rank(list: &[&str], name: &str) -> usize {
    list.iter().position(|known| *known == name).unwrap_or(list.len())
}

/// Members whose names a file can spell, with their values.
fn spelled(survey: &Survey) -> impl Iterator<Item = (&Way, &Member)> {
    let is_spelled =
        |name: &String| !name.is_empty() && !name.contains(|c: char| c.is_control() || "'\"\\".contains(c));
    let spelled = survey.members.iter().filter(move |(way, _)| way.names.iter().chain(&way.key).all(is_spelled));
    spelled.filter(|(way, _)| is_reachable(survey, way))
}

/// Whether there are only objects on the way to a member: otherwise looking it up is an error.
fn is_reachable(survey: &Survey, way: &Way) -> bool {
    (1..way.names.len() + usize::from(way.key.is_some())).all(|names| {
        let on_the_way = Way { names: way.names[..names].to_vec(), key: None };
        let kind = if names == way.names.len() { "array" } else { "object" };
        survey.members.get(&on_the_way).is_some_and(|it| {
            let others = it.records - it.of_type(kind) - it.of_type("null");
            others * 100 <= it.records
        })
    })
}

/// Members that mostly hold times of a kind, the likeliest first.
fn times(survey: &Survey, of: impl Fn(&Member) -> u64) -> Vec<Way> {
    let is_time = |(_, member): &(&Way, &Member)| member.is_mostly(of(member)) && survey.share(member) >= 0.5;
    let mut found: Vec<_> = spelled(survey).filter(is_time).collect();
    found.sort_by_key(|(way, member)| {
        let name = plain(last(way));
        let is_other = OTHER_TIMES.iter().any(|word| name.contains(word));
        // A difference of a few percent is no reason to prefer another member.
        let rare = 100 - (100.0 * survey.share(member)) as usize;
        (is_other, rare / 5, rank(&TIMES, &name), way.names.len())
    });
    let mut ways: Vec<_> = found.into_iter().map(|(way, _)| way.clone()).collect();
    ways.truncate(3);
    ways
}

/// The member with the event's type.
fn kind(survey: &Survey) -> Option<(&Way, &Member)> {
    let is_kind = |(way, member): &(&Way, &Member)| {
        let rank = rank(&TYPES, &plain(last(way)));
        let is_few = member.values.len() <= GROUP_VALUES_MAX && !member.has_more_values;
        rank < TYPES.len()
            && way.names.len() <= 2
            && way.key.is_none()
            && survey.share(member) >= 0.95
            && member.is_mostly(member.of_type("text"))
            && member.urls + member.agents == 0
            && (is_few || rank < 3)
    };
    spelled(survey).filter(is_kind).min_by_key(|(way, _)| (way.names.len(), rank(&TYPES, &plain(last(way)))))
}

/// The fields found so far.
struct Fields<'a> {
    survey: &'a Survey,
    /// The member with the type, whose name no field may have.
    kind: Option<String>,
    fields: Vec<Field>,
}

impl<'a> Fields<'a> {
    /// Adds a field, if a name is free.
    fn add(&mut self, name: &str, way: &Way, kind: &str, role: Role) {
        let kind = kind
            .split_once(' ')
            .map_or(format!("\"{kind}\""), |(kind, parameter)| format!("\"{kind}\", parameter = \"{parameter}\""));
        if let Some(name) = self.free(name, way) {
            self.fields.push(Field { name, way: way.clone(), kind, role });
        }
    }

    /// The name in the form of columns, or with the name of the object that the member is in.
    fn free(&self, name: &str, way: &Way) -> Option<String> {
        let parent = way.names.iter().rev().nth(usize::from(way.key.is_none())).map_or("event", String::as_str);
        let names = [snake(name), format!("{}_{}", snake(parent), snake(name)), format!("{}_", snake(name))];
        let is_free = |name: &String| {
            self.kind.as_ref() != Some(name) && self.fields.iter().all(|field| field.name != *name) && is_name(name)
        };
        names.into_iter().find(is_free)
    }

    fn has(&self, way: &Way) -> bool {
        self.fields.iter().any(|field| field.way == *way)
    }

    /// The likeliest of the members that pass `is`.
    fn likeliest(
        &self,
        is: impl Fn(&str, &Member) -> bool,
        rank: impl Fn(&str) -> usize,
    ) -> Option<(&'a Way, &'a Member)> {
        let survey = self.survey;
        let is = |(way, member): &(&Way, &Member)| survey.share(member) >= 0.2 && is(&plain(last(way)), member);
        spelled(survey).filter(is).min_by_key(|(way, member)| {
            let rare = 100 - (100.0 * survey.share(member)) as usize;
            (rare / 10, rank(&plain(last(way))), way.names.len())
        })
    }

    fn add_page(&mut self) -> Option<Way> {
        let by_name = |name: &str| rank(&PAGES, name);
        let is_page = |name: &str, it: &Member| !name.contains("ref") && it.is_mostly(it.urls);
        if let Some((way, member)) = self.likeliest(is_page, by_name) {
            self.add("page", way, "path", Role::Page);
            self.add("site", way, "host", Role::Few);
            for (parameter, name) in [("utm_source", "source"), ("utm_campaign", "campaign")] {
                if member.parameters.get(parameter).is_some_and(|times| times * 100 >= self.survey.events) {
                    self.add(name, way, &format!("query {parameter}"), Role::Few);
                }
            }
            return Some(way.clone());
        }
        let is_path = |name: &str, it: &Member| by_name(name) < PAGES.len() && it.is_mostly(it.paths);
        // Of an access log, the one without the query first.
        if let Some((way, _)) = self.likeliest(is_path, |name| usize::from(name.contains("request"))) {
            self.add("page", way, "url", Role::Page);
        }
        None
    }

    fn add_referrer(&mut self) {
        let is_referrer = |name: &str, it: &Member| name.contains("refer") && it.urls * 20 >= it.records;
        if let Some((way, _)) = self.likeliest(is_referrer, str::len) {
            self.add("referrer", way, "host", Role::Ranked);
        }
    }

    fn add_country(&mut self, page: Option<&Way>) {
        let is_code = |name: &str, it: &Member| name.contains("country") && it.is_mostly(it.codes);
        let is_name = |name: &str, it: &Member| name.contains("country") && it.is_mostly(it.of_type("text"));
        if let Some((way, _)) = self.likeliest(is_code, str::len) {
            self.add("country", way, "country-code", Role::Country);
        } else if let Some((way, _)) = self.likeliest(is_name, str::len) {
            self.add("country", way, "text", Role::Country);
        } else if let Some(page) = page {
            self.add("country", page, "country", Role::Country);
        }
    }

    fn add_agent(&mut self) {
        if let Some((way, _)) = self.likeliest(|_, it| it.is_mostly(it.agents), str::len) {
            self.add("browser", way, "browser", Role::Agent);
            self.add("os", way, "os", Role::Agent);
            self.add("device", way, "device", Role::Few);
        }
    }

    fn add_ranked(&mut self) {
        let is_ranked = |(way, it): &(&Way, &Member)| {
            let name = plain(last(way));
            RANKED.iter().any(|thing| name.strip_suffix("id").unwrap_or(&name) == *thing)
                && it.is_mostly(it.of_type("text") + it.of_type("whole number"))
                && self.survey.share(it) >= 0.05
        };
        let found: Vec<_> = spelled(self.survey).filter(is_ranked).map(|(way, _)| way.clone()).take(3).collect();
        for way in found {
            self.add(last(&way), &way, "id", Role::Ranked);
        }
    }

    /// Adds members with few values.
    fn add_groups(&mut self) {
        let is_group = |(way, it): &(&Way, &Member)| {
            let (all, name) = (way.to_string(), plain(last(way)));
            let is_technical = TECHNICAL.iter().any(|word| name.contains(word)) || name.ends_with("id");
            let kinds = [it.of_type("text"), it.of_type("whole number") + it.of_type("text"), it.of_type("boolean")];
            (2..=GROUP_VALUES_MAX).contains(&it.values.len())
                && !it.has_more_values
                && it.longest <= 100
                && self.survey.share(it) >= 0.2
                && kinds.into_iter().any(|times| it.is_mostly(times))
                && it.moments + it.local_times + it.urls + it.agents == 0
                && !is_technical
                && !example::is_personal(&all)
                && it.examples.iter().all(|example| !example.ends_with(" letters)"))
                && !self.has(way)
                // Not the country again, under another name.
                && self.fields.iter().all(|field| field.role != Role::Country || !name.contains("country"))
        };
        let mut found: Vec<_> = spelled(self.survey).filter(is_group).collect();
        found.sort_by_key(|(way, it)| {
            (100 - (100.0 * self.survey.share(it)) as usize, way.names.len(), Reverse(it.values.len()))
        });
        for (way, member) in found.into_iter().take(GROUPS_MAX) {
            let kind = match member {
                it if it.is_mostly(it.of_type("boolean")) => "boolean",
                it if it.of_type("whole number") > 0 => "id",
                _ => "text",
            };
            self.add(last(way), way, kind, Role::Few);
        }
    }
}

/// A name in the form of columns: `$deviceType` becomes `device_type`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    let mut before = '_';
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
                snake.push('_');
            }
            snake.push(c.to_ascii_lowercase());
        } else if !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        before = c;
    }
    snake.trim_end_matches('_').chars().take(40).collect()
}

/// Whether a field may have this name: tries it in a file.
fn is_name(name: &str) -> bool {
    let file = format!(
        "event = {{ type = \"a\", views = [\"all\"], time_stamp = \"b\" }}\nfields = {{ {name} = {{ path = \"c\", kind = \"text\" }} }}\n\
         report = [{{ table = \"{name}_daily\", by = [\"day\", \"{name}\"] }}]"
    );
    Model::parse(&file, name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_those_of_columns() {
        for (name, snaked) in [
            ("deviceType", "device_type"),
            ("$geoip_country_code", "geoip_country_code"),
            ("URL", "url"),
            ("a.b-c", "a_b_c"),
            ("日", ""),
        ] {
            assert_eq!(snake(name), snaked);
        }
        assert!(is_name("device_type") && !is_name("day") && !is_name("select") && !is_name("") && !is_name("7days"));
    }
}
