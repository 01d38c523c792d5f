//! What a run is doing, and whether it is ready.

use std::time::Duration;

use super::Lag;
use crate::terminal::grouped;

/// What a run is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It looks for the topic and the tables.
    #[default]
    Starting,
    /// Another instance owns the tables.
    StandingBy,
    /// It reads into memory what the tables hold.
    Loading,
    /// It reads the topic.
    Reading,
}

impl Phase {
    /// Whether the tables are this run's to write.
    pub fn is_owner(self) -> bool {
        matches!(self, Phase::Loading | Phase::Reading)
    }
}

/// The state of a run.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// What it is doing.
    pub phase: Phase,
    /// Whether Postgres can be worked with.
    pub postgres_up: bool,
    /// Whether Kafka answers.
    pub kafka_up: bool,
    /// How far it is behind.
    pub lag: Lag,
}

impl State {
    /// Why the run is not ready: no reason for one that owns the tables, reaches Postgres and Kafka, and is no further behind
    /// than `allowed`.
    pub fn troubles(&self, allowed: Duration) -> Vec<String> {
        let mut troubles = Vec::new();
        match self.phase {
            Phase::Starting => troubles.push("it has not taken the tables yet".into()),
            Phase::StandingBy => troubles.push("it stands by: another instance owns the tables".into()),
            Phase::Loading => troubles.push("it is loading the tables".into()),
            Phase::Reading => {}
        }
        if self.phase != Phase::Starting && !self.postgres_up {
            troubles.push("Postgres is away".into());
        }
        if !self.kafka_up {
            troubles.push("Kafka does not answer".into());
        }
        if self.phase == Phase::Reading && self.lag.time.is_none_or(|time| time > allowed) {
            troubles.push(self.behind(allowed));
        }
        troubles
    }

    fn behind(&self, allowed: Duration) -> String {
        let Some(records) = self.lag.records else { return "how far it is behind is not known".into() };
        let records = grouped(records.unsigned_abs());
        let since = self.lag.time.map_or(String::new(), |time| format!(" and {} s", time.as_secs()));
        format!("it is {records} records{since} behind, --ready-lag being {}", humantime::format_duration(allowed))
    }
}
