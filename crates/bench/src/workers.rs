//! How many workers there are, and in how many processes.

use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use anyhow::Result;
use freshet_embedded::free_port;
use tempfile::TempDir;

/// Workers of one process, or of each process of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// How many processes.
    pub processes: u16,
    /// How many workers each has.
    pub of_each: u16,
}

/// Processes of a run at most.
const PROCESSES_MAX: u16 = 64;
const WORKERS_MAX: u16 = 256;

impl Workers {
    /// The workers of all processes.
    pub fn all(self) -> u16 {
        self.processes * self.of_each
    }
}

/// `2`, or with processes `3x2`.
impl FromStr for Workers {
    type Err = String;

    fn from_str(text: &str) -> Result<Workers, String> {
        let (processes, of_each) = text.split_once(['x', '×']).unwrap_or(("1", text));
        let number = |text: &str, max| text.parse().ok().filter(|number| (1..=max).contains(number));
        match (number(processes, PROCESSES_MAX), number(of_each, WORKERS_MAX)) {
            (Some(processes), Some(of_each)) => Ok(Workers { processes, of_each }),
            _ => Err(format!("expected up to {WORKERS_MAX} workers like 2, or of several processes like 3x2")),
        }
    }
}

impl fmt::Display for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.processes {
            1 => write!(f, "{}", self.of_each),
            processes => write!(f, "{processes}×{}", self.of_each),
        }
    }
}

/// The hostfile and the secret of a cluster on this machine.
pub(super) struct Hosts(TempDir);

impl Hosts {
    /// Processes at free ports.
    pub fn new(processes: u16) -> Result<Hosts> {
        let hosts = Hosts(tempfile::tempdir()?);
        let addresses = (0..processes).map(|_| Ok(format!("127.0.0.1:{}\n", free_port()?)));
        fs::write(hosts.hostfile(), addresses.collect::<Result<String>>()?)?;
        fs::write(hosts.secret(), format!("{:032x}", rand::random::<u128>()))?;
        fs::set_permissions(hosts.secret(), Permissions::from_mode(0o600))?;
        Ok(hosts)
    }

    /// Makes a run one of the processes.
    pub fn join(&self, command: &mut Command, process: u16, processes: u16) {
        command.args(["--process", &process.to_string(), "--processes", &processes.to_string()]);
        command.arg("--hostfile").arg(self.hostfile()).arg("--cluster-secret-file").arg(self.secret());
        // At this level it logs at its end what it has sent.
        command.env("RUST_LOG", "error,freshet::engine=info").args(["--log-format", "json"]);
    }

    fn hostfile(&self) -> PathBuf {
        self.0.path().join("hosts")
    }

    fn secret(&self) -> PathBuf {
        self.0.path().join("secret")
    }
}
