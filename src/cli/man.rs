//! `freshet man`: manual pages.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use clap::builder::{Resettable, StyledStr};
use clap::{Args, Command};
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, bold, roman};

use super::help::{Epilogue, Example};
use super::reports::ReportsArgs;
use crate::terminal;

/// Print the manual page of freshet or of a subcommand.
#[derive(Args, Clone, Debug)]
pub struct Man {
    /// Subcommand, as run, or report with the name of one
    pub subcommand: Vec<String>,
    /// The reports that have pages.
    #[command(flatten)]
    pub reports: ReportsArgs,
}

/// Prints a page of this program's manual.
pub fn run(args: &Man, mut program: Command) -> Result<()> {
    // So that a subcommand's page has the program's name in it.
    program.build();
    let mut command = &program;
    for name in &args.subcommand {
        let found = command.find_subcommand(name).filter(|command| !command.is_hide_set());
        let of = command.get_bin_name().unwrap_or_default();
        command = found.with_context(|| format!("there is no `{of} {}`; see `{of} --help`", name.escape_debug()))?;
    }
    // All reports have the same examples.
    let epilogue = Epilogue::new(args.subcommand.first().map_or("", String::as_str), &args.reports.model());
    terminal::print(page(command, &epilogue)?.trim_end())
}

fn page(command: &Command, Epilogue { examples, statuses }: &Epilogue) -> Result<String> {
    let mut page = Vec::new();
    // The text below the flags in the help becomes sections of its own here.
    Page::new(command.clone().after_long_help(Resettable::<StyledStr>::Reset)).render(&mut page)?;
    let mut sections = Roff::new();
    add_environment(&mut sections, command);
    if !statuses.is_empty() {
        sections.control("SH", ["EXIT STATUS"]);
    }
    for status in *statuses {
        sections.control("TP", []).text([bold(status.code().to_string())]).text([roman(status.meaning())]);
    }
    if !examples.is_empty() {
        sections.control("SH", ["EXAMPLES"]);
    }
    for Example { purpose, line } in examples {
        sections.control("TP", []).text([roman(format!("{purpose}:"))]).text([bold(line.as_ref())]);
    }
    sections.to_writer(&mut page)?;
    Ok(String::from_utf8(page)?)
}

/// The variables of the flags, and those without a flag.
fn add_environment(sections: &mut Roff, command: &Command) {
    let variable = |flag: &clap::Arg| Some((flag.get_env()?.to_str()?.to_owned(), flag.to_string()));
    let variables: BTreeMap<_, _> =
        command.get_arguments().filter(|flag| !flag.is_hide_set()).filter_map(variable).collect();
    if variables.is_empty() {
        return;
    }
    sections.control("SH", ["ENVIRONMENT"]);
    sections.text([roman(
        "A flag wins over its variable, and an empty variable is not set. A variable's name with _FILE behind it may name a \
         file that holds the value.",
    )]);
    if variables.contains_key("FRESHET_DATABASE_URL") {
        sections
            .control("PP", [])
            .text([roman("What the database URL leaves open, libpq's variables say, as PGHOST and PGPASSWORD.")]);
    }
    for (name, flag) in variables {
        sections.control("TP", []).text([bold(name)]).text([roman(flag)]);
    }
    sections
        .control("TP", [])
        .text([bold("RUST_LOG")])
        .text([roman("What is logged: error, warn, info (the default), debug or trace")]);
}
