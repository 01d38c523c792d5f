//! The processes that the owner of the tables works with, written down for people.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{Sink, built_with};
use crate::database::explained;

/// The name of the setting that has them; it is there only if there are several.
pub(super) const SETTING: &str = "processes";

/// All processes of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processes {
    /// Where they are, in their order; the first owns the tables.
    pub addresses: Vec<String>,
    /// How many workers each has.
    pub workers: usize,
}

impl Processes {
    /// Those of tables with these settings, if there are several.
    pub fn of_settings(settings: &BTreeMap<String, String>) -> Option<Processes> {
        serde_json::from_str(settings.get(SETTING)?).ok()
    }

    /// Which of them reads a partition.
    pub fn reader(&self, partition: i32) -> usize {
        partition as usize % (self.workers * self.addresses.len()).max(1) / self.workers.max(1)
    }
}

impl Sink {
    /// Writes them down, or that there is but one.
    pub fn note_processes(&mut self, processes: Option<&Processes>) -> Result<()> {
        let client = &mut self.session.client;
        match processes {
            Some(processes) => built_with::set(client, SETTING, &serde_json::to_string(processes)?),
            None => explained(client.execute("DELETE FROM freshet_settings WHERE name = $1", &[&SETTING])).map(drop),
        }
    }
}
