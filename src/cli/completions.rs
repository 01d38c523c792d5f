//! `freshet completions`: what a shell needs to complete flags.

use std::io;

use anyhow::Result;
use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::reports::ReportsArgs;

/// Print a shell completion script.
#[derive(Args, Clone, Debug)]
pub struct Completions {
    /// Shell
    pub shell: Shell,
    /// The reports that are completed.
    #[command(flatten)]
    pub reports: ReportsArgs,
}

/// Prints the script for this program.
pub fn run(args: &Completions, mut program: Command) -> Result<()> {
    generate(args.shell, &mut program, "freshet", &mut io::stdout());
    Ok(())
}
