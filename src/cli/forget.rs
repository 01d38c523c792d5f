//! `freshet forget`: takes events out of every table, for good.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Result, bail};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use clap::Args;
use dataflows::model::Model;
use dataflows::{EventId, Kept};

use super::arguments::TablesArgs;
use crate::audit::{self, Partition};
use crate::failure::Failure;
use crate::forget::{Condition, Search, hashes, ids_of};
use crate::pipeline::forget::take_out;
use crate::pipeline::{CountRules, Settings};
use crate::sink::{Forgotten, Reader, Rebuild};
use crate::source::Topic;
use crate::source::decode::Rules;
use crate::source::offset_range::OffsetRange;
use crate::terminal::{self, grouped};

/// Take events out of every table, for good.
///
/// Finds them in the topic, and takes them out in one transaction with their ids, as keyed hashes, in the table forgotten: so
/// they, and copies that still come, stay out. `freshet run` gives the tables up for it, and goes on by itself. Events of an
/// id that only --where finds go with all others of that id.
#[derive(Args, Clone, Debug)]
pub struct Forget {
    /// Which tables, and what they follow from.
    #[command(flatten)]
    pub tables: TablesArgs,
    /// Ids of events, as the member has them that the reports name as `id`; can be repeated
    #[arg(long = "id", value_name = "ID", num_args = 1.., allow_negative_numbers = true, conflicts_with = "fields", required_unless_present = "fields")]
    pub ids: Vec<String>,
    /// Events with this text in a field of the reports; of several fields in all of them
    #[arg(long = "where", value_name = "FIELD=VALUE", value_parser = field)]
    pub fields: Vec<(String, String)>,
    /// Of those only the ones from this time on: 2026-11-28 or 2026-11-28T08:00:00, by the clock of the tables
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "fields", conflicts_with = "ids")]
    pub from: Option<NaiveDateTime>,
    /// Of those only the ones before this time; a day is included
    #[arg(long, value_name = "TIME", value_parser = end, requires = "fields", conflicts_with = "ids")]
    pub to: Option<NaiveDateTime>,
    /// Only say what would be taken out
    #[arg(long)]
    pub dry_run: bool,
}

fn field(text: &str) -> Result<(String, String), String> {
    let (field, value) = text.split_once('=').ok_or("expected a field of the reports and its text, as FIELD=VALUE")?;
    Ok((field.to_owned(), value.to_owned()))
}

fn moment(text: &str) -> Result<NaiveDateTime, String> {
    let day = text.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN));
    let time = || text.replace(' ', "T").parse::<NaiveDateTime>();
    day.or_else(|_| time()).map_err(|_| "expected a day like 2026-11-28, or a time like 2026-11-28T08:00:00".into())
}

fn end(text: &str) -> Result<NaiveDateTime, String> {
    let is_day = text.parse::<NaiveDate>().is_ok();
    let end = moment(text)?.checked_add_days(chrono::Days::new(is_day.into()));
    end.ok_or_else(|| "that is too late".into())
}

/// Characters of an id that are shown.
const IDS_SHOWN_MAX: usize = 100;

/// The tables as they were when they were checked.
struct Tables {
    rules: CountRules,
    partitions: BTreeMap<i32, Partition>,
    forgotten: Forgotten,
}

/// Succeeds only if everything that was asked for was found.
pub fn run(args: &Forget) -> Result<()> {
    let Tables { rules: counted_by, mut partitions, forgotten } = tables(args)?;
    let (kafka, model) = (args.tables.topic.kafka(), counted_by.model().clone());
    let condition = condition(args, &model)?;
    let topic = Topic::connect(&kafka)?;
    let watermarks = topic.watermarks_of(topic.partitions()?)?;
    let ranges = audit::ranges(&mut partitions, &watermarks);
    let rules = Rules { ids: Some(forgotten.key), forgotten: forgotten.ids, ..counted_by.decode.clone() };
    let asked = hashes(forgotten.key, &args.ids);
    let (ids, without) = match &condition {
        Some(condition) => ids_of(&kafka, &ranges, &rules, condition)?,
        None => (asked.keys().copied().collect(), 0),
    };
    let kept = Kept::new(&model, counted_by.retain).longest();
    let mut search = Search::new(rules.clone(), forgotten.key, kept, ids);
    for OffsetRange { partition, from, .. } in &ranges {
        search.begin(*partition, *from, partitions[partition].newest_recounted);
    }
    search.read(&kafka, ranges.iter().map(|range| (range.partition, range.until)))?;
    search.look_ahead(&kafka, &watermarks)?;
    let (mut events, mut found) = (search.events(), search.found().clone());
    let is_new = found.iter().any(|id| !rules.forgotten.contains(id));
    if !args.dry_run && is_new {
        let usual = Settings::new(kafka, args.tables.database_url.clone(), model);
        (events, found) = take_out(&Settings { rules: counted_by, ..usual }, &topic, &rules, search, &args.ids)?;
    }
    let gone = partitions.iter().filter(|(_, line)| !line.is_complete());
    let gone: Vec<_> = gone.filter_map(|(partition, line)| audit::unchecked(*partition, line)).collect();
    report(args, (events, &found), without, &asked, &gone)
}

/// Reads how the tables were built, and refuses those that cannot forget now.
fn tables(args: &Forget) -> Result<Tables> {
    let topic = args.tables.topic.topic.as_str();
    let mut reader = Reader::open(&args.tables.database_url)?;
    let mut snapshot = reader.snapshot()?;
    let rules = args.tables.rules(&mut snapshot)?;
    if rules.model().event.id.is_none() {
        bail!(Failure::WrongSettings(
            "events can only be forgotten by their ids, which the reports do not name; add `id = \"…\"` to [event], and \
             recompute the tables with `freshet rebuild`"
                .into()
        ));
    }
    let (partitions, forgotten) = (audit::partitions(&mut snapshot, topic)?, snapshot.forgotten()?);
    if Rebuild::find(&args.tables.database_url)?.begun()?.is_some() {
        bail!(Failure::OwnedByAnother(
            "a rebuild of these tables was begun; wait for its end, or give it up: freshet rebuild --abandon".into()
        ));
    }
    Ok(Tables { rules, partitions, forgotten })
}

/// What `--where` asks for.
fn condition(args: &Forget, model: &Model) -> Result<Option<Condition>> {
    if args.fields.is_empty() {
        return Ok(None);
    }
    let field = |(name, text): &(String, String)| {
        let place = model.fields.iter().position(|field| field.name == *name).ok_or_else(|| {
            let names: Vec<_> = model.fields.iter().map(|field| field.name.as_str()).collect();
            Failure::WrongSettings(format!(
                "there is no field '{}'; the reports have {}",
                name.escape_debug(),
                names.join(", ")
            ))
        })?;
        Ok((place, text.clone()))
    };
    let seconds = |time: Option<NaiveDateTime>| time.map(|time| time.and_utc().timestamp());
    let fields = args.fields.iter().map(field).collect::<Result<_>>()?;
    Ok(Some(Condition { fields, times: (seconds(args.from), seconds(args.to)) }))
}

/// Prints what was found, and what was not.
fn report(
    args: &Forget,
    (events, found): (usize, &HashSet<EventId>),
    without: u64,
    asked: &HashMap<EventId, &str>,
    gone: &[String],
) -> Result<()> {
    let (events, ids) = (grouped(events as u64), grouped(found.len() as u64));
    let what = if args.dry_run { "would be taken" } else { "were taken" };
    terminal::print(&format!("{events} events of {ids} ids {what} out of the tables."))?;
    let mut missing: Vec<_> = asked.iter().filter(|(id, _)| !found.contains(id)).map(|(_, text)| *text).collect();
    missing.sort_unstable();
    for id in &missing {
        terminal::print(&format!("not found: {}", terminal::safe(id, IDS_SHOWN_MAX)))?;
    }
    let because = gone.first().map_or(String::new(), |gone| format!(", of which {gone}"));
    if without > 0 {
        bail!("{} events more match, and have no id: these stay in the tables", grouped(without));
    }
    if let (true, Some(gone)) = (asked.is_empty(), gone.first()) {
        bail!("{gone}: if events match there, they stay in the tables");
    }
    if !missing.is_empty() {
        bail!(
            "{} of {} ids are not in the topic{because}: if their records are gone, the tables count them still",
            grouped(missing.len() as u64),
            grouped(asked.len() as u64)
        );
    }
    Ok(())
}
