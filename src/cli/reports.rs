//! Which reports there are: `--reports FILE`, `--reports NAME` of a model that is built in, or the default ones.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{Args, Command, Error, ValueHint};
use dataflows::model::{Model, ModelError, ReadyMade};
use parking_lot::Mutex;

use super::environment;
use super::help::heading;

/// Its name, as flag and as variable.
const FLAG: &str = "--reports";
const VARIABLE: &str = "FRESHET_REPORTS";

/// Which reports there are.
#[derive(Args, Clone, Debug, Default)]
pub struct ReportsArgs {
    /// File of the reports to count instead of the default ones, or the name of a model that is built in.
    #[arg(long, help_heading = heading::RULES, env = VARIABLE, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = parse)]
    pub reports: Option<Arc<Model>>,
}

impl ReportsArgs {
    /// The model that the file declares, or the built-in one.
    pub fn model(&self) -> Arc<Model> {
        self.reports.clone().unwrap_or_else(Model::builtin)
    }

    /// The model that the command line of this process asks for, read before the command line is parsed: the reports, and
    /// flags for their dimensions, are parts of it.
    ///
    /// # Errors
    /// What is wrong in the file, if the subcommand takes one.
    pub fn of_process(program: &Command) -> Result<Arc<Model>, Error> {
        let args: Vec<_> = env::args_os().skip(1).take_while(|arg| arg != "--").collect();
        let Some(path) = given(&args).or_else(|| environment::value(VARIABLE)) else { return Ok(Model::builtin()) };
        let subcommand = args.iter().find_map(|arg| program.find_subcommand(arg));
        let takes_it = |command: &Command| command.get_arguments().any(|flag| flag.get_id() == "reports");
        let is_asked = subcommand.is_some_and(|it| takes_it(it) || it.get_subcommands().any(takes_it));
        match read(Path::new(&path)) {
            Ok(model) => Ok(model),
            Err(error) if is_asked => Err(Error::raw(ErrorKind::ValueValidation, format!("{error}\n"))),
            Err(_) => Ok(Model::builtin()),
        }
    }
}

/// The value of the last `--reports`, in either spelling.
fn given(args: &[OsString]) -> Option<OsString> {
    let joined = |arg: &OsString| arg.to_str()?.strip_prefix(FLAG)?.strip_prefix('=').map(OsString::from);
    let next = |at: usize| args[at].eq(FLAG).then(|| args.get(at + 1).cloned()).flatten();
    (0..args.len()).rev().find_map(|at| joined(&args[at]).or_else(|| next(at)))
}

fn parse(path: &str) -> Result<Arc<Model>, ModelError> {
    read(Path::new(OsStr::new(path)))
}

/// The model in a file, which is read once, as it may be a pipe. A name without folder and suffix means the built-in model of
/// that name, if there is one.
fn read(path: &Path) -> Result<Arc<Model>, ModelError> {
    static READ: Mutex<Option<(PathBuf, Arc<Model>)>> = Mutex::new(None);
    let mut last = READ.lock();
    if let Some((_, model)) = last.as_ref().filter(|(of, _)| of == path) {
        return Ok(model.clone());
    }
    let model = Arc::new(match ReadyMade::named(path) {
        Some(ready_made) => ready_made?.model()?,
        None => Model::read(path)?,
    });
    *last = Some((path.to_owned(), model.clone()));
    Ok(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_found_in_either_spelling() {
        let given = |line: &str| given(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(given("run --reports a.toml --topic t"), Some("a.toml".into()));
        assert_eq!(given("report shop --reports=b.toml"), Some("b.toml".into()));
        assert_eq!(given("report --reports-like c.toml"), None);
        assert_eq!(given("run --reports"), None);
    }
}
