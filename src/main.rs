//! The `freshet` program: flags in, one line of error and an exit status out.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Parser, Subcommand};
use freshet::commands::{bench, generate, run};
use freshet::failure::Failure;
use freshet::source::decode;
use signal_hook::consts::{SIGINT, SIGTERM};
use tracing_subscriber::EnvFilter;

/// Six report tables in Postgres, fresh and exact from the events of a Kafka topic.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Box<run::Run>),
    Generate(generate::Generate),
    Bench(Box<bench::Bench>),
    #[command(hide = true)]
    BenchDrain(bench::BenchDrain),
}

fn main() -> ExitCode {
    let program = Program::parse();
    log_to_stderr();
    end_on_panic();
    match dispatch(program.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(error.downcast_ref().map_or(1, Failure::exit_status))
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => run::run(&args, stop_signal()?),
        Command::Generate(args) => generate::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::BenchDrain(args) => bench::drain(args),
    }
}

/// Set by the first SIGTERM or SIGINT; a second one ends the process at once.
fn stop_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }
    Ok(stop)
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,librdkafka=off"));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(colours).with_target(false).init();
}

/// A thread that panics would leave the others waiting for it for ever, so the process ends; a restart is safe.
/// Except inside the decoding of one record, which is caught there.
fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        if !decode::is_decoding() {
            eprintln!("error: freshet stopped by a bug in itself: {}", panic.to_string().replace('\n', " "));
            std::process::exit(101);
        }
    }));
}
