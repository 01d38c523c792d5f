//! The dataflow of one worker, from its inputs to the probe that tells what is durable.

use dataflows::{Epoch, Fact, Key, MemberLimit, Row, RowKey, Value, reports};
use differential_dataflow::input::InputSession;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

use super::durable::{self, Output, SinkEnds};

/// What a worker puts into the dataflow.
pub(super) struct Inputs {
    /// Folded views.
    pub views: InputSession<Epoch, Key, i64>,
    /// What is told of the members of dimensions.
    pub facts: InputSession<Epoch, Fact, isize>,
    /// What passes by the reports: progress and rejected records.
    pub notes: InputSession<Epoch, Output, isize>,
}

impl Inputs {
    /// Puts in what a row of the tables says. Rows that follow from others are not needed.
    pub fn seed(&mut self, row: Row) {
        match (row.key, row.value) {
            (RowKey::Count(key), Value::Views(views)) => self.views.update(key, views),
            (RowKey::Member(member), Value::Attributes(attributes)) => self.facts.insert((member, *attributes)),
            _ => {}
        }
    }

    /// Closes the open epoch and opens `next`. All inputs, always: the frontier is the least of all.
    pub fn advance_to(&mut self, next: Epoch) {
        self.views.advance_to(next);
        self.views.flush();
        self.facts.advance_to(next);
        self.facts.flush();
        self.notes.advance_to(next);
        self.notes.flush();
    }
}

/// Builds the dataflow. What the probe has passed is durable in Postgres.
pub(super) fn build(worker: &mut Worker, limit: MemberLimit, sink: Option<SinkEnds>) -> (Inputs, Handle<Epoch>) {
    let mut inputs = Inputs { views: InputSession::new(), facts: InputSession::new(), notes: InputSession::new() };
    let probe = Handle::new();
    worker.dataflow(|scope| {
        let notes = inputs.notes.to_collection(scope);
        let (views, facts) = (inputs.views.to_collection(scope), inputs.facts.to_collection(scope));
        let rows = reports(views, facts, limit).map(Output::Row);
        durable::hold(rows.concat(notes), sink).probe_with(&probe);
    });
    (inputs, probe)
}
