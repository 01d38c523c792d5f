//! The `freshet` program: flags in, one line of error and an exit status out.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::FromArgMatches;
use clap::error::{ContextKind, ContextValue};
use dataflows::model::Model;
use freshet::cli::program::{Command, Program};
use freshet::cli::reports::ReportsArgs;
#[cfg(feature = "demo")]
use freshet::cli::{bench, demo, generate};
use freshet::cli::{
    check, completions, environment, explain, forget, man, models, rebuild, rejected, report, run, schema, status,
    verify,
};
use freshet::engine;
use freshet::failure::{ExitStatus, Failure};
use freshet::log;
use freshet::serve;
use freshet::source::decode;
use signal_hook::consts::{SIGINT, SIGTERM};

fn main() -> ExitCode {
    let (program, model) = match parsed() {
        Ok(parsed) => parsed,
        Err(error) => without_secrets(error).exit(),
    };
    // Lines at info level would tear the board of a demo.
    let is_drawn = program.command.is_demo() && std::io::stdout().is_terminal();
    log::start(program.log_format, if is_drawn { "warn" } else { "info" });
    end_on_panic();
    match dispatch(program.command, &model) {
        Ok(()) => ExitStatus::Success.into(),
        Err(error) => {
            log::fatal(&format!("{error:#}"));
            Failure::exit_status(&error).into()
        }
    }
}

/// The command line, parsed with the model that it names itself: reports, and flags for their dimensions, are parts of it.
fn parsed() -> Result<(Program, Arc<Model>), clap::Error> {
    let model = ReportsArgs::of_process(&Program::command_line(&Model::builtin()))?;
    let matches = environment::apply_env(Program::command_line(&model))?.try_get_matches()?;
    Ok((Program::from_arg_matches(&matches)?, model))
}

/// Hides an invalid value where it may hold a password.
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

fn dispatch(command: Command, model: &Model) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => run::run(&args, &stop_signal()?),
        Command::Rebuild(args) => rebuild::run(&args, &stop_signal()?),
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(&args, &stop_signal()?),
        Command::Status(args) => status::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Forget(args) => forget::run(&args),
        Command::Rejected(args) => rejected::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Schema(args) => schema::run(&args),
        #[cfg(feature = "demo")]
        Command::Generate(args) => generate::run(&args),
        #[cfg(feature = "demo")]
        Command::Bench(args) => bench::run(&args),
        Command::Completions(args) => completions::run(&args, Program::command_line(model)),
        Command::Man(args) => man::run(&args, Program::command_line(model)),
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

/// A thread that panics would leave the others waiting for it forever, so the process ends; a restart is safe. Panics while
/// decoding a record or answering a request are caught there.
fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let what = panic.to_string().replace('\n', " ");
        if serve::is_answering() {
            tracing::error!("a request was ended by a bug in Freshet: {what}");
        } else if let Some(why) = engine::broken_connection(&what) {
            log::fatal(&why);
            std::process::exit(ExitStatus::PeerLost.code().into());
        } else if !decode::is_decoding() {
            log::fatal(&format!("freshet stopped because of a bug: {what}"));
            std::process::exit(ExitStatus::Bug.code().into());
        }
    }));
}
