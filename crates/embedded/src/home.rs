//! The directory of a server, and the watchdog that removes both if we cannot.
//!
//! `Drop` covers a normal end and a panic, but neither a `static` (never dropped) nor a `kill -9` of ourselves. So a
//! tiny shell makes the directory and reads from a pipe of which only we hold the writing end: when we are gone, for
//! whatever reason, the pipe closes, and the shell ends what still runs and removes the directory. It is there before
//! the directory is, and what runs notes its own id before it is a server, so no moment is too early for a `kill -9`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf, absolute};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::{Signal, geteuid};

/// `$1` is the signal that ends a server at once, `$2` the directory's template; `mktemp` lets nobody else into it. The
/// signals of a terminal must not end this before the servers are gone; after 10 s those are killed, in case one does not
/// react. Each leads a process group, which also has the programs that `initdb` runs. In a container without an init nobody
/// reaps an orphan, so a zombie counts as gone.
const WATCHDOG: &str = r#"
trap '' HUP INT TERM PIPE
home=$(mktemp -d "$2") && mkdir "$home/run" || exit 1
# There may be nobody any more who reads it.
printf '%s\n' "$home"
exec >/dev/null
read -r _
# From here on nothing can note its id, and so nothing starts.
mv "$home/run" "$home/ended"
end() {
    found=1
    for file in "$home/ended"/*; do
        id=${file##*/}
        kill -0 "$id" && ! grep -qs '^State:.*Z' "/proc/$id/status" && kill -s "$1" -- "-$id" && found=0
    done
    return "$found"
}
for signal in "$1" KILL; do
    tries=0
    while end "$signal" && [ "$tries" -lt 200 ]; do sleep 0.05; tries=$((tries + 1)); done
done
rm -rf "$home" || { sleep 1; rm -rf "$home"; }
"#;

/// Records its process id in the directory `$1`, and executes the program.
const NOTED: &str = r#": >"$1/$$" && shift && exec "$@""#;

/// A directory that nobody else may enter, gone when dropped, with the programs that run in it.
pub(super) struct Home {
    path: PathBuf,
    owner: Option<Owner>,
    watchdog: Child,
}

/// The user that Postgres and pgbouncer run as if we are root, as they refuse to run as root.
#[derive(Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Home {
    /// A directory of our own. `last_signal` ends its programs at once.
    pub(super) fn create(server: &str, last_signal: Signal) -> Result<Home> {
        let temporary = absolute(env::temp_dir())?;
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "freshet-watchdog", if last_signal == Signal::QUIT { "QUIT" } else { "KILL" }])
            .arg(temporary.join(format!("freshet-{server}-XXXXXXXXXX")))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start a shell to watch over a server")?;
        let mut line = Vec::new();
        BufReader::new(watchdog.stdout.take().context("a pipe")?).read_until(b'\n', &mut line)?;
        ensure!(line.pop().is_some(), "no directory can be made in {}", temporary.display());
        Ok(Home { path: OsString::from_vec(line).into(), owner: None, watchdog })
    }

    /// Likewise, for a server that does not run as root.
    pub(super) fn create_unprivileged(server: &str, last_signal: Signal) -> Result<Home> {
        let mut home = Home::create(server, last_signal)?;
        if geteuid().is_root() {
            let Owner { uid, gid } = *home.owner.insert(Owner::of_servers()?);
            chown(home.run(), Some(uid), Some(gid))?;
            chown(&home.path, Some(uid), Some(gid))?;
        }
        Ok(home)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A command of a program that ends with us, as the directory's owner. It leads a process group: Ctrl-C is for us.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", NOTED, "freshet-server"]).arg(self.run()).arg(program);
        // A working directory that the owner may enter.
        command.current_dir("/").process_group(0);
        if let Some(Owner { uid, gid }) = self.owner {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Runs such a command to its end.
    pub(super) fn output(&self, command: &mut Command) -> Result<Output> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let note = self.note(child.id());
        let output = child.wait_with_output()?;
        strike_out(&note);
        Ok(output)
    }

    /// The file in which a process has recorded its id.
    pub(super) fn note(&self, process: u32) -> PathBuf {
        self.run().join(process.to_string())
    }

    fn run(&self) -> PathBuf {
        self.path.join("run")
    }
}

/// Removes the record of a process that has ended, as its id may soon be another's.
pub(super) fn strike_out(note: &Path) {
    // The file may be missing if the process failed before recording its id.
    let _ = fs::remove_file(note);
}

impl Drop for Home {
    fn drop(&mut self) {
        // Closes the pipe. Errors of the watchdog cannot be reported here.
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

impl Owner {
    /// `postgres`, which the package creates, or `nobody`.
    fn of_servers() -> Result<Owner> {
        let accounts = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|user| accounts.lines().find_map(|line| Owner::parse(line, user)))
            .context("Postgres does not run as root, and there is neither a user postgres nor a user nobody")
    }

    fn parse(line: &str, user: &str) -> Option<Owner> {
        let mut fields = line.split(':');
        let found = fields.next() == Some(user);
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        found.then_some(Owner { uid, gid })
    }
}
