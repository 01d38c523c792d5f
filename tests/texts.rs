//! What the page says stands in a file for each language, all of it, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::support::browser::require_browser;
use crate::support::shop::{Shop, view};

/// The files of the page with this ending, by their names.
fn files(folder: &str, ending: &str) -> Result<BTreeMap<String, String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve/page").join(folder);
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == ending) {
            files.insert(path.file_stem().context("a name")?.to_string_lossy().into(), fs::read_to_string(&path)?);
        }
    }
    Ok(files)
}

fn languages() -> Result<BTreeMap<String, Map<String, Value>>> {
    files("texts", "json")?.into_iter().map(|(code, text)| Ok((code, serde_json::from_str(&text)?))).collect()
}

/// What stands between two marks, each time.
fn between<'a>(text: &'a str, before: &str, after: &str) -> BTreeSet<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split_once(after)).map(|(inside, _)| inside).collect()
}

/// The placeholders of a text, or of each of its plurals: there must always be one for the rest.
fn placeholders(text: &Value) -> BTreeSet<&str> {
    match text {
        Value::Object(plurals) => plurals.get("other").map(placeholders).unwrap_or_default(),
        text => between(text.as_str().unwrap_or_default(), "{", "}"),
    }
}

#[test]
fn every_language_says_the_same() -> Result<()> {
    let languages = languages()?;
    let english = &languages["en"];
    assert!(languages.len() > 1);
    for (code, texts) in &languages {
        let described = |texts: &Map<String, Value>| {
            texts
                .keys()
                .map(|key| (key.clone(), format!("{:?}", placeholders(&texts[key]))))
                .collect::<BTreeMap<_, _>>()
        };
        assert_eq!(described(texts), described(english), "{code}");
        for (key, text) in texts {
            let plurals: Vec<_> = text.as_object().map_or(vec![text], |plurals| plurals.values().collect());
            for text in plurals {
                assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{code}: {key}");
                assert!(placeholders(text).is_subset(&placeholders(&texts[key])), "{code}: {key}");
            }
        }
    }
    Ok(())
}

#[test]
fn texts_and_their_uses_agree() -> Result<()> {
    let (languages, scripts) = (languages()?, files("", "js")?);
    let page = &files("", "html")?["index"];
    let code: String = scripts.values().cloned().collect();
    let english = &languages["en"];
    let filled_by_the_server =
        ["lang", "days-max", "hourly-days-max", "texts", "language-options", "language", "locale"];
    let places = between(page, "{{", "}}");
    for place in &places {
        assert!(filled_by_the_server.contains(place) || english.contains_key(*place), "index.html: {place}");
    }
    // A key in a script stands in quotes, or it begins so.
    let families: Vec<_> = between(&code, "`", "${").into_iter().filter(|family| family.ends_with('.')).collect();
    let is_used = |key: &str| {
        places.contains(key)
            || filled_by_the_server.contains(&key)
            || code.contains(&format!("'{key}'"))
            || families.iter().any(|family| key.starts_with(family))
    };
    let unused: Vec<_> = english.keys().filter(|key| !is_used(key)).collect();
    assert!(unused.is_empty(), "no script and no place of index.html uses {unused:?}");
    let said: BTreeSet<_> =
        ["say(", "parts("].iter().flat_map(|call| between(&code, &format!("{call}'"), "'")).collect();
    assert!(said.len() > 50, "the search finds nothing");
    let missing: Vec<_> = said.into_iter().filter(|key| !english.contains_key(*key)).collect();
    assert!(missing.is_empty(), "no language has {missing:?}");
    // Every reason to reject a record has its form; what stands for something may stand for anything.
    let form = |text: &str| {
        let parts = text.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
        parts.collect::<Vec<_>>().join("{}")
    };
    let forms: Vec<_> = english.keys().filter_map(|key| Some(form(key.strip_prefix("reason.")?))).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/source/decode/reason.rs");
    let reasons = fs::read_to_string(file)?;
    let reasons: Vec<_> =
        reasons.split("#[error(").skip(1).filter_map(|rest| rest.split('"').nth(1)).map(form).collect();
    assert!(reasons.len() > 20, "the search finds nothing");
    for reason in reasons {
        let is_of = |known: &String| match reason.strip_suffix("{}") {
            Some(begin) => known.starts_with(begin),
            None => *known == reason,
        };
        assert!(forms.iter().any(is_of), "no language has {reason}");
    }
    // Every error that the stream of a page can be answered with has a meaning.
    for code in [
        "bad_request",
        "busy",
        "database_away",
        "internal",
        "no_tables",
        "password_needed",
        "user_needed",
        "wrong_host",
    ] {
        assert!(english.contains_key(&format!("error.{code}")), "{code}");
    }
    Ok(())
}

/// A word of a language, beside names of elements, classes, events and keys.
fn is_spoken(text: &str) -> bool {
    let words: Vec<_> = text.split(' ').collect();
    let is_word = |word: &&str| word.len() > 1 && word.chars().all(|letter| letter.is_ascii_alphabetic());
    let is_begun = |word: &str| {
        let mut letters = word.chars();
        letters.next().is_some_and(char::is_uppercase) && letters.clone().count() > 2 && letters.all(char::is_lowercase)
    };
    words.iter().filter(|word| is_word(word)).count() > 2 || words.iter().any(|word| is_begun(word))
}

#[test]
fn no_other_file_of_the_page_says_anything() -> Result<()> {
    assert!(
        is_spoken("Nothing is counted") && is_spoken("the last commit") && !is_spoken("heat walk") && is_spoken("Live")
    );
    for (name, code) in files("", "js")? {
        let code: String = code
            .lines()
            .filter(|line| !line.trim_start().starts_with(['/', '*']))
            .map(|line| format!("{line}\n"))
            .collect();
        // Keys that are pressed are called so by browsers.
        let names = ["Home", "End", "Escape", "Enter"];
        let strings = ["'", "`"].into_iter().flat_map(|quote| code.split(quote).skip(1).step_by(2));
        let said: Vec<_> = strings.filter(|text| is_spoken(text) && !names.contains(text)).collect();
        assert!(said.is_empty(), "{name}.js says {said:#?}: put it into the files of texts");
    }
    let page = &files("", "html")?["index"];
    for text in page.split('>').filter_map(|part| part.split_once('<')).map(|(text, _)| text.trim()) {
        let text: String = text.split("{{").map(|part| part.split_once("}}").map_or(part, |(_, rest)| rest)).collect();
        assert!(!text.contains(char::is_alphabetic) || text == "api/reports", "index.html says {text}");
    }
    for attribute in ["title", "aria-label", "placeholder"] {
        for text in between(page, &format!(" {attribute}=\""), "\"") {
            assert!(text.starts_with("{{") && text.ends_with("}}"), "index.html says {text}");
        }
    }
    Ok(())
}

#[test]
fn german_has_german_numbers_and_days() -> Result<()> {
    let Some(browser) = require_browser() else { return Ok(()) };
    let mut shop = Shop::open()?;
    shop.send(&vec![view(4, 8, "85", "6", "de", ""); 1_228])?;
    browser.appear(1280, 900, "light")?;
    browser.open(&format!("{}/?browser-os-hours.by=os", shop.url))?;
    let shown = "[document.documentElement.lang, document.title, document.querySelector('#total')?.textContent, \
        document.querySelector('#top-countries .label')?.textContent, document.querySelector('#top-countries .switch label:last-child')?.textContent, document.querySelector('#top-products')?.ariaLabel]";
    browser.until(shown, json!(["en", "Freshet – Thu, 4 Jun 2020", "1,237", "Germany", "All days", "Top products"]))?;
    // Another language is chosen as anything else is, and stays with it.
    browser.choose("#language", "de")?;
    browser.until(
        shown,
        json!(["de", "Freshet – Do., 4. Juni 2020", "1.237", "Deutschland", "Alle Tage", "Meistgesehene Produkte"]),
    )?;
    assert_eq!(browser.url()?, format!("{}/?browser-os-hours.by=os&lang=de", shop.url));
    let hour = "document.querySelector('#all-hours .hours li:nth-child(9)')?.textContent";
    browser.until(hour, "08:00: 1.232 Aufrufe")?;
    browser.picture("german")?;
    browser.until("document.querySelector('#earlier').disabled", false)?;
    browser.click("#earlier")?;
    browser.until("document.title", "Freshet – Mi., 3. Juni 2020")?;
    assert_eq!(browser.url()?, format!("{}/?lang=de&browser-os-hours.by=os&day=2020-06-03", shop.url));
    browser.open(&format!("{}/?lang=xx", shop.url))?;
    let advice = "document.querySelector('#advice').textContent";
    browser.until(advice, "The address asks for lang ‘xx’: there are de and en; this is the browser's. ")?;
    let complaints = browser.complaints()?;
    assert!(complaints.is_empty(), "{complaints:#?}");
    Ok(())
}
