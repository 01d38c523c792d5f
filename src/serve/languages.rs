//! The languages of the page: each is a file of texts, from which its page is rendered once.

use serde_json::{Map, Value};

use super::assets::FILES;
use crate::reports::{DAYS_MAX, HOURLY_DAYS_MAX};

/// The language if the page has none that the browser accepts.
const OTHERWISE: &str = "en";

/// A language.
pub(super) struct Language {
    /// The ISO 639 code, which is the name of its file.
    pub code: &'static str,
    /// The page in this language.
    pub page: String,
}

/// All languages that have a file.
pub(super) fn languages() -> Vec<Language> {
    let files = FILES.iter().filter_map(|(name, text)| {
        let code = name.strip_prefix("texts/")?.strip_suffix(".json")?;
        Some((code, serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default()))
    });
    let files: Vec<_> = files.collect();
    let index = FILES.iter().find(|(name, _)| *name == "index.html").map_or("", |(_, text)| text);
    files.iter().map(|(code, texts)| Language { code, page: page(index, code, texts, &files) }).collect()
}

/// The page with every placeholder `{{key}}` replaced by the text with this key.
fn page(index: &str, code: &str, texts: &Map<String, Value>, all: &[(&str, Map<String, Value>)]) -> String {
    let name = |texts: &Map<String, Value>| escaped(texts.get("language").and_then(Value::as_str).unwrap_or_default());
    let option = |(other, texts): &(&str, _)| {
        let selected = if *other == code { " selected" } else { "" };
        format!("<option value=\"{other}\" lang=\"{other}\"{selected}>{}</option>", name(texts))
    };
    let mut page = String::new();
    let mut parts = index.split("{{");
    page.extend(parts.next());
    for (key, rest) in parts.filter_map(|part| part.split_once("}}")) {
        page += &match key {
            "lang" => code.to_owned(),
            "days-max" => DAYS_MAX.to_string(),
            "hourly-days-max" => HOURLY_DAYS_MAX.to_string(),
            // Escaped, so that no text ends the script element.
            "texts" => Value::from(texts.clone()).to_string().replace('<', "\\u003c"),
            "language-options" => all.iter().map(option).collect(),
            key => escaped(texts.get(key).and_then(Value::as_str).unwrap_or_default()),
        };
        page += rest;
    }
    page
}

/// A text escaped for HTML, also for attributes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The index of the language to use: the one that the address asks for, or the browser's favourite among these.
pub(super) fn chosen<'a>(codes: impl Iterator<Item = &'a str>, query: &str, accepted: &str) -> usize {
    let codes: Vec<_> = codes.collect();
    let known = |code: &str| codes.iter().position(|other| other.eq_ignore_ascii_case(code));
    let asked = query.split('&').filter_map(|given| given.strip_prefix("lang=")).find_map(known);
    let mut wanted: Vec<_> = accepted.split(',').map(weighed).filter(|(_, weight)| *weight > 0.0).collect();
    // A stable sort: the first of equals wins.
    wanted.sort_by(|(_, left), (_, right)| right.total_cmp(left));
    asked.or_else(|| wanted.iter().find_map(|(code, _)| known(code))).or_else(|| known(OTHERWISE)).unwrap_or_default()
}

/// One range of `de-AT,de;q=0.9,en;q=0.5` without the region, and its weight.
fn weighed(range: &str) -> (&str, f64) {
    let (range, weight) = range.split_once(';').unwrap_or((range, "q=1"));
    let code = range.trim().split('-').next().unwrap_or_default();
    let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok());
    (code, weight.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_decides_before_the_browser() {
        for (query, accepted, expected) in [
            ("", "", "en"),
            ("", "fr-FR,fr;q=0.9", "en"),
            ("", "de-AT,de;q=0.9,en;q=0.5", "de"),
            ("", "en;q=0.5, DE ; q=0.8, fr", "de"),
            ("", "de;q=0, en;q=0.1", "en"),
            ("", "de;q=x", "en"),
            ("day=2020-06-04&lang=de", "en", "de"),
            ("lang=xx", "de", "de"),
        ] {
            let codes = ["de", "en"];
            assert_eq!(codes[chosen(codes.into_iter(), query, accepted)], expected, "{query} {accepted}");
        }
    }

    #[test]
    fn every_place_of_the_page_is_filled() {
        let all = languages();
        assert!(all.len() > 1, "a language is a file");
        for Language { code, page } in all {
            assert!(page.contains(&format!("<html lang=\"{code}\"")) && !page.contains("{{"), "{page}");
        }
    }
}
