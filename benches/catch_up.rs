//! What a record costs while catching up, beside what it costs to drain the topic and do nothing.
//!
//! `FRESHET_KAFKA_HOME=target/kafka cargo bench --bench catch_up` (`make setup` puts Kafka there). Fills a topic of
//! 4 partitions on a private Kafka, then in turns drains it with Freshet's own consumer and runs
//! `freshet run --until-end` into an empty database of a private Postgres, each in a process of its own. Prints the
//! median and range of the CPU time (user and system) of that process per record, its records/s by the clock, and the
//! rows written per record.
//!
//! `FRESHET_BENCH_EVENTS` (1,000,000), `FRESHET_BENCH_ROUNDS` (5) and `FRESHET_BENCH_BINARY` (the one built here)
//! change what is measured.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use freshet::embedded::{Kafka, Postgres};
use freshet::events::{Generator, Publisher, Settings, Span};
use freshet::source::{self, Consumer, Polled, Topic};
use nix::sys::resource::{UsageWho, getrusage};
use postgres::{Client, NoTls};

const TOPIC: &str = "product_view";

fn main() -> Result<()> {
    // `cargo bench` adds --bench; the drain calls this program again.
    let arguments: Vec<String> = std::env::args().filter(|argument| argument != "--bench").collect();
    match arguments.get(1).map(String::as_str) {
        Some("drain") => drain(arguments.get(2).context("the brokers")?),
        _ => bench(),
    }
}

fn setting(name: &str, default: u64) -> Result<u64> {
    std::env::var(name).map_or(Ok(default), |value| value.parse()).with_context(|| format!("{name} is a number"))
}

fn bench() -> Result<()> {
    let home = std::env::var("FRESHET_KAFKA_HOME").context("FRESHET_KAFKA_HOME is where `make setup` puts Kafka")?;
    let events = setting("FRESHET_BENCH_EVENTS", 1_000_000)?;
    let rounds = setting("FRESHET_BENCH_ROUNDS", 5)?;
    let freshet = std::env::var("FRESHET_BENCH_BINARY").unwrap_or(env!("CARGO_BIN_EXE_freshet").into());
    let kafka = Kafka::start(Path::new(&home))?;
    let postgres = Postgres::start()?;
    fill(&kafka, events)?;

    println!("{events} records, 4 partitions, lz4; {rounds} rounds; {}", processor());
    let cases = [
        ("default views, 1 worker", "view_product_detail", 1),
        ("all views, 1 worker", "all", 1),
        ("default views, 2 workers", "view_product_detail", 2),
    ];
    let mut drained = Vec::new();
    let mut costs: Vec<Vec<Cost>> = cases.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        let this = std::env::current_exe()?;
        drained.push(cost(Command::new(this).args(["drain", &kafka.brokers()]), events)?);
        for (index, (_, views, workers)) in cases.iter().enumerate() {
            let database = format!("bench_{round}_{index}");
            Client::connect(&postgres.url(), NoTls)?.batch_execute(&format!("CREATE DATABASE {database}"))?;
            let mut run = Command::new(&freshet);
            run.args(["run", "--until-end", "--topic", TOPIC, "--brokers", &kafka.brokers(), "--views", views]);
            run.args(["--workers", &workers.to_string(), "--database-url", &postgres.url_of(&database)]);
            run.env("RUST_LOG", "error");
            let mut cost = cost(&mut run, events)?;
            cost.rows = rows_written(&postgres.url_of(&database))? as f64 / events as f64;
            costs[index].push(cost);
        }
    }
    print("drain and do nothing", &drained, &drained);
    for ((name, ..), costs) in cases.iter().zip(&costs) {
        print(name, costs, &drained);
    }
    Ok(())
}

fn fill(kafka: &Kafka, events: u64) -> Result<()> {
    let span = Span::Days { start: "2020-06-01".parse()?, days: 3, events };
    let mut generator = Generator::new(Settings { seed: 1, hostile: 0.0, span });
    let lz4 = [("compression.type".to_owned(), "lz4".to_owned())];
    let mut publisher = Publisher::open(&kafka.brokers(), TOPIC, 4, &lz4)?;
    for _ in 0..events {
        publisher.send(generator.record().payload.as_deref())?;
    }
    publisher.finish()
}

/// The limit: every record handed over by Kafka's client, with Freshet's settings, and dropped.
fn drain(brokers: &str) -> Result<()> {
    let kafka = source::Settings { brokers: brokers.into(), topic: TOPIC.into(), properties: Vec::new() };
    let topic = Topic::connect(&kafka)?;
    let consumer = Consumer::new(&kafka)?;
    let partitions = topic.partitions()?;
    consumer.assign(partitions.iter().map(|partition| (*partition, 0)))?;
    let (mut ended, mut bytes) = (0, 0);
    while ended < partitions.len() {
        match consumer.poll()? {
            Polled::Record(record) => bytes += record.payload().map_or(0, <[u8]>::len),
            Polled::End(_) => ended += 1,
            Polled::Nothing => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    ensure!(bytes > 0, "the topic is empty");
    Ok(())
}

/// What one process cost.
struct Cost {
    cpu_micros: f64,
    per_second: f64,
    rows: f64,
}

/// Runs a process to its end; costs are per record.
fn cost(command: &mut Command, events: u64) -> Result<Cost> {
    let (before, started) = (children_cpu()?, Instant::now());
    let status = command.status()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    let cpu = children_cpu()? - before;
    let events = events as f64;
    Ok(Cost { cpu_micros: cpu * 1e6 / events, per_second: events / started.elapsed().as_secs_f64(), rows: 0.0 })
}

/// CPU seconds of all children that ended. The servers are children too, but go on.
fn children_cpu() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

fn rows_written(url: &str) -> Result<i64> {
    let mut client = Client::connect(url, NoTls)?;
    // A session reports what it did when it ends, which the one that wrote has just done.
    let query = "SELECT pg_stat_force_next_flush(), sum(n_tup_ins + n_tup_upd)::bigint FROM pg_stat_user_tables";
    Ok(client.query_one(query, &[])?.get(1))
}

fn print(name: &str, costs: &[Cost], drained: &[Cost]) {
    let of = |value: fn(&Cost) -> f64, costs: &[Cost]| {
        let mut values: Vec<f64> = costs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        (values[values.len() / 2], values[0], values[values.len() - 1])
    };
    let (cpu, least, most) = of(|cost| cost.cpu_micros, costs);
    let (per_second, ..) = of(|cost| cost.per_second, costs);
    let (rows, ..) = of(|cost| cost.rows, costs);
    let ratio = cpu / of(|cost| cost.cpu_micros, drained).0;
    println!(
        "{name:26} {cpu:5.2} µs of CPU a record ({least:.2} to {most:.2}), {ratio:.2} × the drain, {:7.0} records/s, {rows:.2} rows written a record",
        per_second
    );
}

fn processor() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, model)| model));
    format!("{cores} cores, {}", model.unwrap_or("unknown processor"))
}
