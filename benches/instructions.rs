//! How many instructions a record takes from its bytes to the rows that it changes: decode, fold and dataflow, on one
//! worker, over fixed input. Unlike a clock, a count does not depend on what else the machine does; so it is held, as
//! a test would be, against `instructions.txt`.
//!
//! The program runs itself under valgrind, once for each way to count. `--write` notes what it finds.

mod input;
mod worker;

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use dataflows::DaysKept;
use freshet::source::decode::{Collections, Decoder, Outcome};
use freshet_generator::Record;

use input::{WRITTEN, events, rules};
use worker::Reports;

/// Records in all, and in one epoch.
const RECORDS: usize = 40_000;
const EPOCH: usize = 10_000;

/// `--views` of each count, with or without days that leave.
const COUNTS: [&str; 3] = ["view_product_detail", "all", "all+retain"];

/// The share by which a count may differ: hash maps and memory lie elsewhere in every run, by some tenths of a percent.
const TOLERANCE: f64 = 0.05;

/// Where the counts are noted.
fn noted() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt")
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--of", views] => work(views).map(|()| ExitCode::SUCCESS),
        ["--write", ..] => write().map(|()| ExitCode::SUCCESS),
        _ => check(),
    }
}

/// What is counted.
fn work(views: &str) -> Result<()> {
    let records: Vec<Record> = events(RECORDS as u64, 0.0).take(RECORDS).collect();
    let (views, kept) = match views.strip_suffix("+retain") {
        Some(views) => (views, DaysKept::Days(400)),
        None => (views, DaysKept::All),
    };
    let views: Collections = views.parse().map_err(anyhow::Error::msg)?;
    let (mut decoder, mut reports) = (Decoder::new(rules(views)), Reports::new(kept));
    for epoch in records.chunks(EPOCH) {
        measured_epoch(epoch, &mut decoder, &mut reports);
    }
    Ok(())
}

/// Valgrind counts from where it enters this function to where it leaves it.
#[inline(never)]
fn measured_epoch(records: &[Record], decoder: &mut Decoder, reports: &mut Reports) {
    for record in records {
        decoder.decode(record.payload.as_deref(), WRITTEN, |outcome| match outcome {
            Outcome::Counted(event) => reports.take(event),
            outcome => drop(black_box(outcome)),
        });
    }
    reports.close();
}

/// The instructions of one record.
fn count(views: &str) -> Result<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*measured_epoch*"]);
    let output = valgrind.arg(std::env::current_exe()?).args(["--of", views]).output();
    let output = output.context("valgrind cannot be started; `make setup` installs it")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind failed: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let (_, collected) = collected.with_context(|| format!("valgrind does not say what it counted: {said}"))?;
    Ok(collected.trim().parse::<f64>()? / RECORDS as f64)
}

fn write() -> Result<()> {
    let mut text =
        String::from("# Instructions for a record, by --views. `make instructions` writes it, on purpose only.\n");
    for views in COUNTS {
        writeln!(text, "{views} {:.0}", count(views)?)?;
    }
    print!("{text}");
    std::fs::write(noted(), text).context("benches/instructions.txt cannot be written")
}

/// Compares with what is noted. More is a loss, less a gain that the note should keep.
fn check() -> Result<ExitCode> {
    let text = std::fs::read_to_string(noted()).context("benches/instructions.txt cannot be read")?;
    let mut same = true;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((views, expected)) = line.split_once(' ') else { bail!("benches/instructions.txt: {line}") };
        let (expected, found): (f64, f64) = (expected.parse()?, count(views)?);
        let off = found / expected - 1.0;
        println!("--views {views}: {found:.0} instructions a record, {expected} noted ({:+.1} %)", 100.0 * off);
        same &= off.abs() <= TOLERANCE;
    }
    if same {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("more than 5 % off: if that is what you want, `make instructions` notes it");
    Ok(ExitCode::FAILURE)
}
