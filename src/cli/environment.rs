//! What environment variables mean for flags, beyond clap's own support.

use std::ffi::OsString;
use std::iter::successors;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::{env, fs};

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};

/// Where containers mount their secrets: nobody else sees these files, whatever their mode.
const MOUNTED: [&str; 2] = ["/run/secrets", "/var/run/secrets"];

/// An empty variable counts as unset, as Compose and systemd have no other way to leave one out. White space around a value
/// is trimmed, as `FRESHET_X="$(cat file)"` and env files leave line ends there. And where `FRESHET_X` may hold a value,
/// `FRESHET_X_FILE` may name a file that holds it, as secrets are mounted into containers; the variable itself and the flag
/// take precedence. A file is read only if the subcommand that it is for runs, and not to show help.
///
/// # Errors
/// A usage error, if such a file cannot be read, or holds a secret and is open to others.
pub fn apply_env(command: Command) -> Result<Command, Error> {
    let (run, mut wrong) = (path_to_run(&command), Vec::new());
    let mut command = applied(command, run.as_deref(), &mut wrong);
    match wrong.pop() {
        Some(sentence) => Err(command.error(ErrorKind::Io, sentence)),
        None => Ok(command),
    }
}

/// The names of the subcommand to run, as `report` and the report's, by the command line alone; none if that asks for help
/// or is invalid.
fn path_to_run(command: &Command) -> Option<Vec<String>> {
    let matches = bare(command.clone()).ignore_errors(true).try_get_matches().ok()?;
    let subcommands = successors(matches.subcommand(), |(_, matches)| matches.subcommand());
    let path: Vec<_> = subcommands.map(|(name, _)| name.to_owned()).collect();
    (!path.is_empty()).then_some(path)
}

/// The value of a variable: its own, or the content of the file that its `_FILE` variable names.
pub(super) fn value(name: &str) -> Option<OsString> {
    let is_given = |value: &OsString| !value.to_string_lossy().trim().is_empty();
    let file = || env::var_os(format!("{name}_FILE")).filter(is_given).and_then(|path| fs::read_to_string(path).ok());
    let value = env::var_os(name).filter(is_given).or_else(|| file().map(OsString::from))?;
    Some(value.to_str().map_or_else(|| value.clone(), |text| text.trim().into()))
}

/// Without variables.
fn bare(command: Command) -> Command {
    command.mut_args(|flag| flag.env(Resettable::Reset)).mut_subcommands(bare)
}

/// `path` leads from this command to the one to run, if that is this one or below it.
fn applied(command: Command, path: Option<&[String]>, wrong: &mut Vec<String>) -> Command {
    let command = command.mut_args(|flag| with_variable(flag, path.is_some(), wrong));
    command.mut_subcommands(|subcommand| {
        let (next, below) = path.and_then(<[_]>::split_first).unzip();
        let below = below.filter(|_| next.is_some_and(|name| name == subcommand.get_name()));
        applied(subcommand, below, wrong)
    })
}

fn with_variable(flag: Arg, is_run: bool, wrong: &mut Vec<String>) -> Arg {
    let Some(name) = flag.get_env().map(OsString::from) else { return flag };
    let flag = match env::var_os(&name) {
        Some(value) => match value.to_str().map(|text| (text, text.trim())) {
            Some((_, "")) => flag.env(Resettable::Reset),
            // clap reads the variable as it is, so a value that differs from it becomes a default.
            Some((text, trimmed)) if text != trimmed => return given(flag.env(Resettable::Reset), trimmed),
            _ => return flag,
        },
        None => flag,
    };
    let mut file = name;
    file.push("_FILE");
    let Some(path) = env::var_os(&file).filter(|path| is_run && !path.is_empty()) else { return flag };
    match read(path.as_ref(), flag.is_hide_env_values_set()) {
        Ok(text) => given(flag, text.trim()),
        Err(error) => {
            wrong.push(format!("the file of {} {error}", file.display()));
            flag
        }
    }
}

/// The content of a file with a secret, which nobody else may read.
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    read(path, true)
}

/// The content of a file. One with a secret must be private, as libpq requires of its own, or readable by the group, as where
/// a container runs as a user that does not own it.
fn read(path: &Path, is_secret: bool) -> Result<String, String> {
    let unreadable = |error| format!("cannot be read: {error}");
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();
    let forbidden = if MOUNTED.iter().any(|place| path.starts_with(place)) { 0o002 } else { 0o027 };
    if is_secret && mode & forbidden != 0 {
        return Err("has a secret and is open to others; chmod 600 makes it private".into());
    }
    fs::read_to_string(path).map_err(unreadable)
}

/// The flag with a default.
fn given(flag: Arg, value: &str) -> Arg {
    // A switch shows no default, and clap wants none hidden.
    let is_hidden = flag.get_action().takes_values();
    flag.required(false).hide_default_value(is_hidden).default_value(value.to_owned())
}
