//! What a run is doing, and whether it can be relied on.

use std::time::Duration;

use super::Lag;
use crate::terminal::grouped;

/// What a run is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
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

impl Stage {
    /// Whether the tables are this run's to write.
    pub fn is_owner(self) -> bool {
        matches!(self, Stage::Loading | Stage::Reading)
    }
}

/// How a run is.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// What it is doing.
    pub stage: Stage,
    /// Whether Postgres can be worked with.
    pub postgres_up: bool,
    /// Whether Kafka answers.
    pub kafka_up: bool,
    /// How far it is behind.
    pub lag: Lag,
}

impl State {
    /// Why the tables are not to be relied on: none of these is true of a run that owns them, reaches Postgres and Kafka,
    /// and is no further behind than this.
    pub fn troubles(&self, allowed: Duration) -> Vec<String> {
        let mut troubles = Vec::new();
        match self.stage {
            Stage::Starting => troubles.push("it has not taken the tables yet".into()),
            Stage::StandingBy => troubles.push("it stands by: another instance owns the tables".into()),
            Stage::Loading => troubles.push("it is loading the tables".into()),
            Stage::Reading => {}
        }
        if self.stage != Stage::Starting && !self.postgres_up {
            troubles.push("Postgres is away".into());
        }
        if !self.kafka_up {
            troubles.push("Kafka does not answer".into());
        }
        if self.stage == Stage::Reading && self.lag.time.is_none_or(|time| time > allowed) {
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
