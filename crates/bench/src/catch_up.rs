//! Catching up: rounds of all variants over one full topic.

use std::collections::{BTreeSet, HashMap};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use postgres::Client;

use super::env::{BenchEnv, Database, Topic};
use super::fill::fill;
use super::peer::Peer;
use super::process::{Cost, Process, Program};
use super::report::{CatchUp, Figures, Summary, Written};
use super::workers::{Hosts, Workers};
use super::{Settings, bar, machine};

/// Fills a topic, then drains it and catches up with it in turns.
pub(super) fn measure(settings: &Settings, env: &BenchEnv, programs: &[Program], peers: &[Peer]) -> Result<CatchUp> {
    let records = env.broker.records(settings);
    let topic = env.topic("records", settings)?;
    fill(settings, env, &topic, records)?;
    let full = Full { settings, env, topic: &topic, records };

    let mut variants = Vec::new();
    for views in &settings.views {
        for &workers in &settings.workers {
            let of = |program| Variant { of: Measured::Freshet(program), workers, views, runs: Vec::new() };
            variants.extend(programs.iter().map(of));
        }
        let of = |peer| Variant { of: Measured::Peer(peer), workers: ONE, views, runs: Vec::new() };
        variants.extend(peers.iter().map(of));
    }
    // This program's tables by their views; those of a peer must be equal.
    let mut right: HashMap<&str, Database> = HashMap::new();
    // One drain for each number of threads.
    let threads: BTreeSet<u16> = settings.workers.iter().map(|workers| workers.all()).collect();
    let mut drains: Vec<(u16, Vec<Figures>)> = threads.into_iter().map(|threads| (threads, Vec::new())).collect();
    let bar = bar(
        (settings.runs * (drains.len() + variants.len())) as u64,
        "measuring {wide_bar} {pos}/{len} runs, {eta} left",
    )?;
    for round in 0..settings.runs {
        for (workers, runs) in &mut drains {
            runs.push(full.drain(&programs[0], *workers)?);
            bar.inc(1);
        }
        // Reversed in every second round, so that none always follows the same other.
        let mut order: Vec<_> = variants.iter_mut().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for variant in order {
            let mut database = env.database(&format!("tables_{}", bar.position()))?;
            variant.runs.push(full.run(variant, &mut database)?);
            match (&variant.of, right.get_mut(variant.views)) {
                (Measured::Peer(peer), Some(right)) => {
                    peer.must_agree(&mut right.connect()?, &mut database.connect()?)?
                }
                (Measured::Freshet(_), None) if !peers.is_empty() => drop(right.insert(variant.views, database)),
                _ => {}
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    summarize(records, &drains, &variants).context("there was nothing to measure")
}

/// The default of a program.
const ONE: Workers = Workers { processes: 1, of_each: 1 };

/// What catches up.
enum Measured<'a> {
    Freshet(&'a Program),
    Peer(&'a Peer),
}

/// One way to catch up.
struct Variant<'a> {
    of: Measured<'a>,
    workers: Workers,
    views: &'a str,
    runs: Vec<Figures>,
}

fn summarize(records: u64, drains: &[(u16, Vec<Figures>)], variants: &[Variant<'_>]) -> Option<CatchUp> {
    let drained = |workers| drains.iter().find(|(of, _)| *of == workers).map(|(_, runs)| runs.as_slice());
    // A peer chooses its own number of threads.
    let variant = |it: &Variant<'_>| {
        let (name, drains) = match it.of {
            Measured::Freshet(program) => (program.name.to_owned(), drained(it.workers.all())?),
            Measured::Peer(peer) => (peer.name(), drains.first()?.1.as_slice()),
        };
        Summary::new((name, it.workers, Some(it.views.to_owned())), records, &it.runs, drains)
    };
    let drain = |(workers, runs): &(u16, Vec<Figures>)| {
        Summary::new(("drain".to_owned(), Workers { of_each: *workers, ..ONE }, None), records, runs, runs)
    };
    Some(CatchUp {
        records,
        drains: drains.iter().map(drain).collect::<Option<_>>()?,
        variants: variants.iter().map(variant).collect::<Option<_>>()?,
    })
}

/// A topic that is full.
struct Full<'a> {
    settings: &'a Settings,
    env: &'a BenchEnv,
    topic: &'a Topic,
    records: u64,
}

impl Full<'_> {
    /// Reads it and does nothing.
    fn drain(&self, program: &Program, workers: u16) -> Result<Figures> {
        let mut command = reading(program, "bench-drain", self.settings, self.env, self.topic, workers);
        command.args(["--records", &self.records.to_string()]);
        Ok(self.figures(Process::start(&mut command)?.end()?, None))
    }

    /// Reads it into a new database.
    fn run(&self, variant: &Variant<'_>, database: &mut Database) -> Result<Figures> {
        // So that every run begins equally far from the next checkpoint. Only a superuser may request one.
        let _ = database.server.batch_execute("CHECKPOINT");
        let hosts = Hosts::new(variant.workers.processes)?;
        let mut commands: Vec<_> = match variant.of {
            Measured::Freshet(program) => {
                (0..variant.workers.processes).map(|process| self.process(program, variant, &hosts, process)).collect()
            }
            Measured::Peer(peer) => vec![peer.command(self.env, self.topic, variant.views, database)],
        };
        for command in &mut commands {
            command.env("FRESHET_DATABASE_URL", &database.url);
        }
        let (log, cpu) = (log_bytes(&mut database.server)?, machine::postgres_cpu(&mut database.server));
        let cost = end_of_all(commands.iter_mut().map(Process::start).collect::<Result<_>>()?)?;
        let mut tables = database.connect()?;
        if let Measured::Freshet(_) = variant.of {
            self.must_have_consumed_all(&mut tables)?;
        }
        let rows = rows_written(&mut tables)?;
        let cpu = machine::postgres_cpu(&mut database.server).zip(cpu).map(|(after, before)| after - before);
        let written = Written {
            rows: rows as f64 / self.records as f64,
            wal_bytes: (log_bytes(&mut database.server)? - log) as f64 / self.records as f64,
            cpu_micros: cpu.map(|seconds| seconds * 1e6 / self.records as f64),
        };
        Ok(self.figures(cost, Some(written)))
    }

    /// One process of a run.
    fn process(&self, program: &Program, variant: &Variant<'_>, hosts: &Hosts, process: u16) -> Command {
        let Workers { processes, of_each } = variant.workers;
        let mut command = running(program, self.settings, self.env, self.topic, of_each);
        command.args(["--until-end", "--views", variant.views]);
        if processes > 1 {
            hosts.join(&mut command, process, processes);
        }
        command
    }

    fn figures(&self, cost: Cost, written: Option<Written>) -> Figures {
        let records = self.records as f64;
        Figures {
            records_per_second: records / cost.seconds,
            cpu_micros: cost.cpu_seconds * 1e6 / records,
            peak_memory: cost.peak_memory.map(|bytes| bytes as f64),
            written,
            sent_bytes: cost.sent_bytes.map(|bytes| bytes as f64 / records),
        }
    }

    fn must_have_consumed_all(&self, client: &mut Client) -> Result<()> {
        let consumed: i64 = client.query_one("SELECT sum(consumed)::bigint FROM progress", &[])?.get(0);
        ensure!(
            consumed.unsigned_abs() == self.records,
            "freshet consumed {consumed} of {} records, so its figures say nothing",
            self.records
        );
        Ok(())
    }
}

/// Waits for the ends of processes that run in parallel.
fn end_of_all(processes: Vec<Process>) -> Result<Cost> {
    let costs: Vec<Cost> = thread::scope(|scope| {
        let ends: Vec<_> = processes.into_iter().map(|process| scope.spawn(|| process.end())).collect();
        ends.into_iter().map(|end| end.join().map_err(|_| anyhow!("a thread panicked"))?).collect::<Result<_>>()
    })?;
    costs.into_iter().reduce(Cost::beside).context("there was no process")
}

/// How many rows were inserted and updated.
fn rows_written(client: &mut Client) -> Result<i64> {
    // A session reports its statistics before it disappears from here.
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                  AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    while client.query_one(others, &[])?.get::<_, i64>(0) > 0 {
        thread::sleep(Duration::from_millis(1));
    }
    let rows = "SELECT coalesce(sum(n_tup_ins + n_tup_upd), 0)::bigint FROM pg_stat_user_tables";
    Ok(client.query_one(rows, &[])?.get(0))
}

/// `freshet run` on the topic.
pub(super) fn running(program: &Program, settings: &Settings, env: &BenchEnv, topic: &Topic, workers: u16) -> Command {
    let mut command = reading(program, "run", settings, env, topic, workers);
    if let Some(dedup) = &settings.dedup {
        command.args(["--dedup", dedup]);
    }
    if let Some(retain) = &settings.retain {
        command.args(["--retain", retain]);
    }
    if let Some(tick) = settings.tick {
        command.args(["--tick", &humantime::format_duration(tick).to_string()]);
    }
    command
}

fn reading(
    program: &Program,
    subcommand: &str,
    settings: &Settings,
    env: &BenchEnv,
    topic: &Topic,
    workers: u16,
) -> Command {
    let mut command = program.command(subcommand);
    command.args(["--brokers", &env.broker.brokers(), "--topic", &topic.name, "--workers", &workers.to_string()]);
    // Other users of the machine can see arguments, and these may be secret.
    let properties: Vec<_> = settings.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !properties.is_empty() {
        command.env("FRESHET_X", properties.join("\n"));
    }
    command
}

/// The position of the server's write-ahead log.
pub(super) fn log_bytes(client: &mut Client) -> Result<i64> {
    let position = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint";
    Ok(client.query_one(position, &[])?.get(0))
}
