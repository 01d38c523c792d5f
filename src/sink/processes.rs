//! Records for people which processes the owner of the tables works with.

use anyhow::Result;

use super::{Sink, table_settings};
use crate::database::db_result;
use crate::processes::{Processes, SETTING};

impl Sink {
    /// Records them, or that there is only one.
    pub fn note_processes(&mut self, processes: Option<&Processes>) -> Result<()> {
        let client = &mut self.session.client;
        match processes {
            Some(processes) => table_settings::set(client, SETTING, &serde_json::to_string(processes)?),
            None => db_result(client.execute("DELETE FROM freshet_settings WHERE name = $1", &[&SETTING])).map(drop),
        }
    }
}
