//! The lease: the right of one process to write the tables, by a row that every commit changes first.
//!
//! Fencing rests on that row alone. It has the owner's name, a fencing token that each change of hands and each new session
//! raises, and a commit number that each commit raises. A commit compares all three in its own statement with what this
//! process knows. So neither a process that was stopped or cut off can commit, nor one behind whose back Postgres came back
//! without its last commits, nor one whose pooler switched servers. To end an old session only saves waiting for its locks.

use std::time::Duration;

use anyhow::{Result, bail};
use tracing::info;

use super::Rewound;
use super::store::Session;
use crate::clock::Clock;
use crate::failure::Failure;

/// A claim that did not change for this long, by the clock of the reader, is abandoned: five heartbeats.
const STALE_AFTER: Duration = Duration::from_secs(10);
/// How often a starting process looks at the claim.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The right to write the tables.
#[derive(Debug)]
pub(super) struct Lease {
    instance: Instance,
    /// The row as of the last commit that this process knows of.
    owner: Owner,
}

/// The owner's row, as commits compare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Raised by each change of hands and each new session.
    pub fencing_token: i64,
    /// The name of the owner, if there is one.
    pub instance: Option<String>,
    /// Raised by each commit.
    pub commit_number: i64,
}

/// The same row, as a candidate sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Of the owner.
    pub fencing_token: i64,
    /// The name of the owner, if there is one.
    pub instance: Option<String>,
    /// Changes with every commit and every heartbeat of a living owner.
    pub pulse: String,
    /// Why the owner can own nothing any more, if that is known.
    pub is_void: Option<&'static str>,
    /// The name of the instance that asks for the tables, if one does.
    pub asked_by: Option<String>,
}

/// A name for this process that no other has.
#[derive(Clone, Debug)]
pub struct Instance {
    name: String,
    /// Ends the name, and stands in the `application_name` of the process's sessions, which holds 63 bytes.
    mark: String,
}

impl Instance {
    /// A name of this process, for one time that it owns tables.
    pub(super) fn new() -> Instance {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "this host".into());
        let mark = format!("{:016x}", rand::random::<u64>());
        Instance { name: format!("process {} on {}, {mark}", std::process::id(), host.trim()), mark }
    }

    /// How it is stored and shown.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `application_name` of its session for this use, behind what the user calls the program.
    pub(super) fn session_name(&self, given: Option<&str>, usage: &str) -> String {
        let given: String = given.unwrap_or("freshet").chars().filter(char::is_ascii).take(30).collect();
        format!("{given} {} {usage}", self.mark)
    }
}

impl Claim {
    /// Why the tables may be taken at once, if they may.
    pub(super) fn is_free(&self) -> Option<&'static str> {
        if self.instance.is_none() { Some("") } else { self.is_void }
    }
}

impl Lease {
    /// Takes the tables over for an instance from an owner that stopped, is gone or shows no sign of life; refuses if it lives.
    /// Waits while another instance asks for them, which keeps them for a moment only.
    pub fn acquire(session: &mut impl Session, clock: &dyn Clock, instance: Instance) -> Result<Lease> {
        let (mut first, mut since) = (session.claim()?, clock.now());
        let (mut is_logged, mut is_asked) = (false, false);
        loop {
            let seen = session.claim()?;
            if seen.asked_by.as_ref().is_some_and(|asked_by| asked_by != instance.name()) {
                if !std::mem::replace(&mut is_asked, true) {
                    info!("waiting for the end of a freshet forget");
                }
                (first, since) = (seen, clock.now());
                clock.sleep(POLL_INTERVAL);
                continue;
            }
            let is_stale = seen == first && clock.now() - since >= STALE_AFTER;
            let reason = seen.is_free().or(is_stale.then_some("no heartbeat for 10 s"));
            if let Some(reason) = reason {
                if let Some(owner) = session.acquire(&seen, &instance)? {
                    if let Some(before) = &seen.instance {
                        info!("took over the tables from {before}: {reason}");
                    }
                    return Ok(Lease { instance, owner });
                }
            } else if seen.pulse != first.pulse || seen.instance != first.instance {
                let owner = seen.instance.unwrap_or_default();
                bail!(Failure::OwnedByAnother(format!(
                    "these tables are owned by another instance ({owner}); stop it first, or give --database-url another database"
                )));
            } else if seen.fencing_token != first.fencing_token {
                // The owner regained it, or Postgres lost that it did: neither is a sign of life by itself.
                (first, since) = (seen, clock.now());
            } else if !std::mem::replace(&mut is_logged, true) {
                let owner = seen.instance.unwrap_or_default();
                info!("the tables are owned by {owner}; waiting up to 10 s for a sign of life");
            }
            clock.sleep(POLL_INTERVAL);
        }
    }

    /// Who holds it.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The row as this process left it.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The number of the last commit that this process knows of.
    pub fn commit_number(&self) -> i64 {
        self.owner.commit_number
    }

    /// Holds on to the lease in a new session, after the old one was lost. When this returns the old session can commit
    /// nothing any more, and `commit_number` tells whether the commit that was under way has happened. An error if another
    /// instance has taken over, or if Postgres lost commits.
    pub fn regain(&mut self, session: &mut impl Session) -> Result<()> {
        self.owner = session.regain(&self.instance, |owner| self.check(owner, 1))?;
        Ok(())
    }

    /// The commit has happened.
    pub fn committed(&mut self) {
        self.owner.commit_number += 1;
    }

    /// An error if the row is not as this process left it, except for up to this many commits whose answers were lost.
    pub fn check(&self, found: &Owner, unanswered: i64) -> Result<()> {
        let (number, known) = (found.commit_number, self.owner.commit_number);
        let is_ours = found.instance == self.owner.instance;
        let is_before = found.fencing_token < self.owner.fencing_token;
        if number < known && (is_before || is_ours) {
            bail!(Rewound::Commits { first: number + 1, last: known });
        }
        if is_before {
            bail!(Rewound::Ownership);
        }
        if !is_ours {
            let what =
                "another instance took the ownership of these tables, or a rebuild has replaced them; this one stops";
            bail!(Failure::OwnershipLost(what.into()));
        }
        if number > known + unanswered {
            bail!("the table freshet_owner is not where this process left it: somebody else has written to it");
        }
        Ok(())
    }
}
