//! The settings of a run: each flag of `freshet run`, parsed.

use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use dataflows::model::Model;

use super::plan::Policy;
use super::rules::CountRules;
use super::stores::StoreNames;
use crate::database::Target;
use crate::sink::{RejectedLimits, TableSettings};
use crate::{cluster, engine, serve, source};

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The topic, and how to reach it.
    pub kafka: source::Settings,
    /// The database of the tables.
    pub database: Target,
    /// The settings that decide what the tables count.
    pub rules: CountRules,
    /// Worker threads in each process.
    pub workers: u16,
    /// The time between commits while Postgres keeps up.
    pub tick: Duration,
    /// What to do where the tables do not decide.
    pub policy: Policy,
    /// Whether to wait while another instance owns the tables.
    pub standby: bool,
    /// Whether a start waits for Kafka, the topic and Postgres.
    pub wait: bool,
    /// The other processes, if there are any.
    pub cluster: Option<cluster::Settings>,
    /// How long a run may go without a commit while Postgres answers.
    pub stall_timeout: Duration,
    /// The memory that the process may use; none for 95 % of the container's limit.
    pub memory_limit: Option<ByteSize>,
    /// Where the page, metrics and probes are served, and to whom.
    pub http: serve::Settings,
    /// The lag up to which `/readyz` answers ready.
    pub ready_lag: Duration,
    /// Whether it ends once everything that was in the topic at the start is committed.
    pub until_end: bool,
    /// Whether tables of reports that were removed are dropped, rather than kept as they were.
    pub drop_removed: bool,
    /// The names of stores, if they are given.
    pub stores: Option<StoreNames>,
    /// Whether the payload of rejected records is kept.
    pub keep_rejected_payload: bool,
    /// How many rejected records are kept, and how long.
    pub rejected: RejectedLimits,
}

impl Settings {
    /// The defaults of `freshet run`, without a page.
    pub fn new(kafka: source::Settings, database: Target, model: Arc<Model>) -> Settings {
        Settings {
            kafka,
            database,
            rules: CountRules::new(model),
            workers: 1,
            tick: Duration::from_millis(25),
            policy: Policy::default(),
            standby: false,
            wait: false,
            cluster: None,
            stall_timeout: Duration::from_mins(5),
            memory_limit: None,
            http: serve::Settings::off(),
            ready_lag: Duration::from_mins(1),
            until_end: false,
            drop_removed: false,
            stores: None,
            keep_rejected_payload: false,
            rejected: RejectedLimits::default(),
        }
    }

    /// The model.
    pub(super) fn model(&self) -> &Arc<Model> {
        self.rules.model()
    }

    /// The settings to store with the tables.
    pub(super) fn table_settings(&self) -> TableSettings {
        self.rules.table_settings(&self.kafka.topic).dropping_removed(self.drop_removed)
    }

    pub(super) fn engine(&self) -> engine::Settings {
        engine::Settings {
            workers: usize::from(self.workers),
            member_limit: self.rules.member_limit,
            retain: self.rules.retain,
            tick: self.tick,
            keep_payload: self.keep_rejected_payload,
            is_amended: false,
            until_end: self.until_end,
            // Epochs close by the clock, so the timeout must leave room for a tick.
            stall_timeout: self.stall_timeout + self.tick,
            memory_limit: self.memory_limit,
        }
    }
}
