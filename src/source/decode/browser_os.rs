//! Browser and operating system of a user agent.

use std::fmt;

use dataflows::BrowserOs;
use hashbrown::HashMap;
use woothee::parser::Parser;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::{Scalar, UserAgents};

/// What is not known, or called unknown by woothee.
const UNKNOWN: &str = "Unknown";

/// How many user agents are remembered. The real topic has 207,500.
const REMEMBERED: usize = 1 << 18;

/// The names of browser and operating system by user agent; parsing one takes over a microsecond.
pub(super) struct BrowserOsNames {
    user_agents: UserAgents,
    parser: Parser,
    /// By the hash of a user agent, the place of its names among `names`: those are some hundred, so that they stay in the
    /// processor's cache. The texts would take three times the memory, and a look at one takes longer than its hash.
    known: HashMap<u128, u32>,
    names: Vec<BrowserOs<String>>,
    /// Of the hashes, which are of 128 bits: no two user agents share one by chance, nor by design without the seed.
    seed: u64,
}

impl BrowserOsNames {
    /// None yet; they are named as is said.
    pub fn new(user_agents: UserAgents) -> Self {
        let (known, names) = (HashMap::new(), Vec::new());
        BrowserOsNames { user_agents, parser: Parser::new(), known, names, seed: rand::random() }
    }

    /// The names for the member `user_agent`; what is not a text is unknown.
    pub fn of(&mut self, user_agent: &Scalar<'_>) -> BrowserOs<&str> {
        let text = match user_agent {
            Scalar::Text(text) => text.as_ref(),
            _ => "",
        };
        let hash = xxh3_128_with_seed(text.as_bytes(), self.seed);
        let place = match self.known.get(&hash) {
            Some(place) => *place,
            None => self.remember(hash, text),
        };
        self.names[place as usize].borrowed()
    }

    #[inline(never)]
    fn remember(&mut self, hash: u128, user_agent: &str) -> u32 {
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
        self.known.insert(hash, place as u32);
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
