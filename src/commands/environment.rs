//! What variables mean for flags, beyond what clap makes of them.

use std::ffi::OsString;
use std::{env, fs};

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};

/// An empty variable is not set, as Compose and systemd have no other way to leave one out. White space around a value
/// is none of it, as `FRESHET_X="$(cat file)"` and env files leave line ends there. And where `FRESHET_X` may
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
        Some(value) => match value.to_str().map(|text| (text, text.trim())) {
            Some((_, "")) => flag.env(Resettable::Reset),
            // clap reads the variable by itself, so one that is to be read otherwise becomes a default.
            Some((text, trimmed)) if text != trimmed => return given(flag.env(Resettable::Reset), trimmed),
            _ => return flag,
        },
        None => flag,
    };
    let mut file = name;
    file.push("_FILE");
    match env::var_os(&file).filter(|path| !path.is_empty()).map(fs::read_to_string) {
        Some(Ok(text)) => given(flag, text.trim()),
        Some(Err(error)) => {
            unreadable.push(format!("the file of {} cannot be read: {error}", file.display()));
            flag
        }
        None => flag,
    }
}

/// With a value that a flag on the command line wins over.
fn given(flag: Arg, value: &str) -> Arg {
    // A switch shows no default, and clap wants none hidden.
    let is_hidden = flag.get_action().takes_values();
    flag.required(false).hide_default_value(is_hidden).default_value(value.to_owned())
}
