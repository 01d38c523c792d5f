//! The program under test, run as a process, and what that process cost.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use wait4::Wait4;

use super::machine;

/// How often the peak memory of a running process is read, which costs the process nothing.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A `freshet` to measure.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Its name in the report.
    pub name: &'static str,
    path: PathBuf,
}

impl Program {
    /// This program, and the one that it is compared with.
    pub fn all(against: Option<&Path>) -> Result<Vec<Program>> {
        let path = std::env::current_exe().context("the path of this program is not known")?;
        let mut programs = vec![Program { name: "this", path }];
        if let Some(path) = against {
            programs.push(Program { name: "against", path: found("--against", path)? });
        }
        Ok(programs)
    }

    /// A command that runs a subcommand.
    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = without_settings(&self.path);
        // The page is not measured, and its port may be taken.
        command.arg(subcommand).env("RUST_LOG", "error").env("FRESHET_HTTP", "off");
        command
    }
}

/// The whole path of a program that an option names: a name without a slash would be looked for in PATH.
pub(super) fn found(option: &str, path: &Path) -> Result<PathBuf> {
    ensure!(path.is_file(), "{option} {}: there is no such program", path.display());
    Ok(path.canonicalize()?)
}

/// A program, without what the environment would set for `freshet run`.
pub(super) fn without_settings(path: &Path) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FRESHET_") {
            command.env_remove(name);
        }
    }
    command
}

/// A process that runs; killed if it is dropped before its end.
pub(super) struct Process {
    /// None once somebody waits for its end.
    child: Option<Child>,
    id: u32,
    errors: File,
    started: Instant,
}

/// What a process has used from its start to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// Seconds of wall-clock time.
    pub seconds: f64,
    /// Seconds of CPU, user and system.
    pub cpu_seconds: f64,
    /// Peak resident memory in bytes; none if the machine does not report it.
    pub peak_memory: Option<u64>,
    /// Bytes that it sent to other processes of its cluster; none if it does not log it.
    pub sent_bytes: Option<u64>,
}

impl Cost {
    /// The cost of two processes that ran in parallel.
    pub fn beside(self, other: Cost) -> Cost {
        let both = |own: Option<u64>, others: Option<u64>| own.zip(others).map(|(own, others)| own + others);
        Cost {
            seconds: self.seconds.max(other.seconds),
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            peak_memory: both(self.peak_memory, other.peak_memory),
            sent_bytes: both(self.sent_bytes, other.sent_bytes),
        }
    }
}

impl Process {
    /// Starts it.
    pub fn start(command: &mut Command) -> Result<Process> {
        let errors = tempfile::tempfile()?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors.try_clone()?);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Process { id: child.id(), child: Some(child), errors, started })
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// An error if it has ended.
    pub fn must_run(&mut self) -> Result<()> {
        match self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
            None => Ok(()),
            Some(status) => bail!(self.complaint(status)),
        }
    }

    /// Asks it to end cleanly, and waits for that.
    pub fn stop(self) -> Result<Cost> {
        let process = i32::try_from(self.id()).ok().and_then(Pid::from_raw).context("a process without an id")?;
        kill_process(process, Signal::TERM)?;
        self.end()
    }

    /// Waits for its end, which must be a success.
    pub fn end(mut self) -> Result<Cost> {
        let (id, over, started) = (self.id, AtomicBool::new(false), self.started);
        let child = self.child.take().context("a process is waited for twice")?;
        let (ended, seconds, peak_memory) = thread::scope(|scope| {
            // The peak must be read before the process ends; what the kernel reports afterwards includes the memory of its
            // parent before exec.
            let peak = scope.spawn(|| {
                let mut peak = None;
                while !over.load(Ordering::Relaxed) {
                    peak = machine::peak_memory(id).max(peak);
                    thread::sleep(POLL_INTERVAL);
                }
                peak
            });
            let ended = child.wait4();
            let seconds = started.elapsed().as_secs_f64();
            over.store(true, Ordering::Relaxed);
            (ended, seconds, peak.join().ok().flatten())
        });
        let used = ended.context("a process cannot be waited for")?;
        ensure!(used.status.success(), self.complaint(used.status));
        let cpu_seconds = (used.rusage.utime + used.rusage.stime).as_secs_f64();
        Ok(Cost { seconds, cpu_seconds, peak_memory, sent_bytes: sent_bytes(&self.said()) })
    }

    /// How it ended, with the last line that it wrote.
    fn complaint(&mut self, status: ExitStatus) -> String {
        let last = self.said();
        let last = last.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        let last: String = last.chars().filter(|c| !c.is_control()).collect();
        format!("a measured process ended with {status}: {last}")
    }

    /// What it wrote to standard error.
    fn said(&mut self) -> String {
        let mut said = Vec::new();
        // Only a hint: without it there is still the status.
        let _ = self.errors.rewind().and_then(|()| self.errors.read_to_end(&mut said));
        String::from_utf8_lossy(&said).into_owned()
    }
}

/// The bytes that a line of the log reports as sent.
fn sent_bytes(log: &str) -> Option<u64> {
    log.lines().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?.get("sent_bytes")?.as_u64())
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // An error means that it has already ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
