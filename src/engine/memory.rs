//! The memory of this process: held against a limit, so that it ends with an error before the kernel kills it, and returned.

#![expect(unsafe_code, reason = "the C library alone can return what its heap keeps")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use bytesize::ByteSize;
use procfs::WithCurrentSystemInfo;
use procfs::process::Process;
use tracing::warn;

use crate::failure::Failure;

/// The share of the limit from which on a warning is due.
const WARN_SHARE: f64 = 0.8;

/// From this share on memory is checked more often: a start on a backlog takes 40 MiB in 100 ms (2 cores, 2026-11-29),
/// so there would be no check between the warning and the end.
const NEAR_SHARE: f64 = 0.5;
const NEAR_INTERVAL: Duration = Duration::from_millis(10);

/// The limit where none is given, as a share of what the container or the systemd service may have: the rest is for
/// what comes between two checks.
const GROUP_SHARE: f64 = 0.95;

/// The file with the memory limit of a control group: a number of bytes, or `max`. `groups` is what `/proc/self/cgroup`
/// says: in a container, where the group looks like the root, `0::/`.
fn limit_of(groups: &str) -> PathBuf {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    PathBuf::from("/sys/fs/cgroup").join(group).join("memory.max")
}

/// How much memory there may be.
#[derive(Debug)]
pub(super) struct Memory {
    limit: Option<ByteSize>,
    is_warned: bool,
    is_near: bool,
}

impl Memory {
    /// With this limit, else that of the control group, if it has one.
    pub fn new(limit: Option<ByteSize>) -> Self {
        let of_group = || {
            let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
            let bytes: u64 = fs::read_to_string(limit_of(&groups)).ok()?.trim().parse().ok()?;
            Some(ByteSize((bytes as f64 * GROUP_SHARE) as u64))
        };
        Memory { limit: limit.or_else(of_group), is_warned: false, is_near: false }
    }

    /// How long to wait until the next look, at most this long.
    pub fn interval(&self, at_most: Duration) -> Duration {
        if self.is_near { NEAR_INTERVAL.min(at_most) } else { at_most }
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
        let share = resident.as_u64() as f64 / limit.as_u64() as f64;
        self.is_near = share > NEAR_SHARE;
        if share > WARN_SHARE && !std::mem::replace(&mut self.is_warned, true) {
            warn!("{resident} of memory are in use, of --memory-limit {limit}; at the limit the run ends");
        }
        Ok(())
    }
}

/// Returns to the system what the C library keeps of freed memory.
///
/// Called once, after a start, which frees most of what it took: with five million counts the process then holds 38 bytes for
/// each instead of 51 to 55. If all freed memory were returned at once, as with `MALLOC_TRIM_THRESHOLD_=1048576`, a record would
/// cost 11 to 20 % more CPU (`freshet bench --restart 5000000`, `--records 1000000`, an Intel Xeon of 2 cores, 2026-11-30).
pub(super) fn return_freed() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the locks of the heaps that it looks at, and touches no memory that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_that_of_the_own_group() {
        let limit = |groups| limit_of(groups).display().to_string();
        assert_eq!(limit("0::/\n"), "/sys/fs/cgroup/memory.max");
        assert_eq!(limit("1:name=systemd:/a\n0::/system.slice/b\n"), "/sys/fs/cgroup/system.slice/b/memory.max");
        assert_eq!(limit(""), "/sys/fs/cgroup/memory.max");
    }
}
