//! Records that are kept to try several models on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use dataflows::model::Model;
use serde_json::Value;

use super::findings;
use super::members::Survey;
use crate::source::Record;
use crate::source::decode::{Collections, Decoder, Outcome, Rules};

/// Records that are kept, spread evenly over those looked at, and their bytes at most.
const RECORDS_MAX: u64 = 10_000;
const BYTES_MAX: usize = 64 << 20;
/// Bytes of a record, and elements of an array, up to which their members are surveyed.
const SURVEYED_BYTES_MAX: usize = 1 << 20;
const SURVEYED_ELEMENTS_MAX: usize = 1_000;

/// Records for a closer look.
pub(super) struct Kept {
    /// One of this many records is kept.
    every: u64,
    seen: u64,
    bytes: usize,
    records: Vec<KeptRecord>,
}

struct KeptRecord {
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    payload: Option<Vec<u8>>,
}

/// How a model decodes the kept records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trial {
    /// How many events were tried.
    pub tried: u64,
    /// How many of them it counts.
    pub counted: u64,
    /// Why it rejects the others.
    pub reasons: BTreeMap<String, u64>,
}

impl Kept {
    /// None yet; `records` will be looked at.
    pub fn new(records: u64) -> Kept {
        Kept { every: records.div_ceil(RECORDS_MAX).max(1), seen: 0, bytes: 0, records: Vec::new() }
    }

    /// Keeps a record, if it is its turn.
    pub fn add(&mut self, record: Record<'_>) {
        let length = record.payload.map_or(0, <[u8]>::len);
        if self.seen.is_multiple_of(self.every) && self.bytes + length <= BYTES_MAX {
            self.bytes += length;
            let Record { partition, offset, timestamp, payload, .. } = record;
            self.records.push(KeptRecord { partition, offset, timestamp, payload: payload.map(<[u8]>::to_vec) });
        }
        self.seen += 1;
    }

    /// Tries this model on them, under otherwise the same rules.
    pub fn try_model(&self, model: Arc<Model>, rules: &Rules) -> Trial {
        let views = Collections::new(&model.event.views);
        let mut decoder = Decoder::new(Rules { model, views, ..rules.clone() });
        let mut trial = Trial::default();
        for kept in &self.records {
            let KeptRecord { partition, offset, timestamp, ref payload } = *kept;
            let record = Record { partition, offset, timestamp, leader_epoch: None, payload: payload.as_deref() };
            record.decode(&mut decoder, |outcome, _| match outcome {
                Outcome::Counted(_) => {
                    trial.tried += 1;
                    trial.counted += 1;
                }
                Outcome::Ignored(_) | Outcome::Bot | Outcome::Forgotten(_) => trial.tried += 1,
                Outcome::Rejected(reason) => {
                    let events = reason.events().cast_unsigned();
                    trial.tried += events;
                    *trial.reasons.entry(reason.to_string()).or_default() += events;
                }
            });
        }
        trial
    }

    /// The members of their events; those of an array's elements, if most records are arrays.
    pub fn survey(&self) -> (Survey, Envelope) {
        let (mut single, mut several) = (Survey::default(), Survey::default());
        let payloads = self.records.iter().filter_map(|kept| kept.payload.as_deref());
        for payload in payloads.filter(|payload| payload.len() <= SURVEYED_BYTES_MAX) {
            match serde_json::from_slice(without_header(payload)) {
                Ok(Value::Array(events)) => events
                    .iter()
                    .take(SURVEYED_ELEMENTS_MAX)
                    .filter(|event| event.is_object())
                    .for_each(|it| several.add(it)),
                Ok(Value::Object(mut members)) => {
                    let is_enveloped = members.len() == 2 && members.contains_key("schema");
                    let payload = if is_enveloped { members.remove("payload") } else { None };
                    single.add(&payload.filter(Value::is_object).unwrap_or(Value::Object(members)));
                }
                _ => {}
            }
        }
        if several.events > single.events { (several, Envelope::Array) } else { (single, Envelope::Auto) }
    }
}

/// How records hold events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// One each, or as the decoder detects.
    Auto,
    /// Each is an array of events.
    Array,
}

/// A payload without the five bytes that a schema registry puts in front.
fn without_header(payload: &[u8]) -> &[u8] {
    match payload {
        [0, _, _, _, _, json @ ..] => json,
        json => json,
    }
}

impl Trial {
    /// How much of what was tried is counted.
    pub fn share(&self) -> f64 {
        self.counted as f64 / self.tried.max(1) as f64
    }

    /// The reason that most records are rejected for.
    pub fn first_reason(&self) -> Option<&str> {
        self.reasons.iter().max_by_key(|(_, records)| **records).map(|(reason, _)| reason.as_str())
    }
}

impl From<(String, Trial)> for findings::Fit {
    fn from((model, trial): (String, Trial)) -> findings::Fit {
        findings::Fit { model, tried: trial.tried, counted: trial.counted, share: trial.share() }
    }
}
