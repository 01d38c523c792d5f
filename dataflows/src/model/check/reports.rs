//! The declarations as a whole: which keys go together, which names are taken, and what is shown.

use toml::Spanned;

use super::super::error::unknown;
use super::super::file::{File, Report};
use super::super::{self as model, Count, Dimension, Field, Shape, Table, TableRows, names};
use super::{Checked, Checks, REPORTS_MAX};

/// The most rows that a report without days shows, as many as a ranking may have.
const LIMIT_ROWS_MAX: u8 = 100;

impl Checked<'_> {
    /// How many there are, and which of their keys go together.
    pub fn declarations(&self, declared: &[Spanned<Report>]) -> Checks<()> {
        self.ensure(!declared.is_empty(), 0..0, "the file declares no report; add a [[report]]")?;
        if let Some(report) = declared.get(REPORTS_MAX) {
            let what = format!("a file may declare {REPORTS_MAX} reports; leave some out");
            return self.error(report.span(), what);
        }
        for report in declared {
            let (span, report) = (report.span(), report.get_ref());
            match (&report.by, &report.top) {
                (Some(_), Some(top)) => {
                    let what = "a report is a count or a ranking; leave out `by` or `top`";
                    return self.error(top.span(), what);
                }
                (None, None) => return self.error(span, "a report needs a count or a ranking; add `by` or `top`"),
                _ => {}
            }
            if report.name.is_none() {
                let titles = report.titles.keys().next();
                let shown = [report.title.as_ref(), titles, report.days.as_ref(), report.daily.as_ref()];
                let shown =
                    shown.into_iter().flatten().map(Spanned::span).chain(report.limit.as_ref().map(Spanned::span));
                if let Some(span) = shown.min_by_key(|span| span.start) {
                    return self.error(span, "only a report with a name is shown; add a name, or leave this out");
                }
            }
        }
        Ok(())
    }

    /// The names of reports, tables and fields: none is taken, none is given twice.
    pub fn names(&self, declared: &File) -> Checks<()> {
        for name in declared.fields.keys() {
            self.apart_from_digests(name)?;
        }
        let reports = || declared.report.iter().map(Spanned::get_ref);
        let indexes: Vec<_> =
            reports().filter(|report| report.days.is_some()).flat_map(|it| self.indexes(it)).collect();
        for table in reports().map(|report| &report.table) {
            self.at(table.span(), names::table(table.get_ref()))?;
            let what = format!("an index has the name {}; take another one for the table", table.get_ref());
            self.ensure(!indexes.contains(table.get_ref()), table.span(), what)?;
        }
        self.each_once("table", reports().map(|report| &report.table))?;
        for name in reports().filter_map(|report| report.name.as_ref()) {
            self.at(name.span(), names::report(name.get_ref()))?;
        }
        self.each_once("report", reports().filter_map(|report| report.name.as_ref()))
    }

    /// The possible names of the index by which a report of all days finds one member.
    fn indexes(&self, report: &Report) -> Vec<String> {
        let table = report.table.get_ref().as_str();
        let short = table.trim_end_matches("_hourly").trim_end_matches("_daily");
        let of = |field: &Field| [table, short].map(|table| format!("{table}_by_{}", field.name));
        self.model.fields.iter().flat_map(of).collect()
    }

    fn each_once<'n>(&self, sort: &str, names: impl Iterator<Item = &'n Spanned<String>>) -> Checks<()> {
        let mut seen = Vec::new();
        for name in names {
            let what = format!("a second {sort} \"{}\"; take another name", name.get_ref());
            self.ensure(!seen.contains(&name.get_ref()), name.span(), what)?;
            seen.push(name.get_ref());
        }
        Ok(())
    }

    /// What is shown.
    pub fn reports(&mut self, declared: &[Spanned<Report>]) -> Checks<()> {
        let named = declared.iter().map(Spanned::get_ref);
        let named: Vec<_> = named.filter_map(|report| Some((report.name.as_ref()?.get_ref(), report))).collect();
        for (name, report) in &named {
            // Every declaration has made its table.
            let table = self.model.tables.iter().position(|table| table.name == *report.table.get_ref()).unwrap_or(0);
            let limit = self.limit(report, table)?;
            let (all_days, daily) = (self.all_days(report, table)?, self.daily(report, table, &named)?);
            self.model.reports.push(model::Report {
                name: (*name).clone(),
                title: self.sentence(report.title.as_ref())?.unwrap_or_else(|| name.replace('-', " ")),
                titles: self.by_language(&report.titles)?,
                about: self.model.tables[table].about.clone(),
                table,
                shape: self.shape(&self.model.tables[table], limit.is_some()),
                limit,
                all_days,
                daily,
            });
        }
        Ok(())
    }

    /// The count that a report shows, if it is one.
    fn counted(&self, table: usize) -> Option<&Count> {
        match self.model.tables[table].rows {
            TableRows::Count(count) => Some(&self.model.counts[count]),
            _ => None,
        }
    }

    fn limit(&self, report: &Report, table: usize) -> Checks<Option<u8>> {
        let Some(limit) = &report.limit else { return Ok(None) };
        let is_total = self.counted(table).is_some_and(|count| !count.has_day);
        let what = "only a count of all days has a limit; leave it out, or \"day\" out of `by`";
        self.ensure(is_total, limit.span(), what)?;
        let rows = u8::try_from(*limit.get_ref()).ok().filter(|rows| (1..=LIMIT_ROWS_MAX).contains(rows));
        let rows = rows.ok_or_else(|| format!("a report shows 1 to {LIMIT_ROWS_MAX} rows; give a limit between them"));
        self.at(limit.span(), rows).map(Some)
    }

    fn all_days(&self, report: &Report, table: usize) -> Checks<bool> {
        let Some(days) = &report.days else { return Ok(false) };
        let what = format!("`days` is \"all\" or left out, not \"{}\"", days.get_ref());
        self.ensure(days.get_ref() == "all", days.span(), what)?;
        let is_daily = self.counted(table).is_some_and(|count| count.has_day && !count.has_hour);
        let what = "only a count by day, without hour, is shown of all days; leave `days` out";
        self.ensure(is_daily, days.span(), what)?;
        Ok(true)
    }

    /// The ranking of one day that belongs to a count of all days.
    fn daily(&self, report: &Report, table: usize, named: &[(&String, &Report)]) -> Checks<Option<usize>> {
        let Some(daily) = &report.daily else { return Ok(None) };
        let place = named.iter().position(|(name, _)| *name == daily.get_ref());
        let known = named.iter().map(|(name, _)| name.as_str());
        let place = self.at(daily.span(), place.ok_or_else(|| unknown("report", daily.get_ref(), known)))?;
        let ranked = self.model.rankings.iter().find(|ranking| {
            let table = &self.model.tables[ranking.table];
            table.name == *named[place].1.table.get_ref() && ranking.by == [Dimension::Day]
        });
        let total = self.counted(table).filter(|count| !count.has_day);
        let is_its_day = match (ranked, total) {
            (Some(ranked), Some(total)) => {
                total.members == [ranked.of] && total.filter == self.model.counts[ranked.count].filter
            }
            _ => false,
        };
        let what = "`daily` belongs to a count of all days by one field, and names the ranking of that field by day; name \
                    such a ranking, or leave it out";
        self.ensure(is_its_day, daily.span(), what)?;
        Ok(Some(place))
    }

    fn shape(&self, table: &Table, is_limited: bool) -> Shape {
        match table.rows {
            TableRows::Count(count) if !is_limited => {
                let count = &self.model.counts[count];
                match (count.has_day && count.has_hour, count.members.len()) {
                    (true, 0 | 1) => Shape::Hours,
                    (true, 2) => Shape::HeatMap,
                    _ => Shape::List,
                }
            }
            _ => Shape::Bars,
        }
    }
}
