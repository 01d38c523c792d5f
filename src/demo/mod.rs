//! Everything at once, live: servers, events, the run, and a board that shows the reports. Each part is the real one; only the
//! broker is librdkafka's in-process one, unless another is given.
//!
//! ```text
//! history, then live events ──► in-process broker ──► pipeline (thread) ──► private Postgres ──► board
//! ```

mod board;
mod env;
mod history;

use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tracing::info;

use crate::reports::{Position, Reader};
use crate::terminal;
use board::Board;
use env::DemoEnv;
pub use env::Settings;

/// How often the board checks whether the tables have changed: often enough to look live, but without flicker.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How often the progress is logged where there is no board.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// How long events may take to be counted.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs until `stop` is set or the time is over, and prints a summary.
pub fn run(settings: &Settings, stop: &AtomicBool) -> Result<()> {
    let mut demo = DemoEnv::build(settings)?;
    // A stop before there is anything to see is no error.
    let Some(mut reader) = demo.reader(stop)? else { return demo.end() };
    let (began, drawing) = (Instant::now(), io::stdout().is_terminal());
    let Some(history) = demo.load_history(settings, &mut reader, stop)? else { return demo.end() };
    demo.produce(settings)?;
    let (begin, loaded) = (Instant::now(), reader.snapshot()?.position()?);
    let mut board = Board::new(demo.places() + &history.line(), loaded);
    let mut line = begin;
    while !stop.load(Ordering::Relaxed) && settings.time.is_none_or(|time| begin.elapsed() < time) {
        demo.check()?;
        if drawing {
            board.draw(&mut reader, begin.elapsed(), settings)?;
        } else if line.elapsed() >= LOG_INTERVAL {
            line = Instant::now();
            let position = reader.snapshot()?.position()?;
            info!("{} events counted of {} read", position.counted, position.consumed);
        }
        thread::sleep(POLL_INTERVAL);
    }
    let produced = history.events + demo.stop_producing()?;
    let read = wind_down(&mut demo, &mut reader, produced)?;
    if drawing {
        board.draw(&mut reader, begin.elapsed(), settings)?;
    } else {
        terminal::print(&board::text(&mut reader.snapshot()?)?)?;
    }
    demo.end()?;
    let seconds = began.elapsed().as_secs_f64();
    let Position { consumed, counted, ignored, rejected, .. } = read;
    terminal::print(&format!(
        "{produced} events produced and {consumed} read in {seconds:.1} s: {counted} counted, {ignored} ignored, {rejected} rejected"
    ))
}

/// Waits until everything that was produced is read, and returns what this run has read.
fn wind_down(demo: &mut DemoEnv, reader: &mut Reader, produced: u64) -> Result<Position> {
    let begin = Instant::now();
    let expected = i64::try_from(produced)? + demo.backlog();
    loop {
        let read = reader.snapshot()?.position()?.since(demo.before());
        if read.consumed >= expected {
            return Ok(read);
        }
        demo.check()?;
        must_be_read((expected - read.consumed).unsigned_abs(), begin)?;
        thread::sleep(POLL_INTERVAL);
    }
}

/// An error if events have waited to be read for too long.
fn must_be_read(waiting: u64, since: Instant) -> Result<()> {
    ensure!(
        since.elapsed() < DRAIN_TIMEOUT,
        "{waiting} events were not read within {} s: the in-process broker drops what is not read soon, as it keeps 5 MiB of a \
         partition; give a lower --rate, or a real broker with --brokers",
        DRAIN_TIMEOUT.as_secs()
    );
    Ok(())
}
