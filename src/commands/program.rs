//! The command line as a whole.

use clap::{Arg, ArgAction, Command as Clap, CommandFactory, Parser, Subcommand};

use super::help::{Epilogue, heading};
use super::{bench, check, completions, demo, explain, generate, man, report, run, status, verify};
use crate::log;

/// Keep six report tables in Postgres fresh and exact from the events of a Kafka topic.
#[derive(Parser)]
#[command(name = "freshet", version, about, max_term_width = 100)]
pub struct Program {
    /// Form of the log on standard error.
    #[arg(
        long,
        global = true,
        env = "FRESHET_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text",
        display_order = 901
    )]
    pub log_format: log::Format,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand)]
#[expect(missing_docs, reason = "a subcommand's help is that of its flags")]
pub enum Command {
    Run(Box<run::Run>),
    Demo(demo::Demo),
    Status(Box<status::Status>),
    Report(Box<report::Report>),
    Check(Box<check::Check>),
    Verify(Box<verify::Verify>),
    Explain(Box<explain::Explain>),
    Generate(generate::Generate),
    Bench(Box<bench::Bench>),
    Completions(completions::Completions),
    Man(man::Man),
    #[command(hide = true)]
    BenchDrain(bench::BenchDrain),
}

impl Program {
    /// The command line that is parsed, and that help, manual and completions are made of.
    pub fn command_line() -> Clap {
        let program = Program::command();
        let log_format = program.get_arguments().find(|flag| flag.get_id() == "log_format").cloned();
        program.mut_subcommands(|subcommand| with_help(subcommand, log_format.as_ref()))
    }
}

/// A subcommand with examples and exit statuses below its flags. `--log-format`, which every subcommand takes, is shown by
/// the two whose help is read for it: the program's and that of `run`.
fn with_help(command: Clap, log_format: Option<&Arg>) -> Clap {
    let epilogue = Epilogue::of(command.get_name());
    let is_run = command.get_name() == "run";
    let shown = |flag: &Arg| if is_run { flag.clone().help_heading(heading::LOG) } else { flag.clone().hide(true) };
    let command = command.args(log_format.map(shown));
    let command = if is_run { command.disable_help_flag(true).arg(help_flag()) } else { command };
    let command = match epilogue.text() {
        text if text.is_empty() => command,
        text => command.after_long_help(text),
    };
    command.mut_subcommands(|subcommand| with_help(subcommand, log_format))
}

/// `--help` below all other flags, where these stand under headings.
fn help_flag() -> Arg {
    Arg::new("help")
        .short('h')
        .long("help")
        .help("Print help (see a summary with '-h')")
        .action(ArgAction::Help)
        .help_heading(heading::LOG)
        .display_order(902)
}
