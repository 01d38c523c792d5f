//! The dataflow of one worker, from its inputs to the probe that tells what is durable.

use std::sync::Arc;

use dataflows::{
    DimensionUpdate, Epoch, Kept, Key, MemberLimit, Model, Retention, Row, RowKey, Value, falling_reports, reports,
    retaining_reports,
};
use differential_dataflow::input::InputSession;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

use super::durable::{self, Output, SinkChannels};

/// What a worker puts into the dataflow.
pub(super) struct Inputs {
    /// Pre-aggregated events.
    events: InputSession<Epoch, Key, i64>,
    /// Updates of the members of dimensions.
    dimensions: InputSession<Epoch, DimensionUpdate, isize>,
    /// What bypasses the reports: progress and rejected records.
    side_outputs: InputSession<Epoch, Output, isize>,
}

impl Inputs {
    /// Not attached to a dataflow.
    pub fn new() -> Self {
        Inputs { events: InputSession::new(), dimensions: InputSession::new(), side_outputs: InputSession::new() }
    }

    /// Puts in a row of the tables. Derived rows are skipped.
    pub fn seed(&mut self, row: Row) {
        match (row.key, row.value) {
            (RowKey::Count(key), Value::Total(total)) => self.events.update(key, total),
            (RowKey::Member(member), Value::Attributes(attributes)) => self.dimensions.insert((member, *attributes)),
            _ => {}
        }
    }

    /// Adds to a key's count, or takes from it, in an epoch that is not closed.
    pub fn count(&mut self, epoch: Epoch, key: Key, events: i64) {
        self.events.update_at(key, epoch, events);
    }

    /// Adds an update of a member.
    pub fn describe(&mut self, epoch: Epoch, update: DimensionUpdate) {
        self.dimensions.update_at(update, epoch, 1);
    }

    /// Adds an output that bypasses the reports.
    pub fn output(&mut self, epoch: Epoch, output: Output) {
        self.side_outputs.update_at(output, epoch, 1);
    }

    /// Closes all epochs before `next`. Always on all inputs: the frontier is the least of theirs.
    pub fn advance_to(&mut self, next: Epoch) {
        if next <= *self.events.time() {
            return;
        }
        self.events.advance_to(next);
        self.events.flush();
        self.dimensions.advance_to(next);
        self.dimensions.flush();
        self.side_outputs.advance_to(next);
        self.side_outputs.flush();
    }
}

/// Builds the dataflow. What the probe has passed is durable in Postgres. Also returns the retention, if days are to
/// expire.
pub(super) fn build(
    worker: &mut Worker,
    model: &Arc<Model>,
    limit: MemberLimit,
    kept: Kept,
    may_fall: bool,
    sink: Option<SinkChannels>,
) -> (Inputs, Handle<Epoch>, Option<Retention>) {
    let mut inputs = Inputs::new();
    let probe = Handle::new();
    let retention = worker.dataflow(|scope| {
        let side_outputs = inputs.side_outputs.to_collection(scope);
        let (events, dimensions) = (inputs.events.to_collection(scope), inputs.dimensions.to_collection(scope));
        let (rows, retention) = if !kept.is_all() {
            let (rows, retention) = retaining_reports(model, events, dimensions, limit, kept);
            (rows, Some(retention))
        } else if may_fall {
            (falling_reports(model, events, dimensions, limit), None)
        } else {
            (reports(model, events, dimensions, limit), None)
        };
        durable::hold_until_durable(rows.map(Output::Row).concat(side_outputs), sink).probe_with(&probe);
        retention
    });
    (inputs, probe, retention)
}
