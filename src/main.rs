//! The `freshet` program: flags in, one line of error and an exit status out.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
#[cfg(feature = "demo")]
use freshet::commands::{bench, demo, generate};
use freshet::commands::{check, completions, environment, explain, man, report, run, start, status, verify};
use freshet::failure::Failure;
use freshet::log;
use freshet::serve;
use freshet::source::decode;
use signal_hook::consts::{SIGINT, SIGTERM};

/// Six report tables in Postgres, fresh and exact from the events of a Kafka topic.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Program {
    /// In what form the log is written to standard error.
    #[arg(long, global = true, env = "FRESHET_LOG_FORMAT", default_value = "text", display_order = 901)]
    log_format: log::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Box<run::Run>),
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    Status(Box<status::Status>),
    Report(Box<report::Report>),
    Check(Box<check::Check>),
    Verify(Box<verify::Verify>),
    Explain(Box<explain::Explain>),
    #[cfg(feature = "demo")]
    Generate(generate::Generate),
    #[cfg(feature = "demo")]
    Bench(Box<bench::Bench>),
    Completions(completions::Completions),
    Man(man::Man),
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    BenchDrain(bench::BenchDrain),
}

impl Command {
    fn is_demo(&self) -> bool {
        #[cfg(feature = "demo")]
        return matches!(self, Command::Demo(_));
        #[cfg(not(feature = "demo"))]
        false
    }
}

fn main() -> ExitCode {
    let matches = environment::settle(Program::command()).and_then(clap::Command::try_get_matches);
    let program = match matches.and_then(|matches| Program::from_arg_matches(&matches)) {
        Ok(program) => program,
        Err(error) => without_secrets(error).exit(),
    };
    // On the board of a demo, lines that tell of the usual course would only tear it.
    let is_drawn = program.command.is_demo() && std::io::stdout().is_terminal();
    log::start(program.log_format, if is_drawn { "warn" } else { "info" });
    end_on_panic(program.log_format);
    match dispatch(program.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::last_word(program.log_format, &format!("{error:#}"));
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
        Command::Run(args) => {
            let stop = stop_signal()?;
            run::run(&args, stop.clone(), &start::Starting::watch(stop)?)
        }
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(&args, &stop_signal()?),
        Command::Status(args) => status::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Explain(args) => explain::run(&args),
        #[cfg(feature = "demo")]
        Command::Generate(args) => generate::run(&args),
        #[cfg(feature = "demo")]
        Command::Bench(args) => bench::run(&args),
        Command::Completions(args) => completions::run(&args, Program::command()),
        Command::Man(args) => man::run(&args, Program::command()),
        #[cfg(feature = "demo")]
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

/// A thread that panics would leave the others waiting for it for ever, so the process ends; a restart is safe.
/// Except inside the decoding of one record, and the answer to one request, which are caught there.
fn end_on_panic(format: log::Format) {
    std::panic::set_hook(Box::new(move |panic| {
        let what = panic.to_string().replace('\n', " ");
        if serve::is_answering() {
            tracing::error!("a request was ended by a bug in Freshet: {what}");
        } else if !decode::is_decoding() {
            log::last_word(format, &format!("freshet stopped by a bug in itself: {what}"));
            std::process::exit(101);
        }
    }));
}
