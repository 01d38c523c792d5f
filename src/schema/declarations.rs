//! What a model declares about tables, in words, and what differs between two models.
//!
//! Only what affects rows matters: not comments, titles or the names of reports, nor the order of the file. The types that
//! count as views are a setting of their own.

use std::collections::BTreeSet;

use dataflows::model::{
    Count, Dimension, DimensionTable, Envelope, FieldKind, Filter, Member, Model, Table, TableRows,
};
use dataflows::{Day, DaysKept, Kept};

/// A declaration about one subject: a verb, and what follows it.
type Declaration = (&'static str, String);

/// What differs between the model that tables were built with and the one to write them with: a line each.
/// `retain` is how many days a report keeps that does not declare it.
pub fn differences(built_with: &Model, given: &Model, retain: DaysKept) -> Vec<String> {
    let (then, now) = (declarations(built_with), declarations(given));
    let of = |all: &[(String, Declaration)], subject: &str| {
        all.iter().find(|(other, _)| other == subject).map(|(_, declaration)| declaration.clone())
    };
    let mut differences = Vec::new();
    for (subject, (verb, what)) in &now {
        match of(&then, subject) {
            Some(before) if before == (*verb, what.clone()) => {}
            Some((_, before)) => {
                differences.push(format!("{subject} {verb} {what} in the file, {before} in the tables"))
            }
            // The difference of a table implies it.
            None if *verb == READ => {}
            None => differences.push(format!("{subject} is in the file, not in the tables")),
        }
    }
    let gone = then.iter().filter(|(subject, (verb, _))| *verb != READ && of(&now, subject).is_none());
    let before = differences.len();
    differences.extend(gone.map(|(subject, _)| format!("{subject} is in the tables, not in the file")));
    if before == 0 && !differences.is_empty() {
        differences.extend(needed(built_with, given, retain));
    }
    differences
}

/// How the tables of one model can become those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// They are the same.
    None,
    /// Some are no longer written; the rows of all others do not depend on them.
    Removal,
    /// Some are added whose rows follow from present ones, and perhaps some are no longer written: a start fills them in.
    Derivation,
    /// Some are added, and perhaps some are no longer written: the topic must be counted again, and all present rows keep their
    /// meaning.
    Addition,
    /// Present rows change their meaning.
    Other,
}

impl Change {
    /// From what tables were built with to what is given. `retain` is how many days a report keeps that does not declare it.
    pub fn between(built_with: &Model, given: &Model, retain: DaysKept) -> Change {
        let (then, now) = (declarations(built_with), declarations(given));
        let declared = |all: &[(String, Declaration)], (subject, declaration): &(String, Declaration)| {
            all.iter().find(|(other, _)| other == subject).map(|(_, other)| other == declaration)
        };
        let lacking = |all: &[(String, Declaration)], some: &[(String, Declaration)]| -> Vec<String> {
            let lacking = some.iter().filter(|it| it.1.0 != READ && declared(all, it).is_none());
            lacking.map(|(subject, _)| subject.clone()).collect()
        };
        let (added, removed) = (lacking(&then, &now), lacking(&now, &then));
        if then.iter().any(|it| declared(&now, it) == Some(false)) {
            Change::Other
        } else if !added.iter().all(|table| follows(built_with, given, table)) {
            Change::Addition
        } else if !removed.is_empty() && !needed(built_with, given, retain).is_empty() {
            Change::Other
        } else if !added.is_empty() {
            Change::Derivation
        } else if !removed.is_empty() {
            Change::Removal
        } else {
            Change::None
        }
    }
}

/// Whether the rows of an added table follow from those of a table that is there and is not itself derived.
fn follows(built_with: &Model, given: &Model, added: &str) -> bool {
    let is_there = |count: &Count| {
        let table = count.table.map(|table| &given.tables[table].name);
        built_with.tables.iter().any(|it| Some(&it.name) == table && !it.is_derived(built_with))
    };
    let count = given.tables.iter().find(|table| table.name == added).and_then(|table| match table.rows {
        TableRows::Count(count) => given.counts[count].from,
        TableRows::Ranking(ranking) => {
            let count = given.rankings[ranking].count;
            Some(given.counts[count].from.unwrap_or(count))
        }
        TableRows::Members(_) => None,
    });
    count.is_some_and(|count| is_there(&given.counts[count]))
}

/// The verb of declarations about what is read from a record.
const READ: &str = "is";

/// The declarations by subject: the tables, then what is read for them.
fn declarations(model: &Model) -> Vec<(String, Declaration)> {
    let tables = model.tables.iter().filter_map(|table| Some((table.name.clone(), declaration(model, table.rows)?)));
    let read = |subject: &str, what: String| (subject.to_owned(), (READ, what));
    let member = |member: &Option<Member>| member.as_ref().map_or("nothing".into(), Member::to_string);
    let event = &model.event;
    let members = [
        read("an event's type", member(&event.kind)),
        read("an event's local time", member(&event.local_time)),
        read("an event's time stamp", member(&event.time_stamp)),
        read("the format of times", event.time_format.name().into()),
        read("an event's page", member(&event.page)),
        read("an event's envelope", envelope(&event.envelope)),
    ];
    let fields = used_fields(model);
    let fields = fields
        .into_iter()
        .map(|field| read(&format!("the field {}", model.fields[field].name), read_from(model, field)));
    tables.chain(members).chain(fields).collect()
}

/// The fields that affect rows.
fn used_fields(model: &Model) -> BTreeSet<usize> {
    let members = model.counts.iter().flat_map(|count| count.members.iter().copied());
    let filtered = model.filters.iter().flat_map(|filter| filter.fields.iter().map(|(field, _)| *field));
    members.chain(filtered).collect()
}

/// Why the remaining tables need those that the given model lacks: a line each.
fn needed(built_with: &Model, given: &Model, retain: DaysKept) -> Vec<String> {
    let mut needed = Vec::new();
    // A declared field that cannot be read rejects the record, whatever is counted.
    for (place, field) in built_with.fields.iter().enumerate() {
        let now = given.fields.iter().position(|other| other.name == field.name);
        if now.is_none_or(|now| read_from(given, now) != read_from(built_with, place)) {
            needed.push(format!("the field {} decides which records are rejected; leave it in the file", field.name));
        }
    }
    needed.extend(given.tables.iter().filter_map(|table| no_longer_a_sum(built_with, given, table)));
    let [then, now] = [built_with, given].map(|model| Kept::new(model, retain));
    if then.longest() != now.longest() {
        needed.push("no other report keeps days for as long".into());
    }
    let [then, now] = [then, now].map(|kept| kept.first_days(Day(0)));
    let counts = |model: &Model, table: &Table| match model.tables.iter().find(|it| it.name == table.name)?.rows {
        TableRows::Count(count) => Some(count),
        _ => None,
    };
    let keeps_others = |table: &&Table| {
        let both = counts(built_with, table).zip(counts(given, table));
        both.is_some_and(|(before, after)| then[before] != now[after])
    };
    needed
        .extend(given.tables.iter().filter(keeps_others).map(|table| format!("{} would keep other days", table.name)));
    needed
}

/// A count that summed up one that is gone has the members that that one admitted by the day: if it has a day, and the same
/// shards, it admits the same.
fn no_longer_a_sum(built_with: &Model, given: &Model, table: &Table) -> Option<String> {
    let TableRows::Count(now) = table.rows else { return None };
    let TableRows::Count(then) = built_with.tables.iter().find(|other| other.name == table.name)?.rows else {
        return None;
    };
    let (then, now) = (&built_with.counts[then], &given.counts[now]);
    let finer = &built_with.counts[then.from.filter(|_| now.from.is_none())?];
    let open = |model: &Model, count: &Count| -> Vec<String> {
        count.open.iter().map(|place| model.fields[count.members[*place]].name.clone()).collect()
    };
    let is_alike = now.open.is_empty() || now.has_day && open(built_with, then) == open(given, now);
    let finer = finer.table.map(|table| built_with.tables[table].name.as_str()).unwrap_or_default();
    (!is_alike).then(|| format!("{} is the sum of {finer}", table.name))
}

fn read_from(model: &Model, field: usize) -> String {
    let field = &model.fields[field];
    let what = match &field.kind {
        FieldKind::Id => "the id",
        FieldKind::Text => "the text",
        FieldKind::Url => "the URL",
        FieldKind::Country => "the country",
        FieldKind::CountryCode => "the country's code",
        FieldKind::Host => "the host",
        FieldKind::Path => "the path",
        FieldKind::Query { parameter } => &format!("the parameter {parameter}"),
        FieldKind::Browser => "the browser",
        FieldKind::Os => "the operating system",
        FieldKind::Device => "the device",
        FieldKind::Boolean => "the boolean",
    };
    let lower = if field.is_lower { ", in small letters" } else { "" };
    let or = field.or.as_ref().map_or(String::new(), |or| format!(", or \"{or}\""));
    format!("{what} of {}{lower}{or}", field.path)
}

fn envelope(envelope: &Envelope) -> String {
    match envelope {
        Envelope::Array(Some(member)) => format!("an array in {member}"),
        other => other.name().into(),
    }
}

/// What a table holds; none for tables that follow from others, or that every database has.
fn declaration(model: &Model, rows: TableRows) -> Option<Declaration> {
    let name = |field: usize| model.fields[field].name.as_str();
    let dimensions = &model.dimensions;
    let described = match rows {
        TableRows::Count(count) => {
            let count = &model.counts[count];
            let (filter, kept) = (filtered(model, &model.filters[count.filter]), kept(&count.kept));
            return Some(("counts", format!("by {}{filter}{kept}", names(model, &count.by))));
        }
        TableRows::Ranking(ranking) => {
            let ranking = &model.rankings[ranking];
            let filter = filtered(model, &model.filters[model.counts[ranking.count].filter]);
            let (of, by) = (name(ranking.of), names(model, &ranking.by));
            return Some(("ranks", format!("{of} by {by}{filter} ({} places)", ranking.places)));
        }
        TableRows::Members(DimensionTable::Product) => dimensions.product.map(|it| name(it.id).to_owned()),
        TableRows::Members(DimensionTable::Store) => {
            dimensions.store.map(|it| format!("{} in {}", name(it.id), name(it.country)))
        }
        TableRows::Members(DimensionTable::BrowserOs) => {
            dimensions.browser_os.map(|it| format!("{} on {}", name(it.browser), name(it.os)))
        }
        TableRows::Members(DimensionTable::Referrer) => dimensions.referrer.map(|it| name(it.url).to_owned()),
        TableRows::Members(_) => None,
    };
    described.map(|described| ("describes", described))
}

/// How many days a count keeps, unless that follows from `--retain`.
fn kept(declared: &[Option<DaysKept>]) -> String {
    let longest = declared.iter().flatten().max();
    let or_more = if declared.contains(&None) { " or as --retain says" } else { "" };
    match longest {
        None => String::new(),
        Some(DaysKept::All) => ", of all days".into(),
        Some(DaysKept::Days(days)) => format!(", of {days} days{or_more}"),
    }
}

fn names(model: &Model, by: &[Dimension]) -> String {
    by.iter().map(|dimension| model.dimension_name(*dimension)).collect::<Vec<_>>().join(", ")
}

fn filtered(model: &Model, filter: &Filter) -> String {
    let kind = model.event.kind.as_ref().map_or(String::new(), Member::to_string);
    let types = filter.types.iter().map(|types| (kind.as_str(), types));
    let fields = filter.fields.iter().map(|(field, values)| (model.fields[*field].name.as_str(), values));
    let mut parts: Vec<_> =
        types.chain(fields).map(|(member, values)| format!("{member} is {}", values.join(" or "))).collect();
    parts.sort();
    if parts.is_empty() { String::new() } else { format!(" where {}", parts.join(" and ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::model::ModelError;

    const HEAD: &str = r#"
        [event]
        type = "kind"
        views = ["view"]
        time_stamp = "at"
        [fields]
        item = { path = "item", kind = "id" }
        shop = { path = "page", kind = "host" }
    "#;

    #[test]
    fn differences_are_listed_report_by_report() -> Result<(), ModelError> {
        let model = |reports: &str| Model::parse(&format!("{HEAD}{reports}"), "reports.toml");
        let built_with = model(
            "[[report]]\ntable = \"items\"\nby = [\"day\", \"item\"]\n[[report]]\ntable = \"shops\"\nby = [\"shop\"]\n",
        )?;
        let titled = model(
            "[[report]]\ntable = \"shops\"\nby = [\"shop\"]\n[[report]]\nname = \"x\"\ntable = \"items\"\nby = [\"day\", \"item\"]",
        )?;
        assert!(differences(&built_with, &titled, DaysKept::All).is_empty(), "names and order decide about no row");
        let more = Model::parse(
            &format!("{}[[report]]\ntable = \"sales\"\nby = [\"day\"]\n", built_with.text),
            "reports.toml",
        )?;
        assert_eq!(Change::between(&built_with, &titled, DaysKept::All), Change::None);
        assert_eq!(Change::between(&built_with, &more, DaysKept::All), Change::Addition);
        assert_eq!(Change::between(&more, &built_with, DaysKept::All), Change::Removal);
        let given = model(
            "[[report]]\ntable = \"items\"\nby = [\"day\", \"item\", \"shop\"]\nwhere = { kind = \"sale\" }\nretain = \"30d\"\n\
             [[report]]\ntable = \"bought\"\nby = [\"item\"]\n",
        )?;
        assert_eq!(
            differences(&built_with, &given, DaysKept::All),
            [
                "items counts by day, item, shop where kind is sale, of 30 days in the file, by day, item in the tables",
                "bought is in the file, not in the tables",
                "shops is in the tables, not in the file"
            ]
        );
        assert_eq!(Change::between(&built_with, &given, DaysKept::All), Change::Other);
        Ok(())
    }

    #[test]
    fn what_others_need_is_not_removed() -> Result<(), ModelError> {
        let model = |head: &str, reports: &[&str]| {
            let reports: String = reports.iter().map(|report| format!("[[report]]\n{report}\n")).collect();
            Model::parse(&format!("{head}{reports}"), "reports.toml")
        };
        let hours = "table = \"hours\"\nby = [\"day\", \"hour\", \"item\"]";
        let days = "table = \"days\"\nby = [\"day\", \"item\"]";
        let totals = "table = \"totals\"\nby = [\"item\"]";
        let shops = "table = \"shops\"\nby = [\"day\", \"shop\"]";
        let sales = "table = \"sales\"\nby = [\"day\", \"shop\"]\nwhere = { kind = \"sale\" }";
        let all = model(HEAD, &[hours, days, totals, shops, sales])?;
        let (change, needed) = (
            |given: &Model| Change::between(&all, given, DaysKept::All),
            |given: &Model| super::needed(&all, given, DaysKept::All).join("; "),
        );
        let without_sales = model(HEAD, &[hours, days, totals, shops])?;
        assert_eq!(change(&without_sales), Change::Removal);
        // A day's members are those of its hours.
        assert_eq!(change(&model(HEAD, &[days, totals, shops, sales])?), Change::Removal);
        // Days leave what is the sum of them, and not what has none.
        let head = HEAD.replace("shop =", "land = { path = \"page\", kind = \"country\" }\nshop =");
        let lands = ["table = \"lands\"\nby = [\"land\"]", "table = \"daily\"\nby = [\"day\", \"land\"]", shops];
        let without = |place: usize, retain| -> Result<_, ModelError> {
            let left: Vec<_> = (0..).zip(lands).filter(|(at, _)| *at != place).map(|(_, report)| report).collect();
            Ok(Change::between(&model(&head, &lands)?, &model(&head, &left)?, retain))
        };
        assert_eq!([without(1, DaysKept::All)?, without(2, DaysKept::Days(7))?], [Change::Removal; 2]);
        assert_eq!(without(1, DaysKept::Days(7))?, Change::Other);
        let without_days = model(HEAD, &[totals, shops, sales])?;
        assert_eq!(needed(&without_days), "totals is the sum of hours");
        assert_eq!(change(&without_days), Change::Other);
        let other_events = HEAD.replace("shop =", "store =");
        let without_shops = model(&other_events, &[hours, days, totals, &sales.replace("shop", "store")])?;
        assert_eq!(change(&without_shops), Change::Other);
        assert!(needed(&without_shops).contains("the field shop decides which records are rejected"));
        // A sum of what is there, or a ranking of it, needs no record; what is counted of records does.
        let sums = totals.replace("totals", "sums");
        let top = "table = \"top\"\ntop = { count = 3, of = \"shop\", by = [\"day\"] }";
        assert_eq!(change(&model(HEAD, &[hours, days, &sums, shops, sales, top])?), Change::Derivation);
        let finer = "table = \"finer\"\nby = [\"day\", \"hour\", \"shop\"]";
        assert_eq!(change(&model(HEAD, &[hours, days, totals, finer, shops, sales])?), Change::Addition);
        Ok(())
    }
}
