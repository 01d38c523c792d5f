//! `freshet bench`: its figures are there and make sense, and it refuses what it could not measure.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::{Builder, TempPath};

use crate::support::require_kafka;

/// `freshet bench` without the settings of this shell.
fn bench(arguments: &str) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_freshet"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FRESHET_")) {
        command.env_remove(name);
    }
    Ok(command.arg("bench").args(arguments.split_whitespace()).output()?)
}

/// What a bench that must end well printed.
fn figures(arguments: &str) -> Result<Value> {
    let output = bench(&format!("{arguments} --json"))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("JSON on standard output")
}

/// These figures must be there, and greater than 0.
fn must_be_positive(value: &Value, names: &[&str]) -> Result<()> {
    for name in names {
        let figure = value.pointer(&format!("/{}", name.replace('.', "/"))).and_then(Value::as_f64);
        ensure!(figure.is_some_and(|figure| figure > 0.0), "{name} is {figure:?} in {value:#}");
    }
    Ok(())
}

const OF_ALL: [&str; 6] = [
    "records_per_second.median",
    "records_per_second.least",
    "records_per_second.most",
    "cpu_micros_per_record.median",
    "cpu_of_drains",
    "peak_memory_bytes.median",
];

const OF_VARIANTS: [&str; 3] =
    ["rows_per_record.median", "wal_bytes_per_record.median", "postgres_cpu_micros_per_record.median"];

#[test]
fn all_figures_are_there() -> Result<()> {
    // The in-process broker is what a machine without Kafka has; its figures are as whole.
    let broker = require_kafka().map_or(String::new(), |kafka| format!("--brokers {}", kafka.brokers()));
    let this = env!("CARGO_BIN_EXE_freshet");
    let report =
        figures(&format!("{broker} --records 20000 --runs 2 --workers 2,2x1 --hot 0.5 --views all --against {this}"))?;
    let catch_up = &report["catch_up"];
    ensure!(catch_up["records"] == 20_000, "{catch_up:#}");
    let of = |kind: &str| catch_up[kind].as_array().cloned().unwrap_or_default();
    let (drains, variants) = (of("drains"), of("variants"));
    ensure!(drains.len() == 1 && variants.len() == 4, "{catch_up:#}");
    for summary in drains.iter().chain(&variants) {
        ensure!(summary["consumed"] == 20_000, "{summary:#}");
        must_be_positive(summary, &OF_ALL)?;
    }
    for variant in &variants {
        must_be_positive(variant, &OF_VARIANTS)?;
        let is_cluster = variant["processes"] == 2;
        ensure!(variant["sent_bytes_per_record"]["median"].is_number() == is_cluster, "{variant:#}");
    }
    must_be_positive(&report, &["machine.cores", "machine.memory_bytes", "settings.partitions"])?;
    for version in ["freshet", "profile", "librdkafka", "postgres", "broker"] {
        ensure!(report["versions"][version].as_str().is_some_and(|it| !it.is_empty()), "no version of {version}");
    }
    Ok(())
}

#[test]
fn freshness_is_measured_record_by_record() -> Result<()> {
    let report = figures("--runs 0 --rate 500 --for 2s --idle 1s --workers 1 --views all --tick 20ms")?;
    let fresh = &report["freshness"][0];
    ensure!(fresh["records"] == 1_000, "{fresh:#}");
    must_be_positive(fresh, &["published_per_second", "p50_ms", "commits_per_second", "wal_bytes_per_commit"])?;
    must_be_positive(&fresh["busy"], &["cpu_percent", "postgres_cpu_percent"])?;
    let of = |name: &str| fresh[name].as_f64().unwrap_or_default();
    ensure!(of("p50_ms") <= of("p99_ms") && of("p99_ms") <= of("max_ms"), "{fresh:#}");
    ensure!(fresh["idle"]["cpu_percent"].as_f64().is_some(), "{fresh:#}");
    Ok(())
}

#[test]
fn a_restart_is_measured() -> Result<()> {
    let report = figures("--runs 0 --restart 50000 --workers 1")?;
    let restart = &report["restarts"][0];
    ensure!(restart["counts"] == 50_000, "{restart:#}");
    must_be_positive(restart, &["seconds", "held_bytes_per_count", "peak_bytes_per_count"])
}

#[test]
fn an_epoch_is_measured() -> Result<()> {
    // The in-process broker does not take so many records.
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let report = figures(&format!("--brokers {} --runs 0 --products 10000 --workers 1", kafka.brokers()))?;
    let epochs = &report["epochs"][0];
    ensure!(epochs["products"] == 10_000 && epochs["changed"] == 10_000, "{epochs:#}");
    must_be_positive(epochs, &["epochs", "cpu_ms", "postgres_cpu_ms"])
}

/// A program of these lines of shell. It is given `--brokers`, a value, `--topic`, a value, `--views`, a value.
fn peer(lines: &str) -> Result<TempPath> {
    let mut file = Builder::new().permissions(Permissions::from_mode(0o700)).tempfile()?;
    write!(file, "#!/bin/sh\n{lines}\n")?;
    Ok(file.into_temp_path())
}

#[test]
fn a_peer_is_measured_if_exact() -> Result<()> {
    let broker = require_kafka().map_or(String::new(), |kafka| format!("--brokers {}", kafka.brokers()));
    let run = format!("exec {} run --until-end --http off --log-format json", env!("CARGO_BIN_EXE_freshet"));
    let measured = |peer: &TempPath| {
        format!("{broker} --records 5000 --runs 2 --workers 2 --views view_product_detail --peer {}", peer.display())
    };
    let exact = peer(&format!("{run} \"$@\""))?;
    let report = figures(&measured(&exact))?;
    let variants = report["catch_up"]["variants"].as_array().cloned().unwrap_or_default();
    ensure!(variants.len() == 2 && exact.ends_with(variants[1]["program"].as_str().unwrap_or_default()), "{report:#}");
    ensure!(variants[1]["consumed"] == 5_000, "{report:#}");
    must_be_positive(&variants[1], &OF_ALL)?;
    must_be_positive(&variants[1], &OF_VARIANTS)?;
    let others = format!("{run} \"$1\" \"$2\" \"$3\" \"$4\" --views checkout");
    for (lines, words) in [(others.as_str(), "has other rows in"), ("true", "made none of the tables"), ("exit 5", "5")]
    {
        let output = bench(&measured(&peer(lines)?))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(1) && errors.contains(words), "{lines}: {}: {errors}", output.status);
    }
    Ok(())
}

#[test]
fn what_cannot_be_measured_is_refused() -> Result<()> {
    let secret = "mysql://me:s3cret@127.0.0.1/x";
    for (arguments, status, words) in [
        ("--records 1000000", 1, ["in-process broker", "--kafka-home"]),
        ("--rate 100000", 1, ["in-process broker", "--brokers"]),
        ("--runs 0", 1, ["nothing to measure", "--rate"]),
        ("--against nowhere", 1, ["--against nowhere", "no such program"]),
        ("--peer nowhere", 1, ["--peer nowhere", "no such program"]),
        ("--peer nowhere --runs 0 --rate 5", 1, ["--peer", "--runs 0 leaves none"]),
        (&format!("--database-url {secret}"), 2, ["--database-url", "postgres://user:password@host"]),
    ] {
        let output = bench(arguments)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(status), "{arguments}: {}: {errors}", output.status);
        ensure!(words.iter().all(|word| errors.contains(word)), "{arguments}: {errors}");
        ensure!(!errors.contains("s3cret"), "a password is shown: {errors}");
    }
    Ok(())
}
