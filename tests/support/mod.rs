//! What the integration tests stand on: servers, topics, the program under test and the oracle.
#![allow(missing_docs, reason = "there is nobody outside to read them")]

pub mod browser;
pub mod cases;
pub mod catalogue;
pub mod cluster;
pub mod countries;
pub mod defaults;
pub mod dimensions;
pub mod disk;
pub mod exposition;
pub mod freshet;
pub mod http;
pub mod image;
pub mod instrumented;
pub mod json;
pub mod load;
pub mod oracle;
pub mod proxy;
pub mod reports;
pub mod shop;
pub mod soak;
pub mod topic;
pub mod urls;
pub mod verdict;
pub mod yaml;

use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use freshet_embedded::{Kafka, PgBouncer, Postgres};
use postgres::{Client, NoTls};

use freshet::Freshet;
use oracle::Oracle;
use verdict::Rules;

/// The text of a file of the repository.
pub fn file(path: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The Postgres of this test program, started when first needed.
pub fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    // Nothing here outlives a crash of the machine, so nothing waits for the disk.
    SERVER.get_or_init(|| Postgres::start_with(&[("fsync", "off")]).expect("a private Postgres"))
}

/// The Kafka of this test program, started when first needed. Where there is none the test is skipped, by name, unless
/// `FRESHET_REQUIRE_KAFKA=1` makes that a failure.
pub fn require_kafka() -> Option<&'static Kafka> {
    static SERVER: OnceLock<Result<Kafka, String>> = OnceLock::new();
    let started = SERVER.get_or_init(|| {
        let home =
            std::env::var_os("FRESHET_KAFKA_HOME").ok_or("FRESHET_KAFKA_HOME is not set; `make test` sets it")?;
        Kafka::start_for_load(Path::new(&home)).map_err(|error| format!("{error:#}"))
    });
    match started {
        Ok(kafka) => Some(kafka),
        Err(reason) if std::env::var("FRESHET_REQUIRE_KAFKA").as_deref() == Ok("1") => panic!("no Kafka: {reason}"),
        Err(reason) => {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("a test");
            // Not eprintln!, which the test harness keeps to itself when the test passes.
            let _ = writeln!(std::io::stderr(), "skipped: {name} needs Apache Kafka ({reason})");
            None
        }
    }
}

/// Waits until a condition holds that no program under test has to bring about.
pub fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + freshet::TIMEOUT;
    while !holds()? {
        ensure!(Instant::now() < deadline, "not within {:?}: {what}", freshet::TIMEOUT);
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Whether there is a pgbouncer; else the test is skipped, by name, as without Kafka.
pub fn require_pgbouncer() -> bool {
    if PgBouncer::is_installed() {
        return true;
    }
    assert!(std::env::var("FRESHET_REQUIRE_KAFKA").as_deref() != Ok("1"), "no pgbouncer: scripts/setup.sh installs it");
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "skipped: {} needs pgbouncer", thread.name().unwrap_or("a test"));
    false
}

/// A name that no other test of this program has.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{stem}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A new topic.
pub fn new_topic(kafka: &Kafka, partitions: i32) -> Result<String> {
    let topic = unique("events");
    kafka.create_topic(&topic, partitions)?;
    Ok(topic)
}

/// A new database.
pub struct Database {
    pub url: String,
    pub client: Client,
}

impl Database {
    pub fn create() -> Result<Database> {
        Database::create_in(postgres())
    }

    /// A new database in a server that the test may do harm to.
    pub fn create_in(server: &Postgres) -> Result<Database> {
        let name = unique("tables");
        Client::connect(&server.url(), NoTls)?.batch_execute(&format!("CREATE DATABASE {name}"))?;
        let url = server.url_of(&name);
        Ok(Database { client: Client::connect(&url, NoTls)?, url })
    }

    /// How many records the tables stand for; none before there are tables.
    pub fn consumed(&mut self) -> Result<i64> {
        self.number("SELECT coalesce(sum(consumed), 0)::bigint FROM progress")
    }

    /// How many partitions have a row in `progress`.
    pub fn partitions(&mut self) -> Result<i64> {
        self.number("SELECT count(*) FROM progress")
    }

    /// The tables must be what the oracle says, and the reports what the tables say.
    pub fn must_equal(&mut self, oracle: &Oracle, topic: &str) -> Result<()> {
        let mut differences = oracle.differences(&mut self.client, topic)?;
        differences.extend(reports::wrong_reports(&mut self.client, oracle.time_zone())?);
        ensure!(differences.is_empty(), "the tables differ from the recomputation:\n{}", differences.join("\n"));
        Ok(())
    }

    /// A new session, after the server was away.
    pub fn reconnect(&mut self) -> Result<()> {
        self.client = Client::connect(&self.url, NoTls)?;
        Ok(())
    }

    /// Gives a product a name by hand, where its page gives none.
    pub fn name_product(&mut self, product: &str, name: &str) -> Result<()> {
        let query = "INSERT INTO dim_product (product_id, name, first_day, last_day)
            VALUES ($1, $2, '2020-06-04', '2020-06-04') ON CONFLICT (product_id) DO UPDATE SET name = excluded.name";
        self.client.execute(query, &[&product, &name])?;
        Ok(())
    }

    /// How many rows a table has.
    pub fn rows_of(&mut self, table: &str) -> Result<i64> {
        self.number(&format!("SELECT count(*) FROM {table}"))
    }

    /// How many rows the counted tables have, and so how many keys Freshet holds.
    pub fn keys(&mut self) -> Result<u64> {
        let model = dataflows::Model::builtin();
        let counted = model.tables.iter().filter(|table| !table.is_derived(&model));
        counted.map(|table| Ok(u64::try_from(self.rows_of(&table.name)?)?)).sum()
    }

    /// The one number that a query gives; 0 before there are tables.
    pub fn number(&mut self, query: &str) -> Result<i64> {
        let exists = "SELECT to_regclass('progress') IS NOT NULL";
        let exists: bool = self.client.query_one(exists, &[])?.get(0);
        if exists { Ok(self.client.query_one(query, &[])?.get(0)) } else { Ok(0) }
    }
}

/// The arguments of `freshet run` that every test gives.
pub fn run_arguments(brokers: &str, topic: &str, database: &Database) -> String {
    format!("run {}", tables_arguments(brokers, topic, &database.url))
}

/// The same without the subcommand, for those that compare the tables with their topic.
pub fn tables_arguments(brokers: &str, topic: &str, url: &str) -> String {
    format!("--brokers {brokers} --topic {topic} --database-url {url}")
}

/// The tables of a topic, recomputed.
pub fn recompute(brokers: &str, topic: &str, rules: Rules) -> Result<Oracle> {
    let mut oracle = Oracle::new(rules);
    topic::read(brokers, topic, &mut oracle)?;
    oracle.keep_days();
    Ok(oracle)
}

/// Runs `freshet run --until-end` with further arguments into a new database, which must equal the recomputation.
pub fn run_and_compare(brokers: &str, topic: &str, further: &str, oracle: &Oracle) -> Result<Database> {
    let mut database = Database::create()?;
    Freshet::run(&format!("{} --until-end {further}", run_arguments(brokers, topic, &database)))?.success()?;
    database.must_equal(oracle, topic)?;
    Ok(database)
}
