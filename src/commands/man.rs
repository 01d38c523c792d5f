//! `freshet man`: manual pages.

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_mangen::Man as Page;

use crate::terminal;

/// Print the manual page of freshet, or of one of its subcommands: `freshet man run | man -l -`.
#[derive(Args, Clone, Debug)]
pub struct Man {
    /// The subcommand
    pub subcommand: Option<String>,
}

/// Prints a page of this program's manual.
pub fn run(args: &Man, mut program: Command) -> Result<()> {
    // So that a subcommand's page has the program's name in it.
    program.build();
    let command = match &args.subcommand {
        None => program,
        Some(name) => {
            let found = program.find_subcommand(name).filter(|command| !command.is_hide_set());
            found
                .cloned()
                .with_context(|| format!("there is no `freshet {}`; see `freshet --help`", name.escape_debug()))?
        }
    };
    let mut page = Vec::new();
    Page::new(command).render(&mut page)?;
    terminal::print(String::from_utf8(page)?.trim_end())
}
