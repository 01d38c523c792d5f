//! `freshet rebuild`: recounts the topic into new tables, and swaps them with the present ones.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use clap::builder::ArgPredicate;
use clap::{Args, Command};
use tracing::info;

use super::run::Run;
use crate::pipeline::rebuild;
use crate::terminal;

/// The flags of `freshet run` that mean nothing here.
const UNUSED: [&str; 20] = [
    "processes",
    "process",
    "hostfile",
    "cluster_bind",
    "cluster_secret_file",
    "peer_timeout",
    "from",
    "on_lost_offsets",
    "standby",
    "http",
    "http_ops",
    "http_allowed_hosts",
    "http_frame_ancestors",
    "http_password_file",
    "http_trusted_header",
    "ready_lag",
    "until_end",
    "tick",
    "group",
    "wait",
];

/// Recompute the tables from the topic with other reports or settings, then swap them.
///
/// Takes the flags of `freshet run`, which may keep the present tables fresh meanwhile. The new ones come to be in a schema
/// beside that no reader sees; when they have caught up, one transaction puts them in the place of the others, with the same
/// owners and rights. Interrupted, the same command goes on.
#[derive(Args, Clone, Debug)]
pub struct Rebuild {
    /// What the new tables are counted with, as the flags of a run.
    #[command(flatten)]
    pub run: Run,
    /// Go on although Kafka no longer has all that the tables count.
    #[arg(long)]
    pub accept_gap: bool,
    /// Remove the tables of a rebuild that was begun, and end.
    #[arg(long, conflicts_with = "accept_gap")]
    pub abandon: bool,
}

/// The subcommand without what only `freshet run` needs.
pub(super) fn with_flags(command: Command) -> Command {
    let is_needed_to_count = |id: &str| ["brokers", "topic"].contains(&id);
    command.mut_args(|flag| {
        let id = flag.get_id().to_string();
        if is_needed_to_count(&id) {
            // `--abandon` needs only the database.
            return flag.required(false).default_value_if("abandon", ArgPredicate::IsPresent, Some(""));
        }
        flag.hide(UNUSED.contains(&id.as_str()))
    })
}

/// Rebuilds the tables, until they are swapped or `stop` is set.
pub fn run(args: &Rebuild, stop: &Arc<AtomicBool>) -> Result<()> {
    if args.abandon {
        let is_gone = rebuild::abandon(&args.run.database_url)?;
        let said = if is_gone { "The rebuild is given up, and its tables are gone." } else { "No rebuild was begun." };
        return terminal::print(said);
    }
    if rebuild::run(&rebuild::Rebuild { run: args.run.of_tables(), accept_gap: args.accept_gap }, stop)? {
        return terminal::print("The tables are rebuilt; `freshet run` goes on with these settings.");
    }
    info!("stopped; the same command goes on");
    Ok(())
}
