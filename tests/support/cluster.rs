//! Several processes of the program that are one cluster.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::spawn;

use anyhow::{Context, Result, ensure};
use freshet_embedded::free_port;
use tempfile::TempDir;

use super::freshet::{Finished, Freshet, PATIENCE};

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

impl Cluster {
    /// So many processes of a run with these arguments.
    pub fn start(processes: usize, arguments: &str) -> Result<Cluster> {
        let files = Files::new(processes)?;
        let start = |process| Freshet::start(&format!("{arguments} {}", files.arguments(process)));
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
        first.until(what, PATIENCE, || {
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
        self.processes.into_iter().map(|process| process.wait(PATIENCE)).collect()
    }
}

/// Passes on what is sent to it, as a network does that loses everything from some moment on.
pub struct Link {
    address: String,
    is_cut: Arc<AtomicBool>,
}

impl Link {
    fn start(to: String) -> Result<Link> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let link = Link { address: listener.local_addr()?.to_string(), is_cut: Arc::default() };
        let is_cut = link.is_cut.clone();
        spawn(move || {
            for near in listener.incoming().flatten() {
                // Whoever is not there yet is tried again.
                let Ok(far) = TcpStream::connect(&to) else { continue };
                let (Ok(back), Ok(forth)) = (near.try_clone(), far.try_clone()) else { continue };
                for (from, to) in [(near, forth), (far, back)] {
                    let is_cut = is_cut.clone();
                    spawn(move || pass_on(from, to, &is_cut));
                }
            }
        });
        Ok(link)
    }

    /// Loses everything from now on.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, is_cut: &AtomicBool) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if !is_cut.load(Ordering::Relaxed) && to.write_all(&bytes[..read]).is_err() {
            return;
        }
    }
    if !is_cut.load(Ordering::Relaxed) {
        let _ = to.shutdown(std::net::Shutdown::Write);
    }
}
