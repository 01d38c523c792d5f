//! The commit that takes events out of the tables while no run owns them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use dataflows::EventId;

use super::run::{identity, write};
use super::settings::Settings;
use crate::batch::Progress;
use crate::engine::{self, Engine, Outside, Peers};
use crate::forget::Search;
use crate::metrics::Metrics;
use crate::sink::{Ask, Reader, Sink};
use crate::source::decode::Rules;
use crate::source::{Topic, another_topic};

/// Acquires the tables, and takes out the events that were found, and those that came meanwhile. `rules` know what was
/// forgotten before. Returns how many events that were, and their ids.
pub(crate) fn take_out(
    run: &Settings,
    topic: &Topic,
    rules: &Rules,
    mut search: Search,
    ids: &[String],
) -> Result<(usize, HashSet<EventId>)> {
    let (target, name, metrics) = (&run.database, topic.name(), Metrics::new()?);
    let mut ask = Ask::new(target)?;
    let (model, built_with) = (run.model(), run.table_settings());
    let mut sink = ask.acquire(|instance| Sink::open_by(instance, target, name, model, &built_with, &metrics))?;
    if *sink.forgotten().ids != *rules.forgotten {
        bail!("another freshet forget finished in the meantime; run this one again");
    }
    let (outside, settings) =
        (Outside::real(run.kafka.clone()), engine::Settings { is_amended: true, until_end: true, ..run.engine() });
    let (mut engine, batches, durable) =
        Engine::start(&settings, &outside, rules, Peers::none(Instant::now()), &metrics, Arc::default())?;
    sink.load(|row| engine.seed(row))?;
    let identity = identity(topic)?;
    if identity.differs(sink.identity()) {
        bail!(another_topic(name));
    }
    for Progress { partition, first_offset, .. } in sink.progress().values() {
        search.begin(*partition, *first_offset, None);
    }
    search.read(&run.kafka, next_offsets(sink.progress()))?;
    let payloads = search.payloads(&mut Reader::open(target)?.snapshot()?, name, ids)?;
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

fn next_offsets(progress: &BTreeMap<i32, Progress>) -> impl Iterator<Item = (i32, i64)> {
    progress.values().map(|progress| (progress.partition, progress.next_offset))
}
