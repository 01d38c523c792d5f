//! `freshet verify`: proves that the tables are right, or shows where they are wrong.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use super::arguments::TablesArgs;
use crate::audit::{AuditProgress, Built, Tables, Verdict, text};
use crate::sink::{Forgotten, Reader};
use crate::source::decode::Rules;
use crate::terminal::{self, grouped};

/// Recount the topic and compare every table with it, row by row.
///
/// Takes one snapshot of the tables and reads the same records again, under the rules that the tables were built with.
/// `freshet run` may go on meanwhile. Writes nothing.
#[derive(Args, Clone, Debug)]
pub struct Verify {
    /// Which tables, and what they follow from.
    #[command(flatten)]
    pub tables: TablesArgs,
}

/// How long expired days may take to leave the tables, and how often to check.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Succeeds only if every row of every table equals the recount.
pub fn run(args: &Verify) -> Result<()> {
    let (tables, rules) = copy(args)?;
    let bar = terminal::bar_of_records();
    let verdict = tables.verify(&args.tables.topic.kafka(), &rules, &mut |progress| match progress {
        AuditProgress::Records(records) => bar.set_length(records),
        AuditProgress::Done => bar.inc(1),
    })?;
    bar.finish_and_clear();
    terminal::print(&text(&verdict))?;
    judge(&verdict)
}

/// A copy of the tables, and the rules that they were built with. Its snapshot is short, as it ends here. Expired days get
/// some time to leave the tables.
fn copy(args: &Verify) -> Result<(Tables, Rules)> {
    let (mut reader, deadline) = (Reader::open(&args.tables.database_url)?, Instant::now() + LEAVE_TIMEOUT);
    loop {
        let mut snapshot = reader.snapshot()?;
        let rules = args.tables.rules(&mut snapshot)?;
        let built = Built { model: args.tables.reports.model(), limit: rules.member_limit, retain: rules.retain };
        let tables = Tables::copy(&mut snapshot, &args.tables.topic.topic, &built)?;
        if tables.leaving() == 0 || Instant::now() >= deadline {
            let Forgotten { key, ids } = snapshot.forgotten()?;
            return Ok((tables, rules.decode.forgetting(key, ids)));
        }
        drop(snapshot);
        thread::sleep(RETRY_INTERVAL);
    }
}

fn judge(verdict: &Verdict) -> Result<()> {
    if verdict.differing() > 0 {
        let (differing, rows) = (grouped(verdict.differing() as u64), grouped(verdict.rows() as u64));
        bail!(
            "{differing} rows differ from the recount, of {rows} that the tables have; the first of each table are above"
        );
    }
    if let Some(first) = verdict.unchecked.first() {
        bail!("{first}, so the counts could only be checked to be no smaller than what is left there");
    }
    if verdict.leaving > 0 {
        let leaving = grouped(verdict.leaving as u64);
        bail!(
            "{leaving} rows are of days that have not left the tables yet, all others agree; verify again after a while of \
             `freshet run`"
        );
    }
    let (records, rows) = (grouped(verdict.recounted().cast_unsigned()), grouped(verdict.rows() as u64));
    terminal::print(&format!(
        "\nEverything agrees: {rows} rows of the tables are what a recount of {records} records gives."
    ))
}
