//! Flags of a run in several processes.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueHint};

use super::environment;
use super::help::heading;
use crate::cluster::{Hosts, Secret, Settings};
use crate::failure::Failure;

/// Shortest `--peer-timeout`: a busy machine may be silent for less.
const PEER_TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// In how many processes it runs, and how they find each other.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    /// Processes of the cluster, 1 to 64; each has --workers.
    #[arg(long, help_heading = heading::CLUSTER, env = "FRESHET_PROCESSES", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub processes: u16,
    /// Which of them this is, from 0; a name that ends in it will do, as freshet-2. Process 0 owns the tables.
    #[arg(long, help_heading = heading::CLUSTER, env = "FRESHET_PROCESS", default_value = "0", value_parser = ordinal)]
    pub process: u16,
    /// File with the address of each process, as host:port on a line; by default 127.0.0.1 and ports from 2101 on.
    #[arg(long, help_heading = heading::CLUSTER, env = "FRESHET_HOSTFILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub hostfile: Option<PathBuf>,
    /// Address to listen at for the other processes, if not the one in the hostfile.
    #[arg(long, help_heading = heading::CLUSTER, env = "FRESHET_CLUSTER_BIND", value_name = "IP")]
    pub cluster_bind: Option<IpAddr>,
    /// File with a secret that all processes of the cluster share.
    #[arg(long, help_heading = heading::CLUSTER, env = "FRESHET_CLUSTER_SECRET_FILE", value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = secret)]
    pub cluster_secret_file: Option<Secret>,
    /// End if another process was silent for so long, at least 1s.
    #[arg(long, help_heading = heading::CLUSTER, env = "FRESHET_PEER_TIMEOUT", default_value = "15s", value_parser = peer_timeout)]
    pub peer_timeout: Duration,
}

/// The number at the end of a name, as a StatefulSet gives its pods.
fn ordinal(text: &str) -> Result<u16, String> {
    let number = text.rsplit('-').next().and_then(|number| number.parse().ok());
    number.ok_or_else(|| "expected a number from 0 on, or a name that ends in one, like freshet-2".into())
}

/// The secret in a file that nobody else may read.
fn secret(path: &str) -> Result<Secret, String> {
    environment::read_secret(Path::new(path))?.parse()
}

fn peer_timeout(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(timeout) if timeout >= PEER_TIMEOUT_MIN => Ok(timeout),
        _ => Err("expected a time of at least 1s, like 15s".into()),
    }
}

impl ClusterArgs {
    /// How the processes find each other, if there are several.
    ///
    /// # Errors
    /// Flags that conflict, or a file that is wrong.
    pub(super) fn settings(&self) -> Result<Option<Settings>> {
        let settings = (self.processes > 1).then(|| self.of_cluster().map_err(Failure::WrongSettings));
        Ok(settings.transpose()?)
    }

    fn of_cluster(&self) -> Result<Settings, String> {
        let ClusterArgs { processes, process, hostfile, .. } = self;
        if process >= processes {
            return Err(format!(
                "--process {process} is none of --processes {processes}, which are 0 to {}",
                processes - 1
            ));
        }
        let hosts = match hostfile {
            Some(path) => Hosts::read(path, *processes).map_err(|what| format!("--hostfile {what}"))?,
            None => Hosts::local(*processes),
        };
        let secret = self.cluster_secret_file.clone().ok_or(
            "--processes needs --cluster-secret-file, a file with a secret that all of them share; \
             `openssl rand -hex 32` makes one",
        )?;
        Ok(Settings {
            process: usize::from(*process),
            hosts,
            bind: self.cluster_bind,
            secret,
            peer_timeout: self.peer_timeout,
        })
    }
}
