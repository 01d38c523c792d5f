//! `freshet models`: the models that are built in.

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;
use dataflows::model::ReadyMade;

use crate::terminal;

/// List the models that are built in, or print one.
///
/// A model says which members of an event are read, and which reports there are about them. `--reports NAME` takes one as it
/// is; printed to a file it can be edited.
#[derive(Args, Clone, Debug)]
pub struct Models {
    /// Model to print
    #[arg(value_parser = PossibleValuesParser::new(ReadyMade::ALL.map(|model| model.name)))]
    pub name: Option<String>,
}

/// Prints it.
pub fn run(args: &Models) -> Result<()> {
    match args.name.as_deref().and_then(ReadyMade::find) {
        Some(model) => terminal::print(model.text.trim_end()),
        None => {
            let row = |model: ReadyMade| vec![model.name.to_owned(), model.about()];
            terminal::print(&terminal::table(&["model", "events"], &ReadyMade::ALL.map(row)))
        }
    }
}
