//! The settings that a run has by itself.

use ::freshet::source::decode::{Decoder, Outcome, Rules};
use dataflows::Event;
use dataflows::model::Model;

/// What decides about records where no flag says otherwise.
pub fn rules() -> Rules {
    Rules::new(Model::builtin())
}

/// The text of an event's field in the default model, by the field's name.
pub fn text_of(event: &Event<'_>, field: &str) -> Option<String> {
    let place = Model::builtin().fields.iter().position(|known| known.name == field).expect("a field of the model");
    event.fields[place].as_ref().map(ToString::to_string)
}

/// What is made of the outcome of a record that holds one event.
pub fn decoded<T>(
    decoder: &mut Decoder,
    payload: Option<&[u8]>,
    timestamp: Option<i64>,
    mut made: impl FnMut(Outcome<'_>) -> T,
) -> T {
    let mut outcomes = Vec::new();
    decoder.decode(payload, timestamp, |outcome| outcomes.push(made(outcome)));
    assert_eq!(outcomes.len(), 1, "one event has one outcome");
    outcomes.remove(0)
}
