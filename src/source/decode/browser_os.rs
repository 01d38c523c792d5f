//! Browser and operating system of a user agent.

use std::fmt;

use dataflows::BrowserOs;
use hashbrown::HashMap;
use woothee::parser::Parser;

use super::Scalar;

/// What woothee does not know, and what it calls unknown.
const UNKNOWN: &str = "Unknown";

/// How many user agents are remembered. The real topic has 207,500; one entry is about 150 bytes.
const REMEMBERED: usize = 1 << 18;
/// Longer user agents are parsed anew each time, so that hostile ones cannot fill the memory.
const LONGEST_REMEMBERED: usize = 1_024;

/// The names of browser and operating system by user agent; parsing one takes over a microsecond.
pub(super) struct BrowserOsNames {
    parser: Parser,
    /// By user agent, the place of its names among `names`: those are some hundred, so that they stay in the
    /// processor's cache.
    known: HashMap<Box<str>, u32>,
    names: Vec<BrowserOs<String>>,
    /// Of the last user agent that is not remembered.
    other: BrowserOs<String>,
}

impl Default for BrowserOsNames {
    fn default() -> Self {
        let other = BrowserOs::new(UNKNOWN, UNKNOWN);
        BrowserOsNames { parser: Parser::new(), known: HashMap::new(), names: Vec::new(), other }
    }
}

impl BrowserOsNames {
    /// The names for the member `user_agent`; what is not a text is unknown.
    pub fn of(&mut self, user_agent: &Scalar<'_>) -> BrowserOs<&str> {
        let text = match user_agent {
            Scalar::Text(text) => text.as_ref(),
            _ => "",
        };
        if text.len() > LONGEST_REMEMBERED {
            self.other = parse(&self.parser, text);
            return self.other.borrowed();
        }
        let place = match self.known.get(text) {
            Some(place) => *place,
            None => self.remember(text),
        };
        self.names[place as usize].borrowed()
    }

    #[inline(never)]
    fn remember(&mut self, user_agent: &str) -> u32 {
        if self.known.len() >= REMEMBERED {
            self.known.clear();
            self.names.clear();
        }
        let names = parse(&self.parser, user_agent);
        let place = self.names.iter().position(|known| *known == names).unwrap_or_else(|| {
            self.names.push(names);
            self.names.len() - 1
        });
        // Fewer than are remembered.
        self.known.insert(user_agent.into(), place as u32);
        place as u32
    }
}

fn parse(parser: &Parser, user_agent: &str) -> BrowserOs<String> {
    match parser.parse(user_agent) {
        Some(result) => BrowserOs::new(known(result.name), known(result.os)),
        None => BrowserOs::new(UNKNOWN, UNKNOWN),
    }
}

fn known(name: &str) -> &str {
    if matches!(name, "" | "UNKNOWN") { UNKNOWN } else { name }
}

impl fmt::Debug for BrowserOsNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrowserOsNames").field("known", &self.known.len()).finish_non_exhaustive()
    }
}
