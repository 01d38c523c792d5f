//! A look at a topic before any table exists: what would become of its records. Changes nothing anywhere.
//!
//! ```text
//! bounds of the partitions ► stretches spread over them ► decode ► tally ► findings ► tables or JSON
//! ```

mod findings;
mod sample;
mod show;
mod tally;

use anyhow::Result;

pub use findings::Findings;
pub use show::tables;

use crate::source::decode::Rules;
use crate::source::{Property, Settings, Topic, stretch};
use tally::Tally;

/// Looks at so many records of a topic, or at all of them if there are fewer.
pub fn look(kafka: &Settings, rules: &Rules, records: u64) -> Result<Findings> {
    let topic = Topic::connect(kafka)?;
    let partitions = topic.bounds_of(topic.partitions()?)?;
    let (mut tally, unhurried) = (Tally::new(rules), unhurried(kafka));
    for round in sample::rounds(&partitions, records) {
        stretch::read(&unhurried, &round, |record| {
            tally.add(record);
            Ok(())
        })?;
    }
    Ok(tally.findings(topic.name(), &partitions))
}

/// The settings of a reader that jumps: what lies behind a stretch need not be fetched. What the user sets still holds.
fn unhurried(kafka: &Settings) -> Settings {
    let few = Property { name: "queued.min.messages".into(), value: "1000".into() };
    Settings { properties: [vec![few], kafka.properties.clone()].concat(), ..kafka.clone() }
}
