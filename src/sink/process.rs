//! Identifies a process among all others: on its own kernel, whether it still runs is known at once.

use std::fmt;
use std::fs;
use std::str::FromStr;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// A process of a boot of a kernel and a namespace of process ids, by its id there and the moment of its start. A process id
/// alone is reused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProcessId {
    boot: String,
    namespace: String,
    pid: u32,
    /// In clock ticks since the boot.
    started: u64,
}

impl ProcessId {
    /// This process; none where there is no `/proc`.
    pub fn own() -> Option<ProcessId> {
        let pid = std::process::id();
        let (boot, namespace) = place()?;
        Some(ProcessId { boot, namespace, pid, started: stat(pid)?.started })
    }

    /// Whether it is known to have ended: also if this process got its id, by a new start in its place. What runs in
    /// another kernel or namespace is not known.
    pub fn is_gone(&self) -> bool {
        let is_here = place().is_some_and(|place| place == (self.boot.clone(), self.namespace.clone()));
        is_here
            && match stat(self.pid) {
                Some(Stat { is_zombie, started }) => {
                    is_zombie || started != self.started || self.pid == std::process::id()
                }
                // Details of others' processes may be hidden, but not their existence.
                None => !is_there(self.pid),
            }
    }
}

fn place() -> Option<(String, String)> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some((boot.trim().to_owned(), namespace.to_str()?.to_owned()))
}

/// What the kernel says of a process.
struct Stat {
    /// It has ended, and waits for its parent to take note.
    is_zombie: bool,
    started: u64,
}

/// Of a process that can be seen: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>.
fn stat(pid: u32) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name in parentheses, in which anything may stand: the third field and those after it.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let is_zombie = fields.next()? == "Z";
    Some(Stat { is_zombie, started: fields.nth(18)?.parse().ok()? })
}

fn is_there(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.boot, self.namespace, self.pid, self.started)
    }
}

impl FromStr for ProcessId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split(' ');
        let mut next = || parts.next().ok_or(());
        let (boot, namespace) = (next()?.to_owned(), next()?.to_owned());
        let (pid, started) = (next()?.parse().map_err(drop)?, next()?.parse().map_err(drop)?);
        Ok(ProcessId { boot, namespace, pid, started })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ended_process_is_gone() {
        let own = ProcessId::own().expect("a Linux");
        assert_eq!(own.to_string().parse(), Ok(own.clone()));
        assert!(own.is_gone(), "the caller has taken its place");
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("a child");
        let running = ProcessId { pid: child.id(), started: stat(child.id()).expect("a start").started, ..own.clone() };
        assert!(!running.is_gone());
        assert!(ProcessId { started: running.started + 1, ..running.clone() }.is_gone(), "another of the same id");
        child.kill().expect("a signal");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !running.is_gone() {
            assert!(std::time::Instant::now() < deadline, "a zombie counts as running");
        }
        child.wait().expect("an end");
        assert!(!ProcessId { boot: "another".into(), ..running }.is_gone());
    }
}
