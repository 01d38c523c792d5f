//! The names of browser and operating system: woothee's, or woothee's with rules on top.

mod memo;
mod rules;

use clap::ValueEnum;
use woothee::parser::{Parser, WootheeResult};

pub(super) use memo::KnownAgents;
use rules::{BROWSERS, CRAWLERS, Rules, SIGNS_OF_A_CRAWLER, SYSTEMS};

/// The rule set for browser and OS names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum UserAgents {
    /// woothee 0.13, as it is
    #[default]
    Woothee,
    /// woothee, and rules for the apps, browsers, crawlers and systems that it takes for others
    Extended,
}

impl UserAgents {
    /// The names of browser and operating system; "" or woothee's "UNKNOWN" for one that is not known.
    fn names<'a>(self, parser: &Parser, agent: &'a str) -> (&'a str, &'a str) {
        let parsed = parser.parse(agent).unwrap_or_default();
        match self {
            UserAgents::Woothee => (parsed.name, parsed.os),
            UserAgents::Extended => extended(agent, &parsed),
        }
    }
}

/// What the rules make of woothee's answer. The more of a user agent is made up to pass for another, the earlier its
/// rule: a crawler names the browser that it imitates, an app the browser that it is built on.
fn extended<'a>(agent: &str, parsed: &WootheeResult<'a>) -> (&'a str, &'a str) {
    if let Some(crawler) = first(CRAWLERS, agent) {
        return (crawler, "");
    }
    if matches!(parsed.category, "crawler" | "misc") {
        return (parsed.name, parsed.os);
    }
    if SIGNS_OF_A_CRAWLER.iter().any(|sign| agent.contains(sign)) {
        return ("misc crawler", "");
    }
    let system = first(SYSTEMS, agent).unwrap_or(parsed.os);
    let browser = first(BROWSERS, agent).unwrap_or(match parsed.name {
        // Android's own, before there was Chrome.
        "Safari" if system == "Android" => "Android Browser",
        name => name,
    });
    (browser, system)
}

/// The name of the first rule whose part of a user agent this one has.
fn first(rules: &Rules, agent: &str) -> Option<&'static str> {
    rules.iter().find(|(part, _)| agent.contains(part)).map(|(_, name)| *name)
}
