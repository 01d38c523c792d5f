//! The servers of a demo, and what runs on them.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use dataflows::model::Model;
use freshet_embedded::Postgres;
use freshet_generator::{Generator, Publisher, Settings as Events, Shape, Span};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tracing::info;

use super::history::History;
use crate::database::Target;
use crate::pipeline::{self, Pipeline};
use crate::reports::{CONNECT_TIMEOUT, Position, Reader};
use crate::serve::{self, Address};
use crate::source::{self, Topic};

/// Partitions of the topic.
const PARTITIONS: i32 = 4;

/// How long the tables may take to be created.
const TABLES_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The settings of a demo.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many days of history come before the live events.
    pub history: u32,
    /// Events per second.
    pub rate: u32,
    /// How long it runs; without end if none.
    pub time: Option<Duration>,
    /// The number of workers.
    pub workers: u16,
    /// The share of hostile records, from 0 to 1.
    pub hostile: f64,
    /// Brokers to use instead of the in-process one.
    pub brokers: Option<String>,
    /// The address of the page; if none, one that is free.
    pub http: Option<Address>,
    /// The topic.
    pub topic: String,
    /// A database to use instead of a private one.
    pub database_url: Option<String>,
    /// What is counted of the events.
    pub model: Arc<Model>,
    /// How the events are written.
    pub shape: Shape,
}

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// Everything that runs. The fields are dropped in this order.
pub(super) struct DemoEnv {
    /// There until the live events begin.
    publisher: Option<Publisher>,
    producer: Option<JoinHandle<Result<u64>>>,
    engine: Option<JoinHandle<Result<()>>>,
    stop_producing: Arc<AtomicBool>,
    stop_engine: Arc<AtomicBool>,
    database: Target,
    model: Arc<Model>,
    page: Address,
    before: Position,
    backlog: i64,
    postgres: Option<Postgres>,
    _cluster: Option<Cluster>,
}

impl DemoEnv {
    pub fn build(settings: &Settings) -> Result<DemoEnv> {
        let (postgres, database_url) = match &settings.database_url {
            Some(url) => (None, url.clone()),
            None => {
                let postgres = Postgres::start().context("a demo needs a Postgres; or give one with --database-url")?;
                let url = postgres.url();
                info!("tables: psql {url}");
                (Some(postgres), url)
            }
        };
        let (cluster, brokers) = match &settings.brokers {
            Some(brokers) => (None, brokers.clone()),
            None => in_process(&settings.topic)?,
        };
        let database: Target = database_url.parse().map_err(|error| anyhow!("--database-url: {error}"))?;
        let before = Reader::connect(&database, CONNECT_TIMEOUT, settings.model.clone())
            .and_then(|mut reader| reader.snapshot()?.position())
            .unwrap_or_default();
        let publisher = Publisher::open(&brokers, &settings.topic, PARTITIONS, &[])?;
        let backlog = backlog(&brokers, &settings.topic, before)?;
        let (stop_producing, stop_engine) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let page = page(settings.http)?;
        let engine = start_engine(settings, &brokers, &database, page, stop_engine.clone())?;
        Ok(DemoEnv {
            publisher: Some(publisher),
            producer: None,
            engine: Some(engine),
            stop_producing,
            stop_engine,
            database,
            model: settings.model.clone(),
            page,
            before,
            backlog,
            postgres,
            _cluster: cluster,
        })
    }

    /// A reader of the tables, as soon as there are tables; none if `stop` is set before that.
    pub fn reader(&mut self, stop: &AtomicBool) -> Result<Option<Reader>> {
        let begin = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            match Reader::connect(&self.database, CONNECT_TIMEOUT, Arc::clone(&self.model)) {
                Ok(reader) => return Ok(Some(reader)),
                Err(error) if begin.elapsed() > TABLES_TIMEOUT => return Err(error),
                Err(_) => self.check()?,
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(None)
    }

    /// Loads the days before today, unless the topic or the tables have some already; none if `stop` is set meanwhile.
    pub fn load_history(
        &mut self,
        settings: &Settings,
        reader: &mut Reader,
        stop: &AtomicBool,
    ) -> Result<Option<History>> {
        let is_new = self.before.consumed == 0 && self.backlog == 0;
        let mut publisher = self.publisher.take().context("the events have begun")?;
        let days = if is_new { settings.history } else { 0 };
        let events = History::events(days, settings);
        let history = History::load(days, events, &mut publisher, reader, || {
            self.check()?;
            Ok(stop.load(Ordering::Relaxed))
        })?;
        self.publisher = Some(publisher);
        Ok(history)
    }

    /// Begins the live events.
    pub fn produce(&mut self, settings: &Settings) -> Result<()> {
        let publisher = self.publisher.take().context("the events have begun")?;
        self.producer = Some(produce(settings, publisher, self.stop_producing.clone())?);
        Ok(())
    }

    /// An error if something has ended that should not have.
    pub fn check(&mut self) -> Result<()> {
        if self.engine.as_ref().is_none_or(JoinHandle::is_finished) {
            self.end()?;
            bail!("the run ended by itself");
        }
        if self.producer.as_ref().is_some_and(JoinHandle::is_finished) {
            self.stop_producing()?;
            bail!("the events ended by themselves");
        }
        Ok(())
    }

    /// Lines with the places to look at: the page, and the tables while they exist.
    pub fn places(&self) -> String {
        let page = (self.page != Address::Off).then(|| format!("The page: http://{}/\n", self.page));
        let tables = self.postgres.as_ref().map(|postgres| format!("The tables: psql {}\n", postgres.url()));
        [page, tables].into_iter().flatten().collect()
    }

    /// Where the tables stood before.
    pub fn before(&self) -> Position {
        self.before
    }

    /// How many records were waiting before the first one of this demo.
    pub fn backlog(&self) -> i64 {
        self.backlog
    }

    /// Stops the events, and says how many there were.
    pub fn stop_producing(&mut self) -> Result<u64> {
        self.stop_producing.store(true, Ordering::Relaxed);
        self.producer.take().map_or(Ok(0), join)
    }

    /// Stops the run cleanly.
    pub fn end(&mut self) -> Result<()> {
        self.stop_engine.store(true, Ordering::Relaxed);
        self.engine.take().map_or(Ok(()), join)
    }
}

fn join<T>(thread: JoinHandle<Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread of the demo panicked"))?
}

/// How many records a topic has after the position of the tables.
fn backlog(brokers: &str, topic: &str, before: Position) -> Result<i64> {
    let source = source::Settings::new(brokers, topic, &[]);
    let total = Topic::connect(&source)?.total()?;
    Ok(total.high - before.next_offsets.max(total.low))
}

fn in_process(topic: &str) -> Result<(Option<Cluster>, String)> {
    let cluster = MockCluster::new(1).map_err(|error| anyhow!("librdkafka's in-process broker: {error}"))?;
    cluster
        .create_topic(topic, PARTITIONS, 1)
        .map_err(|error| anyhow!("librdkafka's in-process broker cannot create the topic: {error}"))?;
    let brokers = cluster.bootstrap_servers();
    Ok((Some(cluster), brokers))
}

/// An address that is free now, so that it can be shown. A demo needs its page even if another program has the usual port.
fn page(wanted: Option<Address>) -> Result<Address> {
    let free = |address: SocketAddr| TcpListener::bind(address).and_then(|listener| listener.local_addr());
    match (wanted, serve::DEFAULT) {
        (Some(Address::At(address)), _) => {
            Ok(Address::At(free(address).with_context(|| format!("--http {address} is not available"))?))
        }
        (None, Address::At(usual)) => Ok(Address::At(free(usual).or_else(|_| free((usual.ip(), 0).into()))?)),
        _ => Ok(Address::Off),
    }
}

fn start_engine(
    settings: &Settings,
    brokers: &str,
    database: &Target,
    page: Address,
    stop: Arc<AtomicBool>,
) -> Result<JoinHandle<Result<()>>> {
    let kafka = source::Settings::new(brokers, &settings.topic, &[]);
    let usual = pipeline::Settings::new(kafka, database.clone(), settings.model.clone());
    let http = serve::Settings { page: Some(page), ..serve::Settings::off() };
    let pipeline = Pipeline::from(pipeline::Settings { workers: settings.workers, http, ..usual });
    Ok(thread::Builder::new().name("run".into()).spawn(move || pipeline.run(stop))?)
}

/// Sends events that happen now, at the rate that was asked for.
fn produce(settings: &Settings, mut publisher: Publisher, stop: Arc<AtomicBool>) -> Result<JoinHandle<Result<u64>>> {
    let rate = f64::from(settings.rate);
    // Another seed than that of the history, which would produce the same events again.
    let events = Generator::of_shape(settings.shape, Events { seed: 2, hostile: settings.hostile, span: Span::Live });
    let work = move || {
        let begin = Instant::now();
        let mut sent = 0;
        for event in events {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            publisher.send(event.payload.as_deref())?;
            sent += 1;
            let due = begin + Duration::from_secs_f64(sent as f64 / rate);
            publisher.wait(due.saturating_duration_since(Instant::now()))?;
        }
        publisher.finish()?;
        Ok(sent)
    };
    Ok(thread::Builder::new().name("producer".into()).spawn(work)?)
}
