//! The panels of a page, as queries to the tables.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use chrono::NaiveDate;
use dataflows::model::{Dimension, Model, Shape, fields};
use serde::Serialize;

use super::error::ApiError;
use super::status::TablesRead;
use crate::reports::{
    Comparison, NoData, Period, Record, ReportColumn, ReportQuery, ReportRows, Snapshot, Span, TrendQuery, WrongPeriod,
    columns, is_over_days, parameters,
};

/// Rows of a list on a page; nobody reads more.
const ROWS_MAX: u32 = 100;

/// Time from which on a question counts as slow, as all pages wait for it.
const SLOW_MIN: Duration = Duration::from_millis(500);
/// The same over several days, whose numbers change little with a commit.
const SLOW_OVER_DAYS_MIN: Duration = Duration::from_millis(20);
/// A slow question is asked again only after this many times as long as it took.
const REST_FACTOR: u32 = 10;
/// Total time of slow questions in one read, after which further ones keep their old answers.
const SLOW_TOTAL_MAX: Duration = Duration::from_millis(200);

/// What a page was asked to show. Pages that show the same share everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Selection {
    /// The days; the current or latest one is resolved when it is read.
    pub period: Period,
    /// What those are compared with.
    pub compare: Option<Comparison>,
    /// The members that were chosen; a panel applies those that its table can answer.
    pub filters: Vec<(usize, String)>,
    /// The members to show of fields that require one, where none is chosen.
    pub defaults: Vec<(usize, String)>,
}

/// The query of a panel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    Report(ReportQuery),
    Trend(TrendQuery),
}

impl Question {
    fn members(&self) -> &[(usize, String)] {
        match self {
            Question::Report(query) => &query.members,
            Question::Trend(query) => &query.members,
        }
    }

    /// The time from which on it counts as slow.
    fn slow(&self) -> Duration {
        match self {
            Question::Report(ReportQuery { period: Period::Latest | Period::Day(_), compare: None, .. }) => SLOW_MIN,
            _ => SLOW_OVER_DAYS_MIN,
        }
    }

    fn read(&self, snapshot: &mut Snapshot<'_>, model: &Model) -> Result<ReportRows> {
        match self {
            Question::Report(query) => snapshot.read(query, most(model, query)),
            Question::Trend(query) => snapshot.trend(query),
        }
    }
}

impl Selection {
    /// The questions of the panels, by name: a report has one, a heat map one for each of its fields. A report that requires a
    /// member has none before there is one. `day` is none while the tables are empty.
    fn questions(&self, model: &Model, day: Option<NaiveDate>) -> Vec<(Arc<str>, Question)> {
        let shown = match (self.period, day) {
            (Period::Latest, Some(day)) => Period::Day(day),
            (period, _) => period,
        };
        let mut questions: Vec<_> = self.trend(model, shown).into_iter().collect();
        for (place, report) in model.reports.iter().enumerate() {
            let parameters = parameters(model, report);
            let has_day = parameters.iter().any(|parameter| parameter.dimension == Dimension::Day);
            let chosen = parameters.iter().filter(|parameter| parameter.is_needed).map(|parameter| {
                let is_it = |(field, _): &&(usize, String)| Dimension::Field(*field) == parameter.dimension;
                self.filters.iter().chain(&self.defaults).find(is_it).cloned()
            });
            let Some(members) = chosen.collect::<Option<Vec<_>>>() else { continue };
            // A report of all days does not depend on the selected days; these have a panel of their own.
            let is_of_all = !has_day || report.daily.is_some();
            let period = if is_of_all { Period::Latest } else { shown };
            let query = ReportQuery { report: place, period, members, has_share: true, ..ReportQuery::default() };
            if is_of_all && report.daily.is_none() && is_over_days(model, report) {
                let of_days = shown.as_range().map(|days| ReportQuery { period: Period::Range(days), ..query.clone() });
                let question = |query| Question::Report(self.chosen(model, query, day));
                questions.extend(of_days.map(|query| (format!("{}.day", report.name).into(), question(query))));
            }
            if report.shape == Shape::HeatMap {
                for field in fields(model.dimensions_of(&model.tables[report.table])) {
                    let name = format!("{}.{}", report.name, model.fields[field].label);
                    let query = ReportQuery { alone: Some(field), ..query.clone() };
                    questions.push((name.into(), Question::Report(self.chosen(model, query, day))));
                }
            } else {
                questions.push((report.name.as_str().into(), Question::Report(self.chosen(model, query, day))));
            }
        }
        questions
    }

    /// All views by time, with the filters that a table can answer.
    fn trend(&self, model: &Model, period: Period) -> Option<(Arc<str>, Question)> {
        let mut query = TrendQuery { period, compare: self.compare, ..TrendQuery::default() };
        if !query.can_be_answered(model) {
            return None;
        }
        for filter in &self.filters {
            query.members.push(filter.clone());
            if !query.can_be_answered(model) {
                query.members.pop();
            }
        }
        Some((TREND.into(), Question::Trend(query)))
    }

    /// A report with the comparison and the filters that a table can answer. A field that it lists is not filtered, so that
    /// another member can be chosen there.
    fn chosen(&self, model: &Model, mut query: ReportQuery, day: Option<NaiveDate>) -> ReportQuery {
        query.compare = self.compare;
        if !query.can_be_answered(model, day) {
            query.compare = None;
        }
        let listed = listed(model, &query);
        for filter in self.filters.iter().filter(|(field, _)| !listed.contains(field)) {
            if query.members.contains(filter) {
                continue;
            }
            query.members.push(filter.clone());
            if !query.can_be_answered(model, day) {
                query.members.pop();
            }
        }
        query
    }
}

/// The fields whose members a panel lists.
fn listed(model: &Model, query: &ReportQuery) -> Vec<usize> {
    if let Some(alone) = query.alone {
        return vec![alone];
    }
    let is_chosen = |field: &usize| query.members.iter().any(|(other, _)| other == field);
    let columns = columns(model, &model.reports[query.report]).into_iter();
    let listed = columns.filter_map(|column| match column {
        ReportColumn::Dimension(Dimension::Field(field)) => Some(field),
        _ => None,
    });
    listed.filter(|field| !is_chosen(field)).collect()
}

/// The panel of all views.
const TREND: &str = "trend";

/// A panel's name, and what it shows as JSON.
pub(super) type Panel = (Arc<str>, Arc<str>);

/// What to show, or why it cannot be read, as JSON.
type Said<T> = Result<T, Arc<str>>;

/// Everything that pages show, from one snapshot.
pub(super) struct Moment {
    pub tables: TablesRead,
    pub panels: HashMap<Selection, Said<Vec<Panel>>>,
    pub slow: SlowPanels,
}

/// Panels that took long to read, and so are shown as they were until they are due again.
pub(super) type SlowPanels = HashMap<Question, SlowPanel>;

/// Such a panel.
#[derive(Clone)]
pub(super) struct SlowPanel {
    said: Said<Arc<str>>,
    due: Instant,
}

/// Reads everything that is shown, each question once however many pages ask it. One that fails affects only those pages.
pub(super) fn read(
    snapshot: &mut Snapshot<'_>,
    model: &Model,
    selections: &[Selection],
    slow: &SlowPanels,
) -> Result<Moment> {
    let tables = TablesRead::read(snapshot)?;
    let (mut reading, mut panels) = (Reading::new(model, slow), HashMap::new());
    for selection in selections {
        let questions = selection.questions(model, tables.day);
        panels.insert(selection.clone(), reading.panels(snapshot, questions)?);
    }
    Ok(Moment { tables, panels, slow: reading.slow })
}

/// What was read so far.
struct Reading<'a> {
    model: &'a Model,
    known: HashMap<Question, Said<Arc<str>>>,
    slow: SlowPanels,
    /// Those that were slow before.
    before: &'a SlowPanels,
    /// How long the slow ones took.
    took: Duration,
}

impl<'a> Reading<'a> {
    fn new(model: &'a Model, before: &'a SlowPanels) -> Reading<'a> {
        Reading { model, known: HashMap::new(), slow: HashMap::new(), before, took: Duration::ZERO }
    }

    fn panels(
        &mut self,
        snapshot: &mut Snapshot<'_>,
        questions: Vec<(Arc<str>, Question)>,
    ) -> Result<Said<Vec<Panel>>> {
        let mut panels = Vec::new();
        for (name, question) in questions {
            match self.said(snapshot, &name, question)? {
                Ok(text) => panels.push((name, text)),
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Ok(Ok(panels))
    }

    fn said(&mut self, snapshot: &mut Snapshot<'_>, panel: &str, question: Question) -> Result<Said<Arc<str>>> {
        if let Some(said) = self.known.get(&question) {
            return Ok(said.clone());
        }
        let begin = Instant::now();
        let said = match self.before.get(&question).filter(|slow| begin < slow.due || self.took > SLOW_TOTAL_MAX) {
            Some(slow) => {
                self.slow.insert(question.clone(), slow.clone());
                slow.said.clone()
            }
            None => {
                let said = said(snapshot, self.model, panel, &question)?;
                let took = begin.elapsed();
                if took > question.slow() {
                    self.took += took;
                    let due = Instant::now() + REST_FACTOR * took;
                    self.slow.insert(question.clone(), SlowPanel { said: said.clone(), due });
                }
                said
            }
        };
        self.known.insert(question, said.clone());
        Ok(said)
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Rows {
        panel: &'a str,
        title: &'a str,
        /// The members that it is filtered by, by their labels.
        of: BTreeMap<&'a str, &'a str>,
        #[serde(flatten)]
        span: Option<Span>,
        #[serde(skip_serializing_if = "Option::is_none")]
        compared: Option<Span>,
        rows: Vec<Record<'a>>,
    },
    /// Why there are no rows: `empty` if nothing is counted at all, `nothing` if nothing matches, `apart` if no table has the
    /// sums. The page has the words for it.
    Nothing {
        panel: &'a str,
        of: BTreeMap<&'a str, &'a str>,
        code: &'static str,
        first: Option<NaiveDate>,
        last: Option<NaiveDate>,
    },
}

/// Rows at most. Only lists are cut: hours are all needed for their sums, and their query limits the names.
fn most(model: &Model, query: &ReportQuery) -> Option<u32> {
    matches!(model.reports[query.report].shape, Shape::List | Shape::Bars).then_some(ROWS_MAX)
}

fn said(snapshot: &mut Snapshot<'_>, model: &Model, panel: &str, question: &Question) -> Result<Said<Arc<str>>> {
    let of = question.members().iter().map(|(field, member)| (model.fields[*field].label.as_str(), member.as_str()));
    let of = of.collect();
    let text = match question.read(snapshot, model) {
        Ok(answer) => {
            let (title, span, compared) = (answer.title.as_str(), answer.span, answer.compared);
            serde_json::to_string(&Shown::Rows { panel, title, of, span, compared, rows: answer.records() })?
        }
        Err(error) => match error.downcast_ref() {
            Some(NoData { days, is_everything, .. }) => {
                let code = if *is_everything { "empty" } else { "nothing" };
                let (first, last) = days.unzip();
                serde_json::to_string(&Shown::Nothing { panel, of, code, first, last })?
            }
            None if error.is::<WrongPeriod>() => {
                serde_json::to_string(&Shown::Nothing { panel, of, code: "apart", first: None, last: None })?
            }
            // If the session still works, the question is at fault.
            None => match snapshot.recover() {
                Ok(()) => return Ok(Err(ApiError::from(error).text().into())),
                Err(_) => return Err(error),
            },
        },
    };
    Ok(Ok(text.into()))
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;
    use crate::database::{Target, connect};
    use crate::reports::{Reader, chosen_fields};
    use freshet_embedded::Postgres;

    #[test]
    fn what_takes_long_is_asked_seldom() -> Result<()> {
        let server = Postgres::start()?;
        let target: Target = server.url().parse()?;
        let mut client = connect(&target)?;
        client.batch_execute(include_str!("../../schema.sql"))?;
        let model = Model::builtin();
        let lists = model.reports.iter().position(|report| report.shape == Shape::List);
        let report = lists.context("a list")?;
        let table = &model.tables[model.reports[report].table].name;
        client.batch_execute(&format!("INSERT INTO {table} VALUES ('2020-06-04', 'DE', '6', 1)"))?;
        let members = vec![(chosen_fields(&model)[0], "DE".to_owned())];
        let (mut reader, selections) = (
            Reader::connect(&target, Duration::from_secs(30), Arc::clone(&model))?,
            [Selection { filters: members.clone(), ..Selection::default() }, Selection::default()],
        );
        let query = ReportQuery { report, members, has_share: true, ..ReportQuery::default() };
        let question = Question::Report(query);
        let name = &model.reports[report].name;
        let old = |due| HashMap::from([(question.clone(), SlowPanel { said: Ok("old".into()), due })]);
        let mut shown = |slow: SlowPanels| {
            let moment = read(&mut reader.snapshot()?, &model, &selections, &slow)?;
            let panels = moment.panels.get(&selections[0]).cloned().and_then(Result::ok).unwrap_or_default();
            let text = panels.into_iter().find(|(panel, _)| **panel == **name).map(|(_, text)| text);
            Ok::<_, anyhow::Error>((text.unwrap_or_default(), moment.slow.contains_key(&question)))
        };
        let (text, is_slow) = shown(old(Instant::now() + Duration::from_secs(600)))?;
        assert_eq!((&*text, is_slow), ("old", true));
        let (text, is_slow) = shown(old(Instant::now()))?;
        assert!(text.contains(r#""views":1"#) && !is_slow, "{text}");
        Ok(())
    }
}
