//! The command line as a whole.

use clap::{Arg, ArgAction, Command as Clap, CommandFactory, Parser, Subcommand};
use dataflows::model::Model;

use super::help::{Epilogue, heading};
#[cfg(feature = "demo")]
use super::{bench, demo, generate};
use super::{check, completions, explain, forget, man, models, rebuild, rejected, report, run, schema, status, verify};
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
    Rebuild(Box<rebuild::Rebuild>),
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    Status(Box<status::Status>),
    Report(Box<report::Report>),
    Rejected(Box<rejected::Rejected>),
    Check(Box<check::Check>),
    Models(models::Models),
    Verify(Box<verify::Verify>),
    Explain(Box<explain::Explain>),
    Forget(Box<forget::Forget>),
    Schema(schema::Schema),
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
    /// Whether the program may draw a board over the terminal.
    pub fn is_demo(&self) -> bool {
        #[cfg(feature = "demo")]
        return matches!(self, Command::Demo(_));
        #[cfg(not(feature = "demo"))]
        false
    }
}

impl Program {
    /// The command line of a model, whose reports and dimensions have subcommands and flags of their own. It is parsed, and
    /// help, manual and completions are made of it.
    pub fn command_line(model: &Model) -> Clap {
        let program = Program::command()
            .mut_subcommand("rebuild", rebuild::with_flags)
            .mut_subcommand("report", |command| report::with_reports(command, model))
            .mut_subcommand("explain", |command| explain::with_dimensions(command, model));
        let log_format = program.get_arguments().find(|flag| flag.get_id() == "log_format").cloned();
        program.mut_subcommands(|subcommand| {
            let epilogue = Epilogue::new(subcommand.get_name(), model).text();
            with_help(subcommand, &epilogue, log_format.as_ref())
        })
    }
}

/// A subcommand, and those below it, with examples and exit statuses below the flags. `--log-format`, which every subcommand
/// takes, is shown only in the help of the program and of `run`.
fn with_help(command: Clap, epilogue: &str, log_format: Option<&Arg>) -> Clap {
    let is_run = command.get_name() == "run";
    let shown = |flag: &Arg| if is_run { flag.clone().help_heading(heading::LOG) } else { flag.clone().hide(true) };
    let command = command.args(log_format.map(shown));
    let command = if is_run { command.disable_help_flag(true).arg(help_flag()) } else { command };
    let command = if epilogue.is_empty() { command } else { command.after_long_help(epilogue.to_owned()) };
    command.mut_subcommands(|subcommand| with_help(subcommand, epilogue, log_format))
}

/// `--help` as the last flag, where flags have headings.
fn help_flag() -> Arg {
    Arg::new("help")
        .short('h')
        .long("help")
        .help("Print help (see a summary with '-h')")
        .action(ArgAction::Help)
        .help_heading(heading::LOG)
        .display_order(902)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that an example may name.
    const BUILTIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/dataflows/reports/glamira.toml");

    #[test]
    fn examples_can_be_typed() {
        let model = Model::builtin();
        let program = Program::command_line(&model);
        let mut examples = 0;
        for subcommand in program.get_subcommands() {
            for example in Epilogue::new(subcommand.get_name(), &model).examples {
                let line = example.line.replace("--reports FILE", &format!("--reports {BUILTIN}"));
                let parsed = program.clone().try_get_matches_from(line.split_whitespace());
                assert!(parsed.is_ok(), "{}: {:?}", example.line, parsed.err());
                examples += 1;
            }
        }
        assert!(examples > 10, "only {examples} examples were found");
    }

    #[test]
    fn every_flag_of_run_is_under_a_heading() {
        let program = Program::command_line(&Model::builtin());
        let run = program.find_subcommand("run").into_iter().flat_map(Clap::get_arguments);
        let bare: Vec<_> = run.filter(|flag| flag.get_help_heading().is_none()).map(Arg::get_id).collect();
        assert!(bare.is_empty(), "{bare:?}");
    }
}
