//! The same visitors, in the event formats of other producers.

mod ga4;
pub mod hostile;
mod nginx;
mod posthog;
mod segment;
mod snowplow;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use rand::RngExt;
use serde_json::Value;

use super::Dice;
use super::clock::Moment;
use super::collections::Collection;
use super::shares::mostly_first;
use super::visitor::{Visitor, uuid};

/// A shape of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is that of the model of its name")]
pub enum Shape {
    #[default]
    Glamira,
    Segment,
    Snowplow,
    Posthog,
    Ga4,
    Nginx,
}

impl Shape {
    /// All of them.
    pub const ALL: [Shape; 6] =
        [Shape::Glamira, Shape::Segment, Shape::Snowplow, Shape::Posthog, Shape::Ga4, Shape::Nginx];

    /// The name of the model that reads it.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Glamira => "glamira",
            Shape::Segment => "segment",
            Shape::Snowplow => "snowplow",
            Shape::Posthog => "posthog",
            Shape::Ga4 => "ga4",
            Shape::Nginx => "nginx",
        }
    }

    /// The writer of an act; none for the shape that [`super::record`] writes.
    fn writer(self) -> Option<fn(&Act<'_>, &mut Dice) -> Value> {
        match self {
            Shape::Glamira => None,
            Shape::Segment => Some(segment::event),
            Shape::Snowplow => Some(snowplow::event),
            Shape::Posthog => Some(posthog::event),
            Shape::Ga4 => Some(ga4::event),
            Shape::Nginx => Some(nginx::event),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(name: &str) -> Result<Shape, String> {
        let names = || Shape::ALL.map(Shape::name).join(", ");
        Shape::ALL.into_iter().find(|shape| shape.name() == name).ok_or_else(|| format!("expected one of {}", names()))
    }
}

/// What `visitor` does at `moment`, in this shape; none for the shop's own shape.
pub(super) fn json(
    shape: Shape,
    visitor: &Visitor,
    collection: &Collection,
    moment: Moment,
    dice: &mut Dice,
) -> Option<String> {
    let write = shape.writer()?;
    let at = DateTime::from_timestamp(moment.utc, dice.random_range(0..1_000_000_000)).unwrap_or_default();
    let act = Act { visitor, collection, at, campaign: mostly_first(&CAMPAIGNS, dice) };
    Some(write(&act, dice).to_string())
}

/// Something that a visitor does.
struct Act<'a> {
    visitor: &'a Visitor,
    collection: &'a Collection,
    at: DateTime<Utc>,
    campaign: Option<Campaign>,
}

/// The campaign through which a visitor came.
#[derive(Clone, Copy)]
struct Campaign {
    source: &'static str,
    medium: &'static str,
    name: &'static str,
}

const fn campaign(source: &'static str, medium: &'static str, name: &'static str) -> Option<Campaign> {
    Some(Campaign { source, medium, name })
}

const CAMPAIGNS: [Option<Campaign>; 6] = [
    None,
    campaign("google", "cpc", "brand"),
    campaign("Newsletter", "email", "june sale"),
    campaign("facebook", "cpc", "mothers day"),
    campaign("criteo", "retargeting", "cart"),
    campaign("Instagram", "social", "new rings"),
];

/// The kind of event that is an order.
const ORDER: &str = "checkout_success";

impl Act<'_> {
    /// Whether a page is opened.
    fn is_view(&self) -> bool {
        self.collection.opens && !self.is_order()
    }

    fn is_order(&self) -> bool {
        self.collection.name == ORDER
    }

    /// The host, the path and the query of the page, `?` with it.
    fn page(&self) -> (&str, &str, &str) {
        let rest = self.visitor.current_url.split_once("://").map_or("", |(_, rest)| rest);
        let (host, _) = rest.split_once('/').unwrap_or((rest, ""));
        let target = &rest[host.len()..];
        let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
        (host, path, query)
    }

    /// The title of the page, from its address.
    fn title(&self) -> String {
        let (_, path, _) = self.page();
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let words = last.trim_end_matches(".html").replace(['-', '+'], " ");
        if words.is_empty() { "Home".into() } else { words }
    }

    /// The time in ISO 8601 with milliseconds and `Z`, this many milliseconds later.
    fn iso(&self, later: i64) -> String {
        (self.at + chrono::TimeDelta::milliseconds(later)).to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Code, English name and language of the country that the visitor is in.
    fn country(&self) -> Country {
        let label = self.visitor.shop.host.rsplit('.').next().unwrap_or_default();
        COUNTRIES.into_iter().find(|country| country.domain == label).unwrap_or(COUNTRIES[0])
    }

    fn is_mobile(&self) -> bool {
        ["Mobile", "Android", "iPhone"].iter().any(|word| self.visitor.user_agent.contains(word))
    }

    /// The browser and the operating system, as a producer might name them.
    fn agent(&self) -> (&'static str, &'static str) {
        let first = |names: &[(&str, &'static str)], other| {
            let known = names.iter().find(|(sign, _)| self.visitor.user_agent.contains(sign));
            known.map_or(other, |(_, name)| *name)
        };
        let browsers = [("Edg", "Edge"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari")];
        let systems =
            [("Android", "Android"), ("iPhone", "iOS"), ("iPad", "iOS"), ("Windows", "Windows"), ("Mac", "Macintosh")];
        (first(&browsers, "Other"), first(&systems, "Linux"))
    }

    /// The product that is looked at, on its page.
    fn product(&self) -> Option<String> {
        self.visitor.current_url.contains("-sku").then(|| self.visitor.product.id().to_string())
    }
}

/// A country by the last label of its domains.
#[derive(Clone, Copy)]
struct Country {
    domain: &'static str,
    code: &'static str,
    name: &'static str,
    locale: &'static str,
}

const fn country(domain: &'static str, code: &'static str, name: &'static str, locale: &'static str) -> Country {
    Country { domain, code, name, locale }
}

/// The first one stands for all other countries.
const COUNTRIES: [Country; 15] = [
    country("com", "US", "United States", "en-US"),
    country("de", "DE", "Germany", "de-DE"),
    country("uk", "GB", "United Kingdom", "en-GB"),
    country("fr", "FR", "France", "fr-FR"),
    country("it", "IT", "Italy", "it-IT"),
    country("es", "ES", "Spain", "es-ES"),
    country("se", "SE", "Sweden", "sv-SE"),
    country("au", "AU", "Australia", "en-AU"),
    country("ro", "RO", "Romania", "ro-RO"),
    country("nl", "NL", "Netherlands", "nl-NL"),
    country("ca", "CA", "Canada", "en-CA"),
    country("tr", "TR", "Türkiye", "tr-TR"),
    country("ch", "CH", "Switzerland", "de-CH"),
    country("at", "AT", "Austria", "de-AT"),
    country("pl", "PL", "Poland", "pl-PL"),
];

/// A text, or null where there is none.
fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// A random id, as most producers write it.
fn id(dice: &mut Dice) -> Value {
    uuid(dice).into()
}
