//! The catalogue of reports, for programs and the page: the name of each, how it is drawn, and which parameters it has.

use std::collections::BTreeMap;

use dataflows::model::{Dimension, Model, Report, Shape, TableRows, fields};
use serde::Serialize;
use serde_json::{Value, json};

use crate::reports::{
    ReportColumn, TrendQuery, chosen_fields, has_whole, is_in_all_events, is_over_days, parameters, sites, titled,
    with_name,
};

/// A report.
#[derive(Serialize)]
struct Described<'a> {
    name: &'a str,
    title: &'a str,
    /// The same in other languages, by their codes.
    titles: &'a BTreeMap<String, String>,
    about: &'a str,
    shape: &'static str,
    /// The report of one day that belongs to this one of all days.
    daily: Option<&'a str>,
    /// Whether its rows are about one day.
    is_of_a_day: bool,
    /// Whether it can sum up several days.
    is_over_days: bool,
    /// Whether every view counts in it.
    is_of_all_views: bool,
    /// Whether the whole list can be asked for, page by page.
    has_whole: bool,
    /// How many rows of that it shows.
    places: Option<u8>,
    /// The columns with hosts and their kinds, if its addresses can be grouped by host.
    sites: Option<[String; 2]>,
    dimensions: Vec<DescribedDimension<'a>>,
}

/// A dimension of it, or what it ranks.
#[derive(Serialize)]
struct DescribedDimension<'a> {
    /// The parameter that asks for a value.
    label: String,
    /// Its labels in other languages, by their codes.
    labels: Option<&'a BTreeMap<String, String>>,
    kind: &'static str,
    /// The column with the value,
    column: String,
    /// and with its name, if there are names.
    name_column: Option<String>,
    /// Whether it is a parameter.
    is_parameter: bool,
    /// Whether the parameter is required.
    is_needed: bool,
    /// Whether visitors can make values up, so that there may be too many to list.
    is_open: bool,
    /// The path that lists its values; if there are too many, it searches them by beginning or name.
    values: Option<String>,
}

/// The reports, what they can be filtered by, and whether all views by time can be shown.
pub(super) fn document(model: &Model) -> Value {
    let reports: Vec<_> = (0..model.reports.len()).map(|place| described(model, place)).collect();
    let filters: Vec<_> = filtered_fields(model).into_iter().map(|field| model.fields[field].label.as_str()).collect();
    json!({"reports": reports, "filters": filters, "has_trend": TrendQuery::default().can_be_answered(model)})
}

/// The fields of any report, by which the page can be filtered.
pub(super) fn filtered_fields(model: &Model) -> Vec<usize> {
    let is_shown = |field: &usize| {
        let has = |report: &Report| dimensions(model, report).contains(&Dimension::Field(*field));
        model.reports.iter().any(has)
    };
    (0..model.fields.len()).filter(is_shown).collect()
}

/// The parameter with the member that panels which require one show where none is chosen.
pub(super) fn default_name(model: &Model, field: usize) -> String {
    format!("{}.default", model.fields[field].label)
}

fn described(model: &Model, place: usize) -> Described<'_> {
    let report = &model.reports[place];
    let by = dimensions(model, report);
    Described {
        name: &report.name,
        title: &titled(model, place).title,
        titles: &titled(model, place).titles,
        about: &report.about,
        shape: shape(report.shape),
        daily: report.daily.map(|daily| model.reports[daily].name.as_str()),
        is_of_a_day: by.contains(&Dimension::Day) && !report.all_days,
        is_over_days: is_over_days(model, report),
        is_of_all_views: match model.tables[report.table].rows {
            TableRows::Count(count) => {
                let count = &model.counts[count];
                count.filter == 0 && is_in_all_events(model, count)
            }
            _ => false,
        },
        has_whole: has_whole(model, report),
        places: match model.tables[report.table].rows {
            TableRows::Ranking(ranking) => Some(model.rankings[ranking].places),
            _ => report.limit,
        },
        sites: sites(model, report).map(|(_, sites)| [sites.host, sites.kind]),
        dimensions: by.iter().map(|dimension| described_dimension(model, report, *dimension)).collect(),
    }
}

/// The dimensions of a report's table, and what it ranks.
fn dimensions(model: &Model, report: &Report) -> Vec<Dimension> {
    let table = &model.tables[report.table];
    let ranked = match table.rows {
        TableRows::Ranking(ranking) => Some(Dimension::Field(model.rankings[ranking].of)),
        _ => None,
    };
    model.dimensions_of(table).iter().copied().chain(ranked).collect()
}

fn described_dimension<'a>(model: &'a Model, report: &Report, dimension: Dimension) -> DescribedDimension<'a> {
    let parameters = parameters(model, report);
    let parameter = parameters.iter().find(|parameter| parameter.dimension == dimension);
    let is_name = |column: &ReportColumn| matches!(column, ReportColumn::Name(_));
    let field = fields(&[dimension]).next();
    DescribedDimension {
        label: model.dimension_label(dimension).to_owned(),
        labels: field.map(|field| &model.fields[field].labels),
        kind: match field {
            Some(field) => model.fields[field].kind.name(),
            None if dimension == Dimension::Day => "day",
            None => "hour",
        },
        column: model.dimension_name(dimension).to_owned(),
        name_column: field.and_then(|field| with_name(model, field).find(is_name)).map(|column| column.name(model)),
        is_parameter: parameter.is_some(),
        is_needed: parameter.is_some_and(|parameter| parameter.is_needed),
        is_open: field.is_some_and(|field| !model.fields[field].kind.is_closed()),
        values: match field {
            None => (dimension == Dimension::Day).then(|| "/api/days".into()),
            Some(field) => chosen_fields(model).contains(&field).then(|| values_path(model, field)),
        },
    }
}

/// The path that lists the members of a field.
pub(super) fn values_path(model: &Model, field: usize) -> String {
    format!("/api/{}", model.fields[field].plural())
}

fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Bars => "bars",
        Shape::Hours => "hours",
        Shape::HeatMap => "heat-map",
        Shape::List => "list",
    }
}
