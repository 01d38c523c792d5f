//! Running the program under test.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

/// Long enough for 200,000 events with a debug build on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(180);

/// A `freshet` that runs; killed if it is dropped before its end.
pub struct Freshet {
    child: Child,
    errors: NamedTempFile,
    arguments: String,
}

/// How it ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub errors: String,
}

impl Freshet {
    /// Starts the program with these arguments, separated by white space.
    pub fn start(arguments: &str) -> Result<Freshet> {
        Freshet::start_in(&[], arguments)
    }

    /// Starts the program with these variables in its environment.
    pub fn start_in(environment: &[(&str, &Path)], arguments: &str) -> Result<Freshet> {
        Freshet::start_by(&[env!("CARGO_BIN_EXE_freshet")], environment, arguments)
    }

    /// Starts the program by a command that becomes it.
    pub fn start_by(command: &[&str], environment: &[(&str, &Path)], arguments: &str) -> Result<Freshet> {
        let errors = NamedTempFile::new()?;
        let (program, before) = command.split_first().context("no program")?;
        let child = Command::new(program)
            .args(before)
            .args(arguments.split_whitespace())
            // Only a test that asks for it has a page; a flag wins over this.
            .env("FRESHET_HTTP", "off")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::options().append(true).open(errors.path())?)
            .spawn()
            .context("cannot start freshet")?;
        Ok(Freshet { child, errors, arguments: arguments.to_owned() })
    }

    /// Runs the program to its end.
    pub fn run(arguments: &str) -> Result<Finished> {
        Freshet::start(arguments)?.wait(TIMEOUT)
    }

    /// Runs the program to its end, which must be good, and returns what it prints.
    pub fn prints(arguments: &str) -> Result<String> {
        let output = Command::new(env!("CARGO_BIN_EXE_freshet")).args(arguments.split_whitespace()).output()?;
        ensure!(output.status.success(), "freshet {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?).context("a process without an id")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Ends it as `kill -9` does.
    pub fn kill(mut self) -> Result<Finished> {
        ensure!(self.child.try_wait()?.is_none(), "it ended by itself: {}", self.describe()?);
        self.child.kill()?;
        self.wait(TIMEOUT)
    }

    /// Ends it in order.
    pub fn terminate(self) -> Result<Finished> {
        self.signal(Signal::TERM)?;
        self.wait(TIMEOUT)
    }

    /// Waits for its end, which must come by itself.
    pub fn wait(mut self, patience: Duration) -> Result<Finished> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Finished { status, errors: self.errors()? });
            }
            ensure!(Instant::now() < deadline, "it did not end within {patience:?}: {}", self.describe()?);
            sleep(Duration::from_millis(5));
        }
    }

    /// Whether it has ended, and its process is gone.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Lets it run for this long; an error if it ends before.
    pub fn run_for(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            ensure!(self.child.try_wait()?.is_none(), "it ended by itself: {}", self.describe()?);
            sleep(Duration::from_millis(2).min(deadline.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }

    /// Waits until the condition holds; an error if the program ends before.
    pub fn until(&mut self, what: &str, patience: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !holds()? {
            ensure!(self.child.try_wait()?.is_none(), "it ended before {what}: {}", self.describe()?);
            ensure!(Instant::now() < deadline, "not within {patience:?}: {what}: {}", self.describe()?);
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits until its log has these words.
    pub fn until_told(&mut self, words: &str, patience: Duration) -> Result<()> {
        self.until_told_times(1, words, patience)
    }

    /// Waits until so many lines of its log have these words.
    pub fn until_told_times(&mut self, times: usize, words: &str, patience: Duration) -> Result<()> {
        let log = self.errors.path().to_owned();
        self.until(words, patience, || Ok(lines_with(&fs::read_to_string(&log)?, words) >= times))
    }

    /// How many lines of its log have these words.
    pub fn times_told(&self, words: &str) -> Result<usize> {
        Ok(lines_with(&self.errors()?, words))
    }

    /// The memory that it holds now, in bytes.
    pub fn memory(&self) -> Result<u64> {
        self.kilobytes("VmRSS:").map(|kilobytes| kilobytes << 10)
    }

    /// The most memory that it has held so far, in bytes.
    pub fn peak_memory(&self) -> Result<u64> {
        self.kilobytes("VmHWM:").map(|kilobytes| kilobytes << 10)
    }

    fn kilobytes(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
        Ok(value.with_context(|| format!("a process without {name}"))?.parse()?)
    }

    /// What it has written to standard error so far.
    pub fn errors(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(self.errors.path())?).into_owned())
    }

    fn describe(&self) -> Result<String> {
        let mut text = format!("freshet {}", self.arguments);
        let errors = self.errors()?;
        let lines: Vec<&str> = errors.lines().collect();
        for line in &lines[lines.len().saturating_sub(20)..] {
            write!(text, "\n    {line}")?;
        }
        Ok(text)
    }
}

fn lines_with(log: &str, words: &str) -> usize {
    log.lines().filter(|line| line.contains(words)).count()
}

impl Drop for Freshet {
    fn drop(&mut self) {
        // It may be stopped (SIGSTOP) or deaf; both are no matter to SIGKILL, and one that is gone is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// The program must have ended well.
    pub fn success(self) -> Result<()> {
        self.exits_with(0).map(drop)
    }

    /// The program must have ended with this status, and without a panic. Returns what it wrote to standard error.
    pub fn exits_with(self, status: i32) -> Result<String> {
        let errors = self.errors;
        match self.status.code() {
            Some(code) if code == status => {}
            _ => bail!("freshet ended with {}, not {status}:\n{errors}", self.status),
        }
        ensure!(!errors.contains("panicked at"), "freshet panicked:\n{errors}");
        Ok(errors)
    }

    /// The program must have refused with this status and, as its last line, one sentence that has all these words.
    pub fn refuses_with(self, status: i32, words: &[&str]) -> Result<()> {
        let errors = self.exits_with(status)?;
        let sentence = errors.trim_end().lines().last().unwrap_or_default();
        let length = sentence.chars().count();
        ensure!((20..=400).contains(&length), "no clear sentence of 20 to 400 letters at the end:\n{errors}");
        for word in words {
            let there = sentence.to_lowercase().contains(&word.to_lowercase());
            ensure!(there, "the last line does not speak of {word:?}: {sentence}");
        }
        Ok(())
    }
}
