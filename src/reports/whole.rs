//! The whole list of which a report shows the first rows: every member that was counted, in pages of rows; addresses also
//! grouped by host.

use dataflows::model::{Dimension, Model, Report, fields};
use dataflows::{OTHERS, Sites};
use postgres::types::Type;

use super::form::{Form, ReportColumn};
use super::over::Source;
use super::search::{Similarity, Sought};
use super::sql::{Asked, Sql, quoted};
use super::{Cell, ReportRows};

/// Which rows of a whole list to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Whole {
    /// How many rows to skip.
    pub offset: u32,
    /// Parts of the members, or words of their names, to search for; empty for all.
    pub sought: String,
    /// Whether addresses are grouped by host.
    pub by_host: bool,
    /// Only addresses of this host.
    pub host: Option<String>,
    /// Whether to search for similar names, as after a search without a match.
    pub is_alike: bool,
}

impl Whole {
    /// Whether there may be no rows although the list has some.
    pub(super) fn may_be_empty(&self) -> bool {
        self.offset > 0 || !self.sought.is_empty() || self.host.is_some()
    }
}

/// The field of the addresses that a report ranks, if its rows have no other field and the hosts are known, and these hosts.
pub fn sites(model: &Model, report: &Report) -> Option<(usize, Sites)> {
    let field = match Form::new(model, report) {
        Form::Places(ranking) => fields(&ranking.by).next().is_none().then_some(ranking.of)?,
        Form::Most(count, _) if fields(&count.by).count() == 1 => fields(&count.by).next()?,
        _ => return None,
    };
    Some((field, model.sites(field)?))
}

/// The columns of hosts instead of addresses.
pub(super) fn by_host(field: usize, columns: Vec<ReportColumn>) -> Vec<ReportColumn> {
    let hosts = |column| match column {
        ReportColumn::Dimension(Dimension::Field(other)) if other == field => {
            vec![ReportColumn::Host(field), ReportColumn::Kind(field)]
        }
        column => vec![column],
    };
    columns.into_iter().flat_map(hosts).collect()
}

/// The column with the number of all rows, a name that no field can have.
const TOTAL: &str = "\"its total\"";

/// The list: its sums, the columns that they are by, and how many of these form groups.
struct Listed {
    summed: String,
    by: Vec<String>,
    groups: usize,
}

impl Asked<'_> {
    /// The rows of a list. Ranks are among all rows, whatever is searched for.
    pub fn whole(
        &self,
        whole: &Whole,
        (form, report): (Form<'_>, &Report),
        source: &Source<'_>,
        columns: &[ReportColumn],
        similarity: Option<&Similarity>,
    ) -> Sql {
        let mut sql = Sql::default();
        let sites = sites(self.model, report);
        let listed = match &sites {
            Some((field, sites)) if whole.by_host => self.hosts(&mut sql, form, *field, sites),
            _ => self.members(&mut sql, form, source, columns),
        };
        let mut conditions = Vec::new();
        if !whole.sought.is_empty() {
            let sought = match similarity.filter(|_| whole.is_alike) {
                Some(by) => Sought::alike(&whole.sought, by, &mut sql),
                None => Sought::new(&whole.sought, &mut sql),
            };
            conditions.push(match &sites {
                Some((_, Sites { host, kind, .. })) if whole.by_host => sought.in_columns(&[host, kind]),
                _ => sought.condition(self.model, &self.listed(form, source, columns)),
            });
        }
        if let Some((host, (field, Sites { function, .. }))) = whole.host.as_ref().zip(sites.as_ref()) {
            let (url, place) = (self.column(Dimension::Field(*field)), sql.give(host.clone(), Type::TEXT));
            // The function is slow, so it is called only for the few addresses that contain the host.
            conditions.push(format!("strpos(lower({url}), {place}) > 0 AND {function}({url}) = {place}"));
        }
        let found = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
        let [limit, offset] = [self.limit, Some(whole.offset.into())].map(|number| sql.give(number, Type::INT8));
        let Listed { summed, by: all, groups } = listed;
        let (by, of) = all.split_at(groups);
        let (partition, order) = match (form, by) {
            (Form::List(_), _) => (String::new(), format!("views DESC, {}", all.join(", "))),
            (_, []) => (String::new(), "rank".to_owned()),
            (_, by) => (format!("PARTITION BY {}", by.join(", ")), format!("{}, rank", by.join(", "))),
        };
        let rows = format!(
            "SELECT *, count(*) OVER () AS {TOTAL} FROM
                (SELECT *, row_number() OVER ({partition} ORDER BY views DESC, {}) AS rank FROM ({summed}) AS summed) AS placed
            WHERE {found} ORDER BY {order} LIMIT {limit} OFFSET {offset}",
            of.join(", "),
        );
        sql.text = self.named_beside(columns, &[TOTAL], &rows, &order);
        sql
    }

    /// The fields that are listed.
    fn listed(&self, form: Form<'_>, source: &Source<'_>, columns: &[ReportColumn]) -> Vec<usize> {
        let shown = |column: &ReportColumn| match column {
            ReportColumn::Dimension(Dimension::Field(field)) => Some(*field),
            _ => None,
        };
        match form {
            Form::List(_) => columns.iter().filter_map(shown).collect(),
            _ => source.fields.clone(),
        }
    }

    /// The rows of the table that the list sums up: without the others, if a ranking leaves them out.
    fn ranked_rows(&self, sql: &mut Sql, form: Form<'_>) -> String {
        let counted = self.counted(sql);
        let Form::Places(ranking) = form else { return counted };
        let of = self.column(Dimension::Field(ranking.of));
        format!("(SELECT * FROM {counted}) AS named WHERE {of} <> {}", sql.give(OTHERS, Type::TEXT))
    }

    fn members(&self, sql: &mut Sql, form: Form<'_>, source: &Source<'_>, columns: &[ReportColumn]) -> Listed {
        let by = self.columns(self.listed(form, source, columns).into_iter().map(Dimension::Field));
        let groups = if let Form::Places(ranking) = form { fields(&ranking.by).count() } else { 0 };
        let (counted, all, sums, having) = (self.ranked_rows(sql, form), by.join(", "), self.sums(), self.having());
        Listed { summed: format!("SELECT {all}, {sums} FROM {counted} GROUP BY {all} {having}"), by, groups }
    }

    /// Addresses are first grouped by the part before their path: that is cheap, determines the host, and leaves the slow
    /// function a hundredth of the work. Texts that are no web addresses stay whole.
    fn hosts(&self, sql: &mut Sql, form: Form<'_>, field: usize, sites: &Sites) -> Listed {
        let Sites { function, table, host, kind } = sites;
        let (counted, url) = (self.ranked_rows(sql, form), self.column(Dimension::Field(field)));
        let (sums, having, views) = (self.sums(), self.having(), self.views());
        let [host, kind, table] = [host, kind, &(*table).to_owned()].map(|name| quoted(name));
        let summed = format!(
            "SELECT coalesce({host}, '') AS {host}, coalesce({table}.kind, 'other') AS {kind}, {views} FROM
                (SELECT {function}({url}) AS {host}, {sums} FROM
                    (SELECT CASE WHEN {url} LIKE 'http://%' OR {url} LIKE 'https://%'
                        THEN 'http://' || split_part({url}, '/', 3) ELSE {url} END AS {url}, {sums}
                    FROM {counted} GROUP BY 1) AS origins GROUP BY 1 {having}) AS hosts
                LEFT JOIN {table} ON {table}.host = hosts.{host}"
        );
        Listed { summed, by: vec![host], groups: 0 }
    }
}

impl ReportRows {
    /// Moves the number of all rows out of the rows; unknown if there are no rows.
    pub(super) fn take_total(&mut self) {
        self.columns.pop();
        let totals: Vec<_> = self.rows.iter_mut().filter_map(Vec::pop).collect();
        self.total = totals.first().and_then(|total| match total {
            Cell::Number(total) => Some(total.unsigned_abs()),
            _ => None,
        });
    }
}
