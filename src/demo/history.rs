//! The history: events of past days, through the same broker and the same run, before the live ones begin.

use std::time::{Duration, Instant};

use anyhow::Result;
use chrono::Utc;
use freshet_generator::{Generator, Publisher, Settings, Span};
use tracing::info;

use super::must_be_read;
use crate::reports::Reader;
use crate::terminal::{self, grouped};

/// Events of a day: enough that each hour has views of many products, and few enough to load in seconds.
const EVENTS_PER_DAY: u64 = 20_000;

/// Events in flight at most: the in-process broker keeps 5 MiB of a partition, and drops older records whether they were read
/// or not.
const IN_FLIGHT_MAX: u64 = 16_000;

/// How long to wait between two checks of the tables.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// What was loaded.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct History {
    /// How many events.
    pub events: u64,
    days: u32,
    took: Duration,
}

impl History {
    /// The events of this many days.
    pub fn events(days: u32, settings: &super::Settings) -> Generator {
        let span = Span::Past { days, until: Utc::now(), events: per_days(days) };
        Generator::of_shape(settings.shape, Settings { seed: 1, hostile: settings.hostile, span })
    }

    /// Sends this many days of events, each with its own time, until they are counted; none if `is_stopped` before that.
    pub fn load(
        days: u32,
        mut generator: Generator,
        publisher: &mut Publisher,
        reader: &mut Reader,
        mut is_stopped: impl FnMut() -> Result<bool>,
    ) -> Result<Option<History>> {
        if days == 0 {
            return Ok(Some(History::default()));
        }
        let (begin, events) = (Instant::now(), per_days(days));
        info!("loading {}: {} events", title(days), grouped(events));
        let bar = terminal::bar_of_records().with_prefix(title(days) + " ");
        bar.set_length(events);
        let (mut sent, mut read, mut moved) = (0, 0, begin);
        while read < events {
            while sent < events.min(read + IN_FLIGHT_MAX) {
                let record = generator.record();
                publisher.send_as_of(record.payload.as_deref(), Some(record.sent))?;
                sent += 1;
            }
            publisher.wait(POLL_INTERVAL)?;
            if is_stopped()? {
                return Ok(None);
            }
            let position = reader.snapshot()?.position()?.consumed.unsigned_abs();
            if position > read {
                (read, moved) = (position, Instant::now());
                bar.set_position(read);
            }
            must_be_read(sent.saturating_sub(read), moved)?;
        }
        bar.finish_and_clear();
        let history = History { events, days, took: begin.elapsed() };
        info!("{}", history.line().trim_end());
        Ok(Some(history))
    }

    /// What was loaded, as a line; empty if nothing was.
    pub fn line(&self) -> String {
        let History { events, days, took } = *self;
        match days {
            0 => String::new(),
            _ => format!("{}: {} events loaded in {:.1} s\n", title(days), grouped(events), took.as_secs_f64()),
        }
    }
}

fn per_days(days: u32) -> u64 {
    EVENTS_PER_DAY * u64::from(days)
}

fn title(days: u32) -> String {
    format!("{days} {} of history", if days == 1 { "day" } else { "days" })
}
