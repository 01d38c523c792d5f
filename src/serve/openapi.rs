//! The API as an OpenAPI document: the paths of the model's reports and of their members, and those of every model.

use dataflows::model::{Dimension, FieldKind, Model, Report, Shape};
use serde_json::{Map, Value, json};

use super::api::SUGGESTIONS_DEFAULT;
use super::catalogue::{default_name, filtered_fields, values_path};
use super::params::ROWS_MAX;
use crate::reports::{
    Comparison, DAYS_MAX, Parameter, ReportColumn, TrendQuery, Values, chosen_fields, columns, columns_over, has_whole,
    is_list, parameters, sites,
};

/// The document of a model.
pub fn document(model: &Model) -> Value {
    let mut paths = Map::new();
    for report in &model.reports {
        paths.insert(format!("/api/reports/{}", report.name), report_path(model, report));
    }
    if TrendQuery::default().can_be_answered(model) {
        paths.insert("/api/trend".into(), trend_path(model));
    }
    for field in chosen_fields(model) {
        paths.insert(values_path(model, field), values_path_item(model, field));
    }
    let days = Values::days(model).iter().map(|column| (*column, true)).collect::<Vec<_>>();
    let days = rows(model, &days);
    paths.insert("/api/days".into(), answer("The days that have views", form(), days, false));
    paths.insert("/api/rejected".into(), rejected_path());
    paths.extend(fixed_paths(model));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Freshet",
            "version": "1",
            "description": "What the report tables say. Everything is only read. Each answer is of one moment: all its numbers \
                are at the same Kafka offsets, which `position` sums up.",
        },
        "paths": paths,
        "components": {"schemas": schemas()},
    })
}

fn report_path(model: &Model, report: &Report) -> Value {
    let mut given: Vec<_> = parameters(model, report).iter().map(|it| parameter(model, it)).collect();
    given.extend(range());
    given.push(compare());
    given.extend(is_list(report).then(share));
    given.push(query("limit", "How many rows at most.", json!({"type": "integer", "minimum": 1, "maximum": ROWS_MAX})));
    if has_whole(model, report) {
        given.extend(whole());
        given.extend(sites(model, report).into_iter().flat_map(|_| by_host()));
    }
    given.extend(form());
    let over = columns_over(model, report, false);
    let mut shown: Vec<_> = columns(model, report).into_iter().map(|column| (column, over.contains(&column))).collect();
    if report.daily.is_some() {
        shown.insert(0, (ReportColumn::Dimension(Dimension::Day), false));
    }
    shown.extend([ReportColumn::ViewsBefore, ReportColumn::Change].map(|column| (column, false)));
    shown.extend(is_list(report).then_some((ReportColumn::Share, false)));
    if let Some((field, _)) = sites(model, report) {
        shown
            .iter_mut()
            .filter(|(column, _)| *column == ReportColumn::Dimension(Dimension::Field(field)))
            .for_each(|it| it.1 = false);
        shown.extend([ReportColumn::Host(field), ReportColumn::Kind(field)].map(|column| (column, false)));
    }
    answer(&summary(model, report), given, rows(model, &shown), true)
}

fn summary(model: &Model, report: &Report) -> String {
    let Report { title, about, .. } = report;
    match (report.shape, report.limit) {
        (Shape::Bars, Some(limit)) => {
            let daily = report.daily.map_or("", |_| "; with `day`, of that day");
            format!("{title}: the {limit} with the most views over all days{daily}")
        }
        (Shape::Hours, _) => {
            let is_chosen = parameters(model, report).iter().any(|parameter| parameter.is_needed);
            let last = if is_chosen { "; without `day`, of the last one that has any" } else { "" };
            format!("{title}: each of the 24 hours of a day{last}")
        }
        (Shape::List, _) => format!("{title}: the most first{}", if report.all_days { ", over all days" } else { "" }),
        (Shape::Bars | Shape::HeatMap, _) => about.clone(),
    }
}

fn rejected_path() -> Value {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": ROWS_MAX, "default": ROWS_MAX});
    let given = [
        query("day", "A day, in UTC; without it all.", json!({"type": "string", "format": "date"})),
        query("reason", "A reason as a row has it; without it all.", json!({"type": "string", "maxLength": 1024})),
        query("limit", "How many rows at most.", limit),
    ];
    let hour = "The hour of the records' Kafka timestamps; 1970-01-01T00:00:00Z if that is not known.";
    let row = json!({
        "type": "object",
        "required": ["hour", "reason", "records"],
        "properties": {
            "hour": {"type": "string", "format": "date-time", "description": hour},
            "reason": {"type": "string", "description": "Why they could not be counted."},
            "records": {"type": "integer", "minimum": 1},
        },
        "additionalProperties": false,
    });
    let summary = "How many records were rejected, by hour and reason: the newest hour first";
    answer(summary, given.into_iter().chain(form()).collect(), row, false)
}

fn values_path_item(model: &Model, field: usize) -> Value {
    let kind = &model.fields[field].kind;
    let columns = Values::new(model, field).map(|values| values.columns(model)).unwrap_or_default();
    let rows = rows(model, &columns.into_iter().map(|column| (column, true)).collect::<Vec<_>>());
    let mut these = model.fields[field].plural();
    these[..1].make_ascii_uppercase();
    if kind.is_closed() {
        return answer(&format!("{these} that have views"), form(), rows, false);
    }
    let begin = query("q", "How it begins, or words of its name.", json!({"type": "string", "maxLength": 1024}));
    let limit = json!({"type": "integer", "minimum": 1, "maximum": ROWS_MAX, "default": SUGGESTIONS_DEFAULT});
    let given = [begin, query("limit", "How many rows at most.", limit)].into_iter().chain(form()).collect();
    answer(&format!("{these} by how they begin, or by words of their names"), given, rows, false)
}

fn query(name: &str, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

fn needed(mut parameter: Value) -> Value {
    parameter["required"] = true.into();
    parameter
}

fn parameter(model: &Model, parameter: &Parameter) -> Value {
    let label = model.dimension_label(parameter.dimension);
    let described = match parameter.dimension {
        Dimension::Day => day(),
        Dimension::Hour => query(label, "An hour.", json!({"type": "integer", "minimum": 0, "maximum": 23})),
        Dimension::Field(field) => {
            let (schema, how) = match model.fields[field].kind {
                FieldKind::Country | FieldKind::CountryCode => {
                    (json!({"type": "string", "minLength": 2, "maxLength": 2}), " In whatever case.")
                }
                FieldKind::Boolean => (json!({"type": "boolean"}), ""),
                FieldKind::Url => (json!({"type": "string", "maxLength": 8192}), ""),
                _ => (json!({"type": "string", "maxLength": 1024}), ""),
            };
            query(label, &format!("{}.{how}", model.fields[field].about), schema)
        }
    };
    if parameter.is_needed { needed(described) } else { described }
}

fn day() -> Value {
    let what = "A day; without it the current or latest one that has any views.";
    query("day", what, json!({"type": "string", "format": "date"}))
}

fn range() -> [Value; 2] {
    let first = format!(
        "The first of several days, at most {DAYS_MAX}, which are counted together: hours of more than two days by the day. Not with `day`."
    );
    let last = "The last of them; without it the current or latest one.";
    [("from", first.as_str()), ("to", last)]
        .map(|(name, what)| query(name, what, json!({"type": "string", "format": "date"})))
}

fn compare() -> Value {
    let what = "What the days are compared with: `previous`, as many right before; `weekday`, the same days of the week, as few \
        weeks before as are needed.";
    query("compare", what, json!({"type": "string", "enum": Comparison::NAMES.map(|(name, _)| name)}))
}

fn share() -> Value {
    query("share", "Whether each row says what share of all views it is.", json!({"type": "boolean", "default": false}))
}

/// The parameters that group a list of addresses by host.
fn by_host() -> [Value; 2] {
    let group = "What the addresses are summed up by: `host`, each with its kind of site.";
    let host = "Only the addresses of this host, as such a row has it.";
    [
        query("group", group, json!({"type": "string", "enum": ["host"]})),
        query("of_host", host, json!({"type": "string", "maxLength": 1024})),
    ]
}

/// The parameters that choose rows of a whole list.
fn whole() -> [Value; 3] {
    let all = "Whether the whole list is wanted, from the counted table, and how many rows it has; so it is with `offset` or `q`.";
    let sought = "Only rows whose members have this in them, or all these words in their names; of countries also several codes.";
    [
        query("all", all, json!({"type": "boolean", "default": false})),
        query("offset", "How many rows are left out before the first.", json!({"type": "integer", "minimum": 0})),
        query("q", sought, json!({"type": "string", "maxLength": 1024})),
    ]
}

/// The path of all views by time.
fn trend_path(model: &Model) -> Value {
    let mut given: Vec<_> = [day()].into_iter().chain(range()).chain([compare()]).collect();
    let filters = TrendQuery::filters(model).into_iter().map(Dimension::Field);
    given.extend(filters.map(|dimension| parameter(model, &Parameter { dimension, is_needed: false })));
    given.extend(form());
    let mut shown: Vec<_> = TrendQuery::columns(true).into_iter().map(|column| (column, true)).collect();
    shown[1].1 = false;
    shown.extend([ReportColumn::ViewsBefore, ReportColumn::Change].map(|column| (column, false)));
    answer("All views day by day, of one or two days hour by hour", given, rows(model, &shown), true)
}

fn form() -> Vec<Value> {
    let format = json!({"type": "string", "enum": ["json", "csv"], "default": "json"});
    let safe = "Whether in CSV a text that a spreadsheet would take for a formula gets an apostrophe before it.";
    vec![
        query("format", "In what form; `Accept: text/csv` asks for CSV too.", format),
        query("csv_safe", safe, json!({"type": "boolean", "default": true})),
    ]
}

/// A row with these columns, each with whether it is always there.
fn rows(model: &Model, columns: &[(ReportColumn, bool)]) -> Value {
    let mut properties = Map::new();
    for (column, _) in columns {
        let schema = match column {
            ReportColumn::Dimension(Dimension::Day) => json!({"type": "string", "format": "date"}),
            ReportColumn::Dimension(Dimension::Hour) => json!({"type": "integer", "minimum": 0, "maximum": 23}),
            ReportColumn::Dimension(Dimension::Field(field)) => {
                json!({"type": "string", "description": model.fields[*field].about})
            }
            ReportColumn::Name(_) => {
                let what = match column.is_given(model) {
                    true => "Its name, or null if it has none; not there where no names were given.",
                    false => "Its name, or the value itself where it has none.",
                };
                json!({"type": ["string", "null"], "description": what})
            }
            ReportColumn::Host(_) => {
                json!({"type": "string", "description": "With `group`: the host; empty if there is none."})
            }
            ReportColumn::Kind(_) => json!({"type": "string", "enum": ["search", "social", "own site", "other"]}),
            ReportColumn::Rank => json!({"type": "integer", "minimum": 1}),
            ReportColumn::Views => json!({"type": "integer", "minimum": 0}),
            ReportColumn::ViewsBefore => {
                let what = "Of the days that it is compared with; null where the tables cannot tell.";
                json!({"type": ["integer", "null"], "minimum": 0, "description": what})
            }
            ReportColumn::Change => {
                let what = "By how many percent there are more views than before; null where there were none, or it is not known.";
                json!({"type": ["number", "null"], "minimum": -100, "description": what})
            }
            ReportColumn::Share => {
                let what = "How many percent of all views it has; not there where no table knows all.";
                json!({"type": "number", "minimum": 0, "maximum": 100, "description": what})
            }
        };
        properties.insert(column.name(model), schema);
    }
    let always = columns.iter().filter(|(column, always)| *always && !column.is_given(model));
    let always: Vec<_> = always.map(|(column, _)| column.name(model)).collect();
    json!({"type": "object", "required": always, "properties": properties, "additionalProperties": false})
}

fn refused(codes: &str) -> Value {
    let schema = json!({"$ref": "#/components/schemas/Error"});
    json!({"description": codes, "content": {"application/json": {"schema": schema}}})
}

/// A path that answers with rows, as JSON or CSV.
fn answer(summary: &str, parameters: Vec<Value>, row: Value, may_be_empty: bool) -> Value {
    let tag = "Another one as soon as the tables have moved, or the current day is another one.";
    let schema = json!({"allOf": [
        {"$ref": "#/components/schemas/Answer"},
        {"properties": {"rows": {"items": row}}},
    ]});
    let wrong = "`bad_request`: a parameter cannot be understood, or is not known, or the answer would be too large.";
    let mut responses = json!({
        "200": {
            "description": summary,
            "headers": {"ETag": {"description": tag, "schema": {"type": "string"}}},
            "content": {"application/json": {"schema": schema}, "text/csv": {"schema": {"type": "string"}}},
        },
        "304": {"description": "What `If-None-Match` names is still so."},
        "400": refused(wrong),
        "503": refused("`database_away`, `no_tables` or `busy`; `Retry-After` says when to ask again."),
    });
    if may_be_empty {
        responses["404"] = refused("`nothing`: there are no views of this kind; the message says which there are.");
    }
    json!({"get": {"summary": summary, "parameters": parameters, "responses": responses}})
}

/// A path that answers with one object.
fn object(summary: &str, parameters: Vec<Value>, schema: Value, wrong: Value) -> Value {
    let mut responses = wrong;
    responses["200"] = json!({"description": summary, "content": {"application/json": {"schema": schema}}});
    json!({"get": {"summary": summary, "parameters": parameters, "responses": responses}})
}

fn fixed_paths(model: &Model) -> Map<String, Value> {
    let named = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let whole = json!({"type": "integer", "minimum": 0});
    let timeout = json!({"type": "string", "default": "5s"});
    let record = vec![
        needed(query("partition", "The record's partition.", whole.clone())),
        needed(query("offset", "Its offset.", whole)),
        query("timeout", "How long to wait at most, like `5s`; a minute at most.", timeout),
    ];
    let of = |field| parameter(model, &Parameter { dimension: Dimension::Field(field), is_needed: false });
    let defaults = chosen_fields(model).into_iter().map(|field| {
        let label = &model.fields[field].label;
        let what = format!("The {label} of which a panel is that shows one, where none is chosen by `{label}`.");
        query(&default_name(model, field), &what, of(field)["schema"].clone())
    });
    let members = filtered_fields(model).into_iter().map(of).chain(defaults);
    let shown = [day()].into_iter().chain(range()).chain([compare()]).chain(members).collect();
    let what = "What a page shows, again and again as it changes, as server-sent events";
    let mut live = object(
        what,
        shown,
        Value::Null,
        json!({"400": refused("`bad_request`"), "503": refused("`busy`: too many pages are open.")}),
    );
    live["get"]["responses"]["200"] = json!({
        "description": "Events `status` (as `/api/status`, at least one a second), `panel`, and `failure`, a code and its message",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    });
    let paths = json!({
        "/api/reports": object("The reports that there are, and what each may be asked about", vec![], named("Reports"), json!({})),
        "/api/status": object("How the tables are", vec![], named("Status"), json!({
            "503": refused("`database_away`, `no_tables` or `busy`."),
        })),
        "/api/wait": object(
            "Answers as soon as the tables include a record: read your own writes",
            record,
            named("Included"),
            json!({
                "400": refused("`bad_request`"),
                "503": refused("`busy`: too many wait."),
                "504": refused("`not_yet`: the time is over."),
            }),
        ),
        "/api/live": live,
        "/api/openapi.json": object("This document", vec![], json!({"type": "object"}), json!({})),
    });
    match paths {
        Value::Object(paths) => paths,
        _ => Map::new(),
    }
}

/// The schemas of answers that do not depend on the model.
fn schemas() -> Value {
    serde_json::from_str(include_str!("schemas.json")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use dataflows::model::Field;

    use super::*;

    /// Whether a file may give this label to a field.
    fn is_free(label: &str) -> bool {
        let text = format!(
            "[event]\ntype = \"kind\"\nviews = [\"all\"]\ntime_stamp = \"at\"\n[fields]\nf = {{ path = \"f\", kind = \"id\", \
             label = \"{label}\" }}\n[[report]]\nname = \"r\"\ntable = \"t\"\nby = [\"f\"]\n"
        );
        Model::parse(&text, "f.toml").is_ok()
    }

    #[test]
    fn what_the_api_says_itself_is_no_label() {
        let model = Model::builtin();
        let document = document(&model);
        let labels: Vec<_> = model.fields.iter().map(|field| field.label.as_str()).collect();
        let values: Vec<_> = chosen_fields(&model).into_iter().map(|field| values_path(&model, field)).collect();
        assert!(is_free("campaign") && labels.iter().all(|label| is_free(label)));
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for parameter in item["get"]["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap_or_default();
                assert!(labels.contains(&name) || !is_free(name), "{path} has the parameter {name}");
            }
            let stem = path.trim_start_matches("/api/");
            let singulars = [("s", ""), ("es", ""), ("ies", "y")];
            let singulars = singulars.iter().filter_map(|(end, by)| Some(format!("{}{by}", stem.strip_suffix(end)?)));
            for label in singulars.filter(|_| !values.contains(path) && !stem.contains('/')) {
                let listed = Field { label: label.clone(), ..model.fields[0].clone() }.plural();
                assert!(listed != stem || !is_free(&label), "{label} would be listed at {path}");
            }
        }
    }
}
