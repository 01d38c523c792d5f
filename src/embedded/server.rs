//! One server process and the watchdog that ends it when we cannot.
//!
//! `Drop` covers a normal end and a panic, but neither a `static` (never dropped) nor a `kill -9` of ourselves. So
//! beside each server sits a tiny shell that reads from a pipe of which only we hold the writing end: when we are
//! gone, for whatever reason, the pipe closes, and the shell ends the server and removes its directory.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How often a condition is looked at while we wait for it.
const POLL: Duration = Duration::from_millis(10);

/// How long a server may take to obey a signal before it is killed.
const OBEY: Duration = Duration::from_secs(20);

/// `$1` is the signal, `$2` the server's process id, `$3` the directory to remove. The signals of a terminal must not
/// end it before the server is gone; after 10 s the server is killed, so that a deaf one does not stay either. In a
/// container without an init nobody buries an orphan, so a dead one counts as gone.
const WATCHDOG: &str = r#"
trap '' HUP INT TERM
alive() { kill -0 "$1" && ! grep -qs '^State:.*Z' "/proc/$1/status"; }
read -r _
kill -s "$1" "$2"
tries=0
while alive "$2" && [ "$tries" -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
kill -s KILL "$2"
rm -rf "$3"
"#;

/// A running server, ended with its last signal when dropped.
pub(super) struct Server {
    child: Child,
    watchdog: Child,
    last_signal: Signal,
}

impl Server {
    /// The process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts `command` in a process group of its own (Ctrl-C is for us, not for the server), its output going to `log`.
    /// `last_signal` is what ends it at once; `dir` is removed if we die before it.
    pub(super) fn spawn(command: &mut Command, log: &Path, dir: &Path, last_signal: Signal) -> Result<Server> {
        let output = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        match watchdog(&child, dir, last_signal) {
            Ok(watchdog) => Ok(Server { child, watchdog, last_signal }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// Sends `signal` and waits until the process is gone.
    pub(super) fn end(mut self, signal: Signal) -> Result<ExitStatus> {
        self.signal_and_wait(signal)
    }

    /// Waits until `probe` holds; an error if the server ends before, or `patience` does.
    pub(super) fn ready(&mut self, log: &Path, patience: Duration, mut probe: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !probe() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended while starting ({status}): {}", last_lines(log));
            }
            if Instant::now() > deadline {
                bail!("the server was not ready after {} s: {}", patience.as_secs(), last_lines(log));
            }
            sleep(POLL);
        }
        Ok(())
    }

    fn signal_and_wait(&mut self, signal: Signal) -> Result<ExitStatus> {
        let deadline = Instant::now() + OBEY;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                self.child.kill()?;
                return Ok(self.child.wait()?);
            }
            // Sent again each time: a server that is just starting may not listen to its first signal.
            kill_process(pid(&self.child)?, signal).context("cannot signal the server")?;
            sleep(POLL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // There is nobody to tell; the watchdog is still there if this fails half-way.
        let ended = self.signal_and_wait(self.last_signal);
        if ended.is_ok() {
            let _ = self.watchdog.kill();
            let _ = self.watchdog.wait();
        }
    }
}

/// A port of 127.0.0.1 that nobody listens on, below the range from which outgoing connections are given theirs, so
/// that it is still free when a server comes back to it.
pub fn free_port() -> Result<u16> {
    (0..100)
        .map(|_| rand::random_range(15_000..32_000))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("no free port on 127.0.0.1")
}

/// The end of a server's log on one line, for an error message.
pub(super) fn last_lines(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(4)..].join(" / ")
}

fn watchdog(server: &Child, dir: &Path, signal: Signal) -> Result<Child> {
    let name = if signal == Signal::QUIT { "QUIT" } else { "KILL" };
    Command::new("sh")
        .args(["-c", WATCHDOG, "freshet-watchdog", name, &server.id().to_string()])
        .arg(dir)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start a shell to watch over the server")
}

fn pid(child: &Child) -> Result<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process without an id")
}
