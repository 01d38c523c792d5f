//! The `freshet` program: flags in, one line of error and an exit status out.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use freshet::commands::{bench, check, demo, environment, explain, generate, report, run, verify};
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
    Demo(demo::Demo),
    Report(Box<report::Report>),
    Check(Box<check::Check>),
    Verify(Box<verify::Verify>),
    Explain(Box<explain::Explain>),
    Generate(generate::Generate),
    Bench(Box<bench::Bench>),
    #[command(hide = true)]
    BenchDrain(bench::BenchDrain),
}

fn main() -> ExitCode {
    let matches = environment::settle(Program::command()).and_then(clap::Command::try_get_matches);
    let program = match matches.and_then(|matches| Program::from_arg_matches(&matches)) {
        Ok(program) => program,
        Err(error) => without_secrets(error).exit(),
    };
    // On the board of a demo, lines that tell of the usual course would only tear it.
    let is_drawn = matches!(program.command, Command::Demo(_)) && std::io::stdout().is_terminal();
    log_to_stderr(if is_drawn { "warn" } else { "info" });
    end_on_panic();
    match dispatch(program.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(error.downcast_ref().map_or(1, Failure::exit_status))
        }
    }
}

/// A value that cannot be understood is shown, but not where it may hold a password.
fn without_secrets(mut error: clap::Error) -> clap::Error {
    let is_secret = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => ["--database-url", "-X"].iter().any(|flag| argument.starts_with(flag)),
        _ => false,
    };
    if is_secret && error.get(ContextKind::InvalidValue).is_some() {
        error.insert(ContextKind::InvalidValue, ContextValue::String("…".into()));
    }
    error
}

fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => run::run(&args, stop_signal()?),
        Command::Demo(args) => demo::run(&args, &stop_signal()?),
        Command::Report(args) => report::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Explain(args) => explain::run(&args),
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

fn log_to_stderr(level: &str) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{level},librdkafka=off")));
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
