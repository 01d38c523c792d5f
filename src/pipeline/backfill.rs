//! Shows the progress of a run until it has caught up with its topic.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::ProgressBar;
use tracing::{Level, info};

use crate::metrics::Metrics;
use crate::terminal::{self, grouped};

/// How often the progress is checked, and how often it is logged where there is no bar.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
const LINE_INTERVAL: Duration = Duration::from_secs(10);
/// A backfill shorter than this shows no bar.
const BAR_AFTER: Duration = Duration::from_secs(1);

/// The thread that watches the progress; it ends when this is dropped.
pub(super) struct Backfill {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Backfill {
    /// Shows a bar on a terminal, else logs a line every ten seconds; nothing if the log level is above info.
    pub fn watch(metrics: &Metrics) -> Result<Backfill> {
        let (over, metrics) = (Arc::new(AtomicBool::new(false)), metrics.clone());
        let ended = over.clone();
        let look = move || Look::new(metrics).until(&ended);
        let watched = tracing::enabled!(Level::INFO);
        let thread = watched.then(|| thread::Builder::new().name("backfill".into()).spawn(look)).transpose()?;
        Ok(Backfill { over, thread })
    }
}

impl Drop for Backfill {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic has ended the process already.
            let _ = thread.join();
        }
    }
}

/// The progress, and what of it was shown.
struct Look {
    metrics: Metrics,
    begun: Instant,
    bar: Option<ProgressBar>,
    /// When the last line was logged, and how many records were read by then.
    line: (Instant, u64),
    lines: u32,
}

impl Look {
    fn new(metrics: Metrics) -> Look {
        let begun = Instant::now();
        Look { metrics, begun, bar: None, line: (begun, 0), lines: 0 }
    }

    fn until(mut self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            // The lag is unknown while Kafka is away, and there is nothing new to show.
            match (self.metrics.records(), self.metrics.lag().records.map(i64::unsigned_abs)) {
                (_, Some(0)) => break,
                (read, Some(behind)) if io::stderr().is_terminal() => self.draw(read, behind),
                (read, Some(behind)) => self.write(read, behind),
                (_, None) => {}
            }
            thread::park_timeout(POLL_INTERVAL);
        }
        let was_shown = self.bar.is_some() || self.lines > 0;
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        if was_shown && self.metrics.lag().records == Some(0) {
            let (read, seconds) = (grouped(self.metrics.records()), self.begun.elapsed().as_secs_f64());
            info!("caught up: {read} records in {seconds:.1} s");
        }
    }

    fn draw(&mut self, read: u64, behind: u64) {
        if self.bar.is_none() && self.begun.elapsed() < BAR_AFTER {
            return;
        }
        let bar = self.bar.get_or_insert_with(terminal::bar_of_records);
        // The topic may grow meanwhile.
        bar.set_length(read + behind);
        bar.set_position(read);
    }

    fn write(&mut self, read: u64, behind: u64) {
        let (since, before) = self.line;
        if since.elapsed() < LINE_INTERVAL {
            return;
        }
        let rate = (read - before) as f64 / since.elapsed().as_secs_f64();
        info!("read {} records, {} to go: {}", grouped(read), grouped(behind), pace(rate, behind));
        self.line = (Instant::now(), read);
        self.lines += 1;
    }
}

/// The rate, and the time left.
fn pace(rate: f64, behind: u64) -> String {
    let records = grouped(rate as u64);
    if rate < 1.0 {
        return "no records read lately".into();
    }
    let left = Duration::from_secs((behind as f64 / rate).ceil() as u64);
    format!("{records} records/s, {} left", humantime::format_duration(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_the_pace() {
        assert_eq!(pace(2_000.0, 7_300_000), "2,000 records/s, 1h 50s left");
        assert_eq!(pace(0.4, 5), "no records read lately");
    }
}
