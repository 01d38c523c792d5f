//! The memory of this process against a limit, so that it ends with a word before the kernel ends it without one.

use std::fs;

use anyhow::{Result, bail};
use bytesize::ByteSize;
use procfs::WithCurrentSystemInfo;
use procfs::process::Process;
use tracing::warn;

use crate::failure::Failure;

/// From this share of the limit on it is warned of.
const WARNED: f64 = 0.8;

/// Of the memory that a container may have, the share that is the limit where none is given: the rest is for what comes
/// between two looks.
const OF_CONTAINER: f64 = 0.95;

/// Where a container finds how much memory it may have: a number of bytes, or `max`.
const CGROUP_LIMIT: &str = "/sys/fs/cgroup/memory.max";

/// How much memory there may be.
#[derive(Debug)]
pub(super) struct Memory {
    limit: Option<ByteSize>,
    is_warned: bool,
}

impl Memory {
    /// At most so much, else what the container may have, if there is a bound to that.
    pub fn new(limit: Option<ByteSize>) -> Self {
        let of_container = || {
            let bytes: u64 = fs::read_to_string(CGROUP_LIMIT).ok()?.trim().parse().ok()?;
            Some(ByteSize((bytes as f64 * OF_CONTAINER) as u64))
        };
        Memory { limit: limit.or_else(of_container), is_warned: false }
    }

    /// To be called every now and then: fails once the process has more than the limit resident.
    pub fn look(&mut self) -> Result<()> {
        let Some(limit) = self.limit else { return Ok(()) };
        let resident = ByteSize(Process::myself()?.stat()?.rss_bytes().get());
        if resident > limit {
            bail!(Failure::MemoryExceeded(format!(
                "{resident} of memory are in use, more than --memory-limit {limit}; what was committed stands: start again \
                 with more memory, or build tables with fewer --max-members"
            )));
        }
        if resident.as_u64() as f64 > WARNED * limit.as_u64() as f64 && !std::mem::replace(&mut self.is_warned, true) {
            warn!("{resident} of memory are in use, of --memory-limit {limit}; at the limit the run ends");
        }
        Ok(())
    }
}
