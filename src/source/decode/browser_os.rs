//! Browser and operating system of a user agent.

use std::fmt;

use dataflows::BrowserOs;
use hashbrown::HashMap;
use woothee::parser::Parser;

use super::{Scalar, UserAgents};

/// What is not known, or called unknown by woothee.
const UNKNOWN: &str = "Unknown";

/// How many user agents are remembered. The real topic has 207,500; one entry is about 150 bytes.
const REMEMBERED: usize = 1 << 18;
/// Longer user agents are parsed anew each time, so that hostile ones cannot fill the memory.
const LONGEST_REMEMBERED: usize = 1_024;

/// The names of browser and operating system by user agent; parsing one takes over a microsecond.
pub(super) struct BrowserOsNames {
    user_agents: UserAgents,
    parser: Parser,
    /// By user agent, the place of its names among `names`: those are some hundred, so that they stay in the
    /// processor's cache.
    known: HashMap<Box<str>, u32>,
    names: Vec<BrowserOs<String>>,
    /// Of the last user agent that is not remembered.
    other: BrowserOs<String>,
}

impl BrowserOsNames {
    /// None yet; they are named as is said.
    pub fn new(user_agents: UserAgents) -> Self {
        let (known, names, other) = (HashMap::new(), Vec::new(), BrowserOs::new(UNKNOWN, UNKNOWN));
        BrowserOsNames { user_agents, parser: Parser::new(), known, names, other }
    }

    /// The names for the member `user_agent`; what is not a text is unknown.
    pub fn of(&mut self, user_agent: &Scalar<'_>) -> BrowserOs<&str> {
        let text = match user_agent {
            Scalar::Text(text) => text.as_ref(),
            _ => "",
        };
        if text.len() > LONGEST_REMEMBERED {
            self.other = self.parse(text);
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
        let names = self.parse(user_agent);
        let place = self.names.iter().position(|known| *known == names).unwrap_or_else(|| {
            self.names.push(names);
            self.names.len() - 1
        });
        // Fewer than are remembered.
        self.known.insert(user_agent.into(), place as u32);
        place as u32
    }

    fn parse(&self, user_agent: &str) -> BrowserOs<String> {
        let (browser, os) = self.user_agents.names(&self.parser, user_agent);
        BrowserOs::new(known(browser), known(os))
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
