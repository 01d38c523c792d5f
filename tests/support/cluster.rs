//! Several processes of the program that are one cluster.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::spawn;

use anyhow::{Context, Result, ensure};
use freshet_embedded::free_port;
use tempfile::TempDir;

use super::freshet::{Finished, Freshet, TIMEOUT};

/// Processes that are started together.
pub struct Cluster {
    /// In their order.
    pub processes: Vec<Freshet>,
    _files: Vec<Files>,
}

/// What the processes of a cluster find each other by.
pub struct Files {
    folder: TempDir,
    pub addresses: Vec<String>,
}

impl Files {
    /// For so many processes on this machine, at ports that are free.
    pub fn new(processes: usize) -> Result<Files> {
        let addresses = (0..processes).map(|_| Ok(format!("127.0.0.1:{}", free_port()?)));
        let files = Files { addresses: addresses.collect::<Result<_>>()?, folder: TempDir::new()? };
        fs::write(files.hostfile(), files.addresses.join("\n"))?;
        files.write("only we know it, nobody else")?;
        Ok(files)
    }

    /// Makes this the secret.
    pub fn write(&self, secret: &str) -> Result<()> {
        fs::write(self.secret(), secret)?;
        Ok(fs::set_permissions(self.secret(), fs::Permissions::from_mode(0o600))?)
    }

    pub fn hostfile(&self) -> PathBuf {
        self.folder.path().join("hosts")
    }

    pub fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    /// The flags of a process of the cluster.
    pub fn arguments(&self, process: usize) -> String {
        let (processes, hosts, secret) = (self.addresses.len(), self.hostfile(), self.secret());
        let (hosts, secret) = (hosts.display(), secret.display());
        format!("--processes {processes} --process {process} --hostfile {hosts} --cluster-secret-file {secret}")
    }
}

/// A program with its own monotonic clock, so many seconds ahead.
const AN_HOUR_AHEAD: [&str; 4] = ["unshare", "--map-root-user", "--time", "--monotonic"];

fn has_time_namespaces() -> bool {
    static THERE: LazyLock<bool> = LazyLock::new(|| {
        let is_there = Command::new(AN_HOUR_AHEAD[0]).args(&AN_HOUR_AHEAD[1..]).args(["1", "true"]).output();
        let is_there = is_there.is_ok_and(|output| output.status.success());
        if !is_there {
            // Not eprintln!, which the test harness keeps to itself when the test passes.
            let _ = writeln!(std::io::stderr(), "all clocks are the same: this machine has no namespaces of time");
        }
        is_there
    });
    *THERE
}

impl Cluster {
    /// So many processes of a run with these arguments, their monotonic clocks an hour apart where the machine has namespaces of
    /// time.
    pub fn start(processes: usize, arguments: &str) -> Result<Cluster> {
        let files = Files::new(processes)?;
        let start = |process: usize| {
            let arguments = format!("{arguments} {}", files.arguments(process));
            let (ahead, program) = ((3_600 * process).to_string(), env!("CARGO_BIN_EXE_freshet"));
            // The first is alone with Postgres, which may be closed to what is root only there.
            let is_apart = process > 0 && has_time_namespaces();
            let command = if is_apart { [&AN_HOUR_AHEAD[..], &[&ahead, program]].concat() } else { vec![program] };
            Freshet::start_by(&command, &[], &arguments)
        };
        Ok(Cluster { processes: (0..processes).map(start).collect::<Result<_>>()?, _files: vec![files] })
    }

    /// Two processes, of which one reaches the other by a link that can be cut.
    pub fn start_through_link(arguments: &str) -> Result<(Cluster, Link)> {
        let (files, of_second) = (Files::new(2)?, Files::new(2)?);
        let link = Link::start(files.addresses[0].clone())?;
        fs::write(of_second.hostfile(), [&link.address, &files.addresses[1]].map(String::as_str).join("\n"))?;
        let start = |process, files: &Files| Freshet::start(&format!("{arguments} {}", files.arguments(process)));
        let processes = vec![start(0, &files)?, start(1, &of_second)?];
        Ok((Cluster { processes, _files: [files, of_second].into() }, link))
    }

    /// Waits until a condition holds; an error if a process ends before.
    pub fn until(&mut self, what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
        let (first, others) = self.processes.split_first_mut().context("a cluster without processes")?;
        first.until(what, TIMEOUT, || {
            for other in others.iter_mut() {
                ensure!(!other.has_ended()?, "it ended before {what}: {}", other.errors()?);
            }
            holds()
        })
    }

    /// Ends one process as `kill -9` does, and gives how the others ended.
    pub fn kill(mut self, process: usize) -> Result<Vec<Finished>> {
        self.processes.remove(process).kill()?;
        self.wait()
    }

    /// Waits until all have ended by themselves.
    pub fn wait(self) -> Result<Vec<Finished>> {
        self.processes.into_iter().map(|process| process.wait(TIMEOUT)).collect()
    }
}

/// Passes on what is sent to it, as a network does that loses everything from some moment on.
pub struct Link {
    address: String,
    /// Whether what goes to the listener is lost, and what comes back.
    are_lost: [Arc<AtomicBool>; 2],
}

impl Link {
    fn start(to: String) -> Result<Link> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let link = Link { address: listener.local_addr()?.to_string(), are_lost: Default::default() };
        let are_lost = link.are_lost.clone();
        spawn(move || {
            for near in listener.incoming().flatten() {
                // A peer that is not there yet is tried again.
                let Ok(far) = TcpStream::connect(&to) else { continue };
                let (Ok(back), Ok(forth)) = (near.try_clone(), far.try_clone()) else { continue };
                for ((from, to), is_lost) in [(near, forth), (far, back)].into_iter().zip(are_lost.clone()) {
                    spawn(move || pass_on(from, to, &is_lost));
                }
            }
        });
        Ok(link)
    }

    /// Loses everything from now on.
    pub fn cut(&self) {
        self.cut_half();
        self.are_lost[1].store(true, Ordering::Relaxed);
    }

    /// Loses what goes to the listener from now on.
    pub fn cut_half(&self) {
        self.are_lost[0].store(true, Ordering::Relaxed);
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, is_lost: &AtomicBool) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if !is_lost.load(Ordering::Relaxed) && to.write_all(&bytes[..read]).is_err() {
            return;
        }
    }
    if !is_lost.load(Ordering::Relaxed) {
        let _ = to.shutdown(std::net::Shutdown::Write);
    }
}
