//! A steady load and every fault there is, at random: half an hour of it in a soak (`make soak`). Each has a test of its own too.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use freshet_embedded::{Kafka, Postgres};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rustix::process::Signal;

use crate::support::disk::Disk;
use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::{AWAY, choices, fill, finish, goes_on};
use crate::support::proxy::{Cut, Proxy};
use crate::support::soak::is_soak;
use crate::support::{Database, new_topic, require_kafka, run_arguments};

/// What can happen.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill,
    Stop,
    Pause,
    CommitLost,
    AnswerLost,
    SessionEnded,
    PostgresCrash,
    DiskFull,
    BrokerCrash,
    SecondInstance,
    Takeover,
}

const FAULTS: [Fault; 11] = [
    Fault::Kill,
    Fault::Stop,
    Fault::Pause,
    Fault::CommitLost,
    Fault::AnswerLost,
    Fault::SessionEnded,
    Fault::PostgresCrash,
    Fault::DiskFull,
    Fault::BrokerCrash,
    Fault::SecondInstance,
    Fault::Takeover,
];

/// What a key may take of the memory, in bytes: with what differential keeps while it merges.
const BYTES_A_KEY: u64 = 400;

/// What else the process may take, however long it runs.
const BYTES: u64 = 250 << 20;

/// All that a fault may befall, but for Freshet itself. That reaches Postgres by way of the proxy, the test directly.
struct Stage {
    choices: StdRng,
    topic: String,
    arguments: String,
    filling: Option<Freshet>,
    database: Database,
    proxy: Proxy,
    disk: Option<Disk>,
    server: Postgres,
    kafka: Kafka,
}

#[test]
fn everything_at_random() -> Result<()> {
    if !is_soak() {
        println!("skipped: FRESHET_SOAK=1 has half an hour for it");
        return Ok(());
    }
    let Some(_) = require_kafka() else { return Ok(()) };
    let mut stage = Stage::build()?;
    let mut freshet = stage.start()?;
    let (begin, soak) = (Instant::now(), Duration::from_secs(60 * 30));
    let mut faults = 0;
    while faults < FAULTS.len() || begin.elapsed() < soak {
        goes_on(&mut freshet, &mut stage.database)?;
        let any = *FAULTS.choose(&mut stage.choices).unwrap_or(&Fault::Kill);
        let fault = FAULTS.get(faults).copied().unwrap_or(any);
        freshet = stage.befall(freshet, fault)?;
        goes_on(&mut freshet, &mut stage.database)?;
        faults += 1;
        let (keys, memory) = (stage.database.keys()?, freshet.memory()?);
        println!(
            "{:>5.0} s, {faults} faults, {fault:?}: {} MiB, {keys} keys",
            begin.elapsed().as_secs_f64(),
            memory >> 20
        );
        ensure!(memory < BYTES + BYTES_A_KEY * keys, "{memory} bytes of memory for {keys} keys");
    }
    freshet.terminate()?.success()?;
    stage.filling = None;
    finish(&stage.kafka, &stage.topic, &mut stage.database)
}

impl Stage {
    fn build() -> Result<Stage> {
        // Servers of its own: the others' tests run meanwhile.
        let home = std::env::var_os("FRESHET_KAFKA_HOME").unwrap_or_default();
        let (mut choices, kafka, server) = (choices(), Kafka::start(Path::new(&home))?, Postgres::start()?);
        let (topic, disk) = (new_topic(&kafka, 4)?, Disk::mount(server.home(), 1_024)?);
        let mut database = Database::create_in(&server)?;
        if let Some(disk) = &disk {
            disk.hold(&mut database)?;
        }
        let proxy = Proxy::start(&server)?;
        let direct = run_arguments(&kafka.brokers(), &topic, &database);
        let arguments = direct.replace(&database.url, &proxy.url(&database.url));
        let filling = Some(fill(&kafka, &topic, choices.random())?);
        Ok(Stage { choices, topic, arguments, filling, database, proxy, disk, server, kafka })
    }

    fn start(&mut self) -> Result<Freshet> {
        let workers = self.choices.random_range(1..=3);
        Freshet::start(&format!("{} --workers {workers}", self.arguments))
    }

    /// Lets it happen at some moment. Returns the Freshet that runs afterwards.
    fn befall(&mut self, mut freshet: Freshet, fault: Fault) -> Result<Freshet> {
        let moment = Duration::from_millis(self.choices.random_range(0..500));
        freshet.run_for(moment)?;
        match fault {
            Fault::Kill => {
                freshet.kill()?;
                return self.start();
            }
            Fault::Stop => {
                freshet.terminate()?.success()?;
                return self.start();
            }
            Fault::Takeover => return self.take_over(freshet),
            Fault::Pause => {
                freshet.signal(Signal::STOP)?;
                freshet.run_for(4 * moment)?;
                freshet.signal(Signal::CONT)?;
            }
            Fault::CommitLost => self.cut(&mut freshet, Cut::Request)?,
            Fault::AnswerLost => self.cut(&mut freshet, Cut::Answer)?,
            Fault::SessionEnded => {
                let end = "SELECT pg_terminate_backend(backend_pid) FROM freshet_owner";
                self.database.client.batch_execute(end)?;
            }
            Fault::PostgresCrash => {
                self.server.kill()?;
                freshet.run_for(2 * moment)?;
                self.server.restart()?;
                self.database.reconnect()?;
            }
            Fault::DiskFull => self.fill_disk(&mut freshet)?,
            Fault::BrokerCrash => self.crash_broker(&mut freshet, 2 * moment)?,
            Fault::SecondInstance => Freshet::run(&self.arguments)?.refuses_with(3, &["instance"])?,
        }
        Ok(freshet)
    }

    fn take_over(&mut self, freshet: Freshet) -> Result<Freshet> {
        let mut standby = Freshet::start(&format!("{} --standby", self.arguments))?;
        standby.until_told("standing by", TIMEOUT)?;
        freshet.kill()?;
        standby.until_told("reading", TIMEOUT)?;
        Ok(standby)
    }

    fn cut(&self, freshet: &mut Freshet, cut: Cut) -> Result<()> {
        let before = self.proxy.cuts();
        self.proxy.cut(cut);
        freshet.until("the cut", TIMEOUT, || Ok(self.proxy.cuts() > before))
    }

    fn fill_disk(&self, freshet: &mut Freshet) -> Result<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let before = freshet.times_told(AWAY)?;
        disk.fill()?;
        freshet.until_told_times(before + 1, AWAY, TIMEOUT)?;
        disk.free()
    }

    fn crash_broker(&mut self, freshet: &mut Freshet, away: Duration) -> Result<()> {
        self.filling = None;
        self.kafka.kill()?;
        freshet.run_for(away)?;
        self.kafka.restart()?;
        self.filling = Some(fill(&self.kafka, &self.topic, self.choices.random())?);
        Ok(())
    }
}
