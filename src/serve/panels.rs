//! What a page shows, as questions to the tables.

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

/// A list on a page has so many rows at most; nobody reads more.
const ROWS: u32 = 100;

/// All pages wait for a question that takes longer than this,
const SLOW: Duration = Duration::from_millis(500);
/// or, over several days, where a commit moves a number by little, than this;
const SLOW_OVER_DAYS: Duration = Duration::from_millis(20);
/// so it is asked again only after so many times as long,
const REST: u32 = 10;
/// and none of them any more where they took so long together that all wait.
const TOGETHER: Duration = Duration::from_millis(200);

/// What a page was asked to show. Pages that show the same share everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Selection {
    /// The days; the current or latest one is whichever that is by then.
    pub period: Period,
    /// What those are compared with.
    pub compare: Option<Comparison>,
    /// The members that were chosen, of which a panel shows what its table can tell.
    pub filters: Vec<(usize, String)>,
    /// The members that are shown of fields that one must be chosen of, where none is.
    pub defaults: Vec<(usize, String)>,
}

/// What the tables are asked for a panel.
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

    /// How long it may take.
    fn slow(&self) -> Duration {
        match self {
            Question::Report(ReportQuery { period: Period::Latest | Period::Day(_), compare: None, .. }) => SLOW,
            _ => SLOW_OVER_DAYS,
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
    /// The panels by name: a report has one, a heat map one for each of its fields. A report that wants a member has none
    /// before there is one. Without a day there is nothing yet.
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
            // A report of all days is the same whatever is shown; these days have a panel's text of their own.
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

    /// All views by time, of what was chosen as far as a table counts it.
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

    /// A report of what was chosen, and compared, as far as a table can tell. Members of a field that it lists stay beside each
    /// other: another one of them is to be chosen there.
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

/// What is to be shown, or why it cannot be read, as JSON.
type Said<T> = Result<T, Arc<str>>;

/// All that pages show, of one moment.
pub(super) struct Moment {
    pub tables: TablesRead,
    pub panels: HashMap<Selection, Said<Vec<Panel>>>,
    pub slow: SlowPanels,
}

/// Panels that took long to read, and so are shown as they were until it is worth to read them again.
pub(super) type SlowPanels = HashMap<Question, SlowPanel>;

/// Such a panel.
#[derive(Clone)]
pub(super) struct SlowPanel {
    said: Said<Arc<str>>,
    due: Instant,
}

/// Reads everything that is shown, each question once however many pages ask it. One that cannot be answered is the trouble
/// of those pages alone.
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
        let said = match self.before.get(&question).filter(|slow| begin < slow.due || self.took > TOGETHER) {
            Some(slow) => {
                self.slow.insert(question.clone(), slow.clone());
                slow.said.clone()
            }
            None => {
                let said = said(snapshot, self.model, panel, &question)?;
                let took = begin.elapsed();
                if took > question.slow() {
                    self.took += took;
                    let due = Instant::now() + REST * took;
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
        /// The members that it is of, by their labels.
        of: BTreeMap<&'a str, &'a str>,
        #[serde(flatten)]
        span: Option<Span>,
        #[serde(skip_serializing_if = "Option::is_none")]
        compared: Option<Span>,
        rows: Vec<Record<'a>>,
    },
    /// Why there are none: `empty` as nothing is counted at all, `nothing` of what is asked about, `apart` as no table has
    /// the sums. It is the page that says so in words.
    Nothing {
        panel: &'a str,
        of: BTreeMap<&'a str, &'a str>,
        code: &'static str,
        first: Option<NaiveDate>,
        last: Option<NaiveDate>,
    },
}

/// A list is cut; of hours all are needed for their sums, and they have no more names than their query gives.
fn most(model: &Model, query: &ReportQuery) -> Option<u32> {
    matches!(model.reports[query.report].shape, Shape::List | Shape::Bars).then_some(ROWS)
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
            // If the session is still there, it was the question.
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
