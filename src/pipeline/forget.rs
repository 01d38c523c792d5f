//! The commit that takes events out of the tables, beside no run.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use dataflows::EventId;

use super::rules::CountRules;
use super::run::{identity, write};
use crate::batch::Progress;
use crate::database::Target;
use crate::engine::{self, Engine, Outside, Peers};
use crate::forget::Search;
use crate::metrics::Metrics;
use crate::sink::{Ask, Reader, Sink};
use crate::source::decode::Rules;
use crate::source::{self, Topic, another_topic};

/// The tables that events are taken out of.
pub(crate) struct TakeOut<'a> {
    /// Where they are.
    pub database: &'a Target,
    /// How their topic is reached.
    pub kafka: &'a source::Settings,
    /// It.
    pub topic: &'a Topic,
    /// What they were built with.
    pub counted_by: &'a CountRules,
}

impl TakeOut<'_> {
    /// Owns the tables as long as it takes, and takes out what was found, and what came meanwhile. `rules` know what was
    /// forgotten before. Gives how many events that were, and of which ids.
    pub fn take_out(&self, rules: &Rules, mut search: Search, ids: &[String]) -> Result<(usize, HashSet<EventId>)> {
        let (name, metrics) = (self.topic.name(), Metrics::new()?);
        let mut ask = Ask::new(self.database)?;
        let (model, built_with) = (self.counted_by.model(), self.counted_by.table_settings(name));
        let mut sink =
            ask.acquire(|instance| Sink::open_by(instance, self.database, name, model, &built_with, &metrics))?;
        if *sink.forgotten().ids != *rules.forgotten {
            bail!("another freshet forget has ended meanwhile; start this one again");
        }
        let (outside, settings) = (Outside::real(self.kafka.clone()), self.engine());
        let (mut engine, batches, durable) =
            Engine::start(&settings, &outside, rules, Peers::none(Instant::now()), &metrics, Arc::default())?;
        sink.load(|row| engine.seed(row))?;
        let identity = identity(self.topic)?;
        if identity.differs(sink.identity()) {
            bail!(another_topic(name));
        }
        for Progress { partition, first_offset, .. } in sink.progress().values() {
            search.begin(*partition, *first_offset, None);
        }
        search.read(self.kafka, next_offsets(sink.progress()))?;
        let payloads = search.payloads(&mut Reader::open(self.database)?.snapshot()?, name, ids)?;
        let found = (search.events(), search.found().clone());
        let newest = sink.progress().values().filter_map(|progress| progress.newest_day).collect::<Vec<_>>();
        let amendment = search.amendment(sink.progress(), payloads);
        sink.begin(&[], &[], &identity)?;
        engine.begin([], newest)?;
        engine.amend(amendment)?;
        let away = sink.away();
        write(sink, batches, durable, &engine)?;
        engine.wait(&away, || false, |_| Ok(()))?;
        Ok(found)
    }

    fn engine(&self) -> engine::Settings {
        engine::Settings {
            workers: 1,
            member_limit: self.counted_by.member_limit,
            retain: self.counted_by.retain,
            tick: Duration::from_millis(25),
            keep_payload: false,
            is_amended: true,
            until_end: true,
            stall_timeout: Duration::from_mins(5),
            memory_limit: None,
        }
    }
}

fn next_offsets(progress: &BTreeMap<i32, Progress>) -> impl Iterator<Item = (i32, i64)> {
    progress.values().map(|progress| (progress.partition, progress.next_offset))
}
