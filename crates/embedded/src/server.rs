//! One server process: started, ready, ended.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::home::{Home, strike_out};

/// How often a condition is checked while waiting for it.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How long a server may take to obey a signal before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A running server, ended with its last signal when dropped.
pub(super) struct Server {
    child: Child,
    /// The file in which it has recorded its id.
    note: PathBuf,
    last_signal: Signal,
}

impl Server {
    /// The process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts a command of `home`, its output going to `log`. `last_signal` ends it at once.
    pub(super) fn spawn(command: &mut Command, log: &Path, home: &Home, last_signal: Signal) -> Result<Server> {
        let output = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().context("cannot start a shell for a server")?;
        Ok(Server { note: home.note(child.id()), child, last_signal })
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
            sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    fn signal_and_wait(&mut self, signal: Signal) -> Result<ExitStatus> {
        let deadline = Instant::now() + STOP_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait()? {
                strike_out(&self.note);
                return Ok(status);
            }
            if Instant::now() > deadline {
                self.child.kill()?;
            }
            // Sent again each time: a server that is just starting may not listen to its first signal.
            kill_process(pid(&self.child)?, signal).context("cannot signal the server")?;
            sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error cannot be reported here; the watchdog is still there if this fails.
        let _ = self.signal_and_wait(self.last_signal);
    }
}

/// A free port of 127.0.0.1, below the range of ephemeral ports, so that it is still free when a server returns to it.
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

fn pid(child: &Child) -> Result<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process without an id")
}
