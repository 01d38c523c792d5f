//! What user agents say, each parsed once.

use std::fmt;

use hashbrown::HashMap;
use woothee::parser::Parser;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::UserAgents;

/// What is not known, or called unknown by woothee.
const UNKNOWN: &str = "Unknown";

/// How many user agents are remembered. The real topic has 207,500.
const REMEMBERED_MAX: usize = 1 << 18;

/// The names of browser and operating system by user agent; parsing one takes over a microsecond.
pub(in super::super) struct KnownAgents {
    user_agents: UserAgents,
    parser: Parser,
    /// By the hash of a user agent, the place of its names among `names`: those are some hundred, so that they stay in the
    /// processor's cache. The texts would take three times the memory, and a look at one takes longer than its hash.
    known: HashMap<u128, u32>,
    /// They are never dropped: whatever visitors send, there are no others than woothee's and the rules'.
    names: Vec<AgentNames>,
    /// The seed of the hashes, which are of 128 bits: no two user agents share one by chance, nor by design without the
    /// seed.
    seed: u64,
}

/// What a user agent says.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct AgentNames {
    /// The browser.
    pub browser: String,
    /// The operating system.
    pub os: String,
    /// The kind of device.
    pub device: &'static str,
}

impl AgentNames {
    /// Whether it is a crawler's.
    pub fn is_crawler(&self) -> bool {
        self.device == "crawler"
    }
}

impl KnownAgents {
    /// None yet; `user_agents` names them.
    pub fn new(user_agents: UserAgents) -> Self {
        let (known, names) = (HashMap::new(), Vec::new());
        KnownAgents { user_agents, parser: Parser::new(), known, names, seed: rand::random() }
    }

    /// The place of what this user agent says.
    pub fn place(&mut self, user_agent: &str) -> u32 {
        let hash = xxh3_128_with_seed(user_agent.as_bytes(), self.seed);
        match self.known.get(&hash) {
            Some(place) => *place,
            None => self.remember(hash, user_agent),
        }
    }

    /// What is at a place.
    pub fn at(&self, place: u32) -> &AgentNames {
        &self.names[place as usize]
    }

    #[inline(never)]
    fn remember(&mut self, hash: u128, user_agent: &str) -> u32 {
        if self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
        }
        let names = self.parse(user_agent);
        let place = self.names.iter().position(|known| *known == names).unwrap_or_else(|| {
            self.names.push(names);
            self.names.len() - 1
        });
        // Some hundred.
        self.known.insert(hash, place as u32);
        place as u32
    }

    fn parse(&self, user_agent: &str) -> AgentNames {
        let (browser, os) = self.user_agents.names(&self.parser, user_agent);
        let (browser, os) = (known(browser), known(os));
        AgentNames { browser: browser.into(), os: os.into(), device: dataflows::category(browser, os) }
    }
}

fn known(name: &str) -> &str {
    if matches!(name, "" | "UNKNOWN") { UNKNOWN } else { name }
}

impl fmt::Debug for KnownAgents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownAgents").field("known", &self.known.len()).finish_non_exhaustive()
    }
}
