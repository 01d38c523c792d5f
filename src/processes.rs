//! The processes of the cluster that owns the tables, as these record them for people.

use serde::{Deserialize, Serialize};

/// The name of their setting, which exists only if there are several.
pub const SETTING: &str = "processes";

/// All processes of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processes {
    /// Their addresses in order; the first one owns the tables.
    pub addresses: Vec<String>,
    /// How many workers each has.
    pub workers: usize,
}

/// One process of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number; process 0 owns the tables.
    pub process: usize,
    /// Where the others reach it.
    pub address: String,
    /// The partitions that it reads.
    pub partitions: Vec<i32>,
    /// How many offsets these are behind, if that is known.
    pub lag: Option<i64>,
}

impl Processes {
    /// The processes in the setting, if there are several.
    pub fn of_setting(setting: Option<&str>) -> Option<Processes> {
        serde_json::from_str(setting?).ok()
    }

    /// Each process, with those of these partitions that it reads.
    pub fn each(&self, partitions: &[i32]) -> Vec<Process> {
        let addresses = self.addresses.iter().cloned().enumerate();
        let process = |(process, address)| {
            let own = partitions.iter().copied().filter(|partition| self.reader(*partition) == process);
            Process { process, address, partitions: own.collect(), lag: None }
        };
        addresses.map(process).collect()
    }

    /// The process that reads a partition.
    fn reader(&self, partition: i32) -> usize {
        partition as usize % (self.workers * self.addresses.len()).max(1) / self.workers.max(1)
    }
}

impl Process {
    /// Sets its lag from that of each partition; it is known if that of each partition is.
    pub fn add_lag(&mut self, of: impl Fn(i32) -> Option<i64>) {
        self.lag = self.partitions.iter().map(|partition| of(*partition)).sum();
    }
}
