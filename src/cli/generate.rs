//! `freshet generate`: realistic events, to a Kafka topic or to standard output.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{Datelike, NaiveDate};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use freshet_generator::{Generator, Publisher, Record, Settings, Shape, Span};
use indicatif::{ProgressBar, ProgressStyle};
use tracing::info;

use crate::terminal::{self, grouped};

/// Events by default without a rate; in an endless run, events in each pass over the days.
const EVENTS_DEFAULT: u64 = 1_000_000;

/// Shortest sleep: shorter waits add up first, as a sleep is not more exact than this.
const WAIT_MIN: Duration = Duration::from_millis(1);

/// Generate realistic web events, to a Kafka topic or to standard output.
///
/// Events have the shapes and shares of a real shop's: 27 kinds, 86 stores, 19,417 products, about 200,000 user agents; with
/// --shape written as another producer would. The same seed gives the same events, except with --live.
#[derive(Args, Debug)]
pub struct Generate {
    /// Kafka brokers: comma-separated host:port pairs
    #[arg(long, env = "FRESHET_BROKERS")]
    brokers: Option<String>,

    /// Topic to write to, created if missing [default: standard output, one event per line]
    ///
    /// Standard output lacks the null values among the hostile records, and a hostile record with line breaks takes several
    /// lines.
    #[arg(long, env = "FRESHET_TOPIC", requires = "brokers")]
    topic: Option<String>,

    /// Shape of the events, by the name of the model that reads it
    #[arg(long, default_value_t, value_parser = shapes())]
    shape: Shape,

    /// Partitions of a topic that is created
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: i32,

    /// Number of events [default: 1000000, or no end with --rate]
    #[arg(long)]
    events: Option<u64>,

    /// Events per second [default: as fast as possible]
    #[arg(long, value_parser = positive)]
    rate: Option<f64>,

    /// Seed of the random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Days to spread the events over; a run without end repeats them with every million events
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=3_660))]
    days: u32,

    /// First of these days; about 1 % of events are late, by up to three days
    #[arg(long, default_value = "2020-06-01", value_parser = date)]
    start: NaiveDate,

    /// Events happen now, in UTC
    #[arg(long, conflicts_with_all = ["days", "start"])]
    live: bool,

    /// Share of hostile records, 0 to 1: malformed, oversized, or odd but valid
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    hostile: f64,

    /// librdkafka producer property; can be repeated
    #[arg(short = 'X', value_name = "KEY=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
}

/// Runs the command until all events are written, and for a topic also acknowledged.
pub fn run(args: &Generate) -> anyhow::Result<()> {
    let events = args.events.or(if args.rate.is_none() { Some(EVENTS_DEFAULT) } else { None });
    let mut output = Output::open(args)?;
    let written = write_all(args, events, &mut output).and_then(|events| output.finish().map(|()| events));
    match (written, &args.topic) {
        (Ok(events), Some(topic)) => info!("wrote {} events to topic '{topic}'", grouped(events)),
        (Ok(_), None) => {}
        // The reader of a pipe has seen enough.
        (Err(error), _) if terminal::is_broken_pipe(&error) => {}
        (Err(error), _) => return Err(error),
    }
    Ok(())
}

/// Returns how many events were written.
fn write_all(args: &Generate, events: Option<u64>, output: &mut Output) -> anyhow::Result<u64> {
    let span = if args.live {
        Span::Live
    } else {
        Span::Days { start: args.start, days: args.days, events: events.unwrap_or(EVENTS_DEFAULT) }
    };
    let generator = Generator::of_shape(args.shape, Settings { seed: args.seed, hostile: args.hostile, span });
    let bar = progress(events);
    let begin = Instant::now();
    for (index, record) in (0..events.unwrap_or(u64::MAX)).zip(generator) {
        if let Some(rate) = args.rate {
            output.wait_until(begin + Duration::try_from_secs_f64(index as f64 / rate).unwrap_or(Duration::MAX))?;
        }
        output.write(&record)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(bar.position())
}

/// Where the records go.
enum Output {
    Topic(Publisher),
    Lines(BufWriter<StdoutLock<'static>>),
}

impl Output {
    fn open(args: &Generate) -> anyhow::Result<Self> {
        match (&args.topic, &args.brokers) {
            (Some(topic), Some(brokers)) => {
                Publisher::open(brokers, topic, args.partitions, &args.properties).map(Self::Topic)
            }
            _ => Ok(Self::Lines(BufWriter::with_capacity(1 << 16, io::stdout().lock()))),
        }
    }

    fn write(&mut self, record: &Record) -> anyhow::Result<()> {
        match (self, &record.payload) {
            (Self::Topic(publisher), payload) => publisher.send(payload.as_deref()),
            (Self::Lines(lines), Some(payload)) => {
                lines.write_all(payload).and_then(|()| lines.write_all(b"\n")).context(terminal::NOT_WRITTEN)
            }
            (Self::Lines(_), None) => Ok(()),
        }
    }

    /// Waits until the next record is due, after flushing what is buffered.
    fn wait_until(&mut self, moment: Instant) -> anyhow::Result<()> {
        let time = moment.saturating_duration_since(Instant::now());
        if time < WAIT_MIN {
            return Ok(());
        }
        match self {
            Self::Topic(publisher) => publisher.wait(time),
            Self::Lines(lines) => {
                lines.flush().context(terminal::NOT_WRITTEN)?;
                thread::sleep(time);
                Ok(())
            }
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Topic(publisher) => publisher.finish(),
            Self::Lines(mut lines) => lines.flush().context(terminal::NOT_WRITTEN),
        }
    }
}

/// A progress bar, if standard error is a terminal and standard output does not scroll it away.
fn progress(events: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match events {
        Some(events) => (ProgressBar::new(events), "{wide_bar} {human_pos}/{human_len} events, {per_sec}, {eta} left"),
        None => (ProgressBar::no_length(), "{spinner} {human_pos} events, {per_sec}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Parses a shape by its name; help and completions list all names.
pub(super) fn shapes() -> impl TypedValueParser<Value = Shape> {
    PossibleValuesParser::new(Shape::ALL.map(Shape::name)).try_map(|name| name.parse::<Shape>())
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("a number greater than 0 is needed".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("a number from 0 to 1 is needed".to_owned()),
    }
}

/// A day early enough that the end of the longest span still fits `yyyy-MM-dd`.
fn date(text: &str) -> Result<NaiveDate, String> {
    match text.parse::<NaiveDate>() {
        Ok(date) if (1970..=9_900).contains(&date.year()) => Ok(date),
        _ => Err("a date of the form YYYY-MM-DD is needed, from 1970 to 9900".to_owned()),
    }
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("KEY=VALUE is needed".to_owned()),
    }
}
