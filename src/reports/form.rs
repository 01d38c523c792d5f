//! The form of a report: its columns and parameters, and how its rows are found.

use dataflows::model::{Count, Dimension, Model, Ranking, Report, Shape, TableRows, fields};
use dataflows::{Lookup, STORE_NAMES};

/// A parameter of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The dimension that it selects a value of.
    pub dimension: Dimension,
    /// Whether the report requires it.
    pub is_needed: bool,
}

/// A column of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportColumn {
    /// The value of a dimension.
    Dimension(Dimension),
    /// The name of a field's value, or the value itself where it has none.
    Name(usize),
    /// The host of a field's address, and what kind of site that is.
    Host(usize),
    /// See above.
    Kind(usize),
    /// The place in a ranking.
    Rank,
    /// The number of events.
    Views,
    /// The number of events on the days that the report is compared with.
    ViewsBefore,
    /// The change from those, in percent.
    Change,
    /// The share of all views, in percent.
    Share,
}

/// How the rows of a report are found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    /// The places of a ranking.
    Places(&'a Ranking),
    /// This many members of a count over all days, the most views first.
    Most(&'a Count, u8),
    /// All hours of a day, of one member.
    Hours(&'a Count),
    /// The hours of a day that have views, by two fields.
    HeatMap(&'a Count),
    /// The rows of a count, the most views first.
    List(&'a Count),
}

impl<'a> Form<'a> {
    pub fn new(model: &'a Model, report: &Report) -> Form<'a> {
        match (model.tables[report.table].rows, report.shape) {
            (TableRows::Ranking(ranking), _) => Form::Places(&model.rankings[ranking]),
            (TableRows::Count(count), Shape::Hours) => Form::Hours(&model.counts[count]),
            (TableRows::Count(count), Shape::HeatMap) => Form::HeatMap(&model.counts[count]),
            (TableRows::Count(count), _) => match report.limit {
                Some(limit) => Form::Most(&model.counts[count], limit),
                None => Form::List(&model.counts[count]),
            },
            (TableRows::Members(_), _) => unreachable!("a report shows a count or a ranking"),
        }
    }

    /// The dimensions that the report's table is grouped by.
    pub fn by(self) -> &'a [Dimension] {
        match self {
            Form::Places(ranking) => &ranking.by,
            Form::Most(count, _) | Form::Hours(count) | Form::HeatMap(count) | Form::List(count) => &count.by,
        }
    }

    /// Whether the report's table has a field.
    pub fn has(self, field: usize) -> bool {
        fields(self.by()).any(|other| other == field)
    }

    /// The parameters of the report that its own table answers.
    pub fn parameters(self, report: &Report) -> Vec<Parameter> {
        let parameter = |dimension: &Dimension| {
            let is_needed = match (self, dimension) {
                (Form::Most(..), _) => return None,
                (Form::Hours(_), Dimension::Hour) => return None,
                (Form::List(_), Dimension::Day) if report.all_days => return None,
                (Form::Hours(_), Dimension::Field(_)) => true,
                // A list by several fields requires one member, which is the heading of the others.
                (Form::List(_), Dimension::Field(field)) => {
                    let mut fields = fields(self.by());
                    fields.next() == Some(*field) && fields.next().is_some()
                }
                _ => false,
            };
            Some(Parameter { dimension: *dimension, is_needed })
        };
        let daily = report.daily.map(|_| Parameter { dimension: Dimension::Day, is_needed: false });
        self.by().iter().filter_map(parameter).chain(daily).collect()
    }

    fn columns(self, model: &Model, report: &Report) -> Vec<ReportColumn> {
        let mut columns = Vec::new();
        if let Form::Most(..) = self {
            columns.push(ReportColumn::Rank);
        }
        for dimension in self.by() {
            match dimension {
                Dimension::Day if report.all_days => {}
                Dimension::Field(field) => columns.extend(with_name(model, *field)),
                dimension => columns.push(ReportColumn::Dimension(*dimension)),
            }
        }
        if let Form::Places(ranking) = self {
            columns.push(ReportColumn::Rank);
            columns.extend(with_name(model, ranking.of));
        }
        columns.push(ReportColumn::Views);
        columns
    }
}

/// The parameters of a report: those of its own table, and fields that another table counts together with it.
pub fn parameters(model: &Model, report: &Report) -> Vec<Parameter> {
    let form = Form::new(model, report);
    let own = form.parameters(report);
    let filters = super::over::filters(model, report).into_iter().map(Dimension::Field);
    let filters = filters.filter(|filter| own.iter().all(|parameter| parameter.dimension != *filter));
    let filters: Vec<_> = filters.map(|dimension| Parameter { dimension, is_needed: false }).collect();
    own.into_iter().chain(filters).collect()
}

/// The fields of which some report requires a member, in the order of the reports.
pub fn chosen_fields(model: &Model) -> Vec<usize> {
    let mut chosen = Vec::new();
    for report in &model.reports {
        for parameter in Form::new(model, report).parameters(report) {
            match parameter.dimension {
                Dimension::Field(field) if parameter.is_needed && !chosen.contains(&field) => chosen.push(field),
                _ => {}
            }
        }
    }
    chosen
}

/// The columns of a report, in their order.
pub fn columns(model: &Model, report: &Report) -> Vec<ReportColumn> {
    Form::new(model, report).columns(model, report)
}

/// The columns of the members of a field.
pub fn with_name(model: &Model, field: usize) -> impl Iterator<Item = ReportColumn> {
    let name = model.name_lookup(field).map(|_| ReportColumn::Name(field));
    [ReportColumn::Dimension(Dimension::Field(field))].into_iter().chain(name)
}

impl ReportColumn {
    /// Its name in an answer.
    pub fn name(self, model: &Model) -> String {
        match self {
            ReportColumn::Dimension(dimension) => model.dimension_name(dimension).to_owned(),
            ReportColumn::Name(field) => match self.lookup(model) {
                Some(lookup) => lookup.columns[0].name.clone(),
                None => model.fields[field].name.clone(),
            },
            ReportColumn::Host(field) => model.sites(field).map(|sites| sites.host).unwrap_or_default(),
            ReportColumn::Kind(field) => model.sites(field).map(|sites| sites.kind).unwrap_or_default(),
            ReportColumn::Rank => "rank".into(),
            ReportColumn::Views => "views".into(),
            ReportColumn::ViewsBefore => "views_before".into(),
            ReportColumn::Change => "change_percent".into(),
            ReportColumn::Share => "share_percent".into(),
        }
    }

    /// Whether it has names that only a user gives: those of stores. Answers lack it where none are given.
    pub fn is_given(self, model: &Model) -> bool {
        matches!(self, ReportColumn::Name(field) if model.name_table(field) == Some(STORE_NAMES))
    }

    /// Where it is looked up, if it is not in the report's table.
    pub(super) fn lookup(self, model: &Model) -> Option<Lookup> {
        match self {
            ReportColumn::Name(field) => model.name_lookup(field),
            _ => None,
        }
    }
}
