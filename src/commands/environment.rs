//! What variables mean for flags, beyond what clap makes of them.

use std::ffi::OsString;
use std::{env, fs};

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};

/// An empty variable is not set, as Compose and systemd have no other way to leave one out. And where `FRESHET_X` may
/// hold a value, `FRESHET_X_FILE` may name a file that has it, as secrets are mounted into containers; the variable
/// itself and the flag win over it.
///
/// # Errors
/// A usage error, if such a file cannot be read.
pub fn settle(command: Command) -> Result<Command, Error> {
    let mut unreadable = Vec::new();
    let mut command = settled(command, &mut unreadable);
    match unreadable.pop() {
        Some(sentence) => Err(command.error(ErrorKind::Io, sentence)),
        None => Ok(command),
    }
}

fn settled(command: Command, unreadable: &mut Vec<String>) -> Command {
    let command = command.mut_args(|flag| with_variable(flag, unreadable));
    command.mut_subcommands(|command| settled(command, unreadable))
}

fn with_variable(flag: Arg, unreadable: &mut Vec<String>) -> Arg {
    let Some(name) = flag.get_env().map(OsString::from) else { return flag };
    let flag = match env::var_os(&name) {
        Some(value) if value.is_empty() => flag.env(Resettable::Reset),
        Some(_) => return flag,
        None => flag,
    };
    let mut file = name;
    file.push("_FILE");
    match env::var_os(&file).filter(|path| !path.is_empty()).map(fs::read_to_string) {
        Some(Ok(text)) => flag.required(false).hide_default_value(true).default_value(text.trim().to_owned()),
        Some(Err(error)) => {
            unreadable.push(format!("the file of {} cannot be read: {error}", file.display()));
            flag
        }
        None => flag,
    }
}
