//! From what a file declares to a model that can be run: names become places, and what is wrong is said with its place.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use super::file::{self, File, ModelError, Values};
use super::{
    BrowserOsDimension, Column, ColumnType, Count, Dimension, DimensionTable, Dimensions, EventShape, Field, FieldKind,
    Filter, Model, ProductDimension, Ranking, ReferrerDimension, Report, Shape, StoreDimension, Table, TableRows,
};

/// The most fields that a report may group by, beside day and hour.
pub(crate) const MEMBERS_MAX: usize = 4;

/// The model that a file declares.
pub(super) fn model(declared: &File, text: &str, file: &str) -> Result<Model, ModelError> {
    let mut checked = Checked { text, file, model: begun(declared, text) };
    checked.fields(&declared.fields)?;
    let mut counts = Vec::new();
    for (place, report) in declared.report.iter().enumerate() {
        if let Some(by) = &report.get_ref().by {
            counts.push((place, checked.declared_count(report.get_ref(), by)?));
        }
    }
    checked.add_counts(counts, declared)?;
    for report in &declared.report {
        if let Some(top) = &report.get_ref().top {
            checked.add_ranking(report.get_ref(), top)?;
        }
    }
    checked.dimensions(&declared.dimensions)?;
    checked.reports(declared)?;
    Ok(checked.model)
}

/// The model before anything is looked at.
fn begun(declared: &File, text: &str) -> Model {
    let name = |name: &Option<Spanned<String>>| name.as_ref().map(|name| name.get_ref().clone());
    let event = &declared.event;
    Model {
        text: text.into(),
        event: EventShape {
            kind: event.kind.get_ref().clone(),
            views: event.views.get_ref().clone(),
            local_time: name(&event.local_time),
            time_stamp: name(&event.time_stamp),
            page: name(&event.page),
        },
        fields: Vec::new(),
        filters: vec![Filter { types: None, fields: Vec::new() }],
        counts: Vec::new(),
        rankings: Vec::new(),
        dimensions: Dimensions::default(),
        tables: Vec::new(),
        reports: Vec::new(),
    }
}

struct Checked<'a> {
    text: &'a str,
    file: &'a str,
    model: Model,
}

type Checks<T> = Result<T, ModelError>;

impl Checked<'_> {
    fn error<T>(&self, span: Range<usize>, what: impl Into<String>) -> Checks<T> {
        Err(ModelError::at(self.file, self.text, span, what))
    }

    fn fields(&mut self, declared: &BTreeMap<Spanned<String>, file::Field>) -> Checks<()> {
        let mut declared: Vec<_> = declared.iter().collect();
        declared.sort_by_key(|(name, _)| name.span().start);
        for (name, field) in declared {
            let kind = self.kind(field)?;
            let label = field.label.as_ref().map_or_else(|| name.get_ref().clone(), |label| label.get_ref().clone());
            let about = field.about.clone().unwrap_or_else(|| label.clone());
            let (name, path) = (name.get_ref().clone(), field.path.get_ref().clone());
            self.model.fields.push(Field { name, path, kind, label, about });
        }
        Ok(())
    }

    fn kind(&self, field: &file::Field) -> Checks<FieldKind> {
        Ok(match field.kind.get_ref().as_str() {
            "id" => FieldKind::Id,
            "text" => FieldKind::Text,
            "url" => FieldKind::Url,
            "country" => FieldKind::Country,
            "host" => FieldKind::Host,
            "path" => FieldKind::Path,
            "query" => match &field.parameter {
                Some(parameter) => FieldKind::Query { parameter: parameter.get_ref().clone() },
                None => {
                    return self
                        .error(field.kind.span(), "kind \"query\" needs a parameter: parameter = \"utm_campaign\"");
                }
            },
            "browser" => FieldKind::Browser,
            "os" => FieldKind::Os,
            "device" => FieldKind::Device,
            "boolean" => FieldKind::Boolean,
            kind => return self.error(field.kind.span(), format!("there is no kind \"{kind}\"")),
        })
    }

    fn field(&self, name: &Spanned<String>) -> Checks<usize> {
        match self.model.fields.iter().position(|field| field.name == *name.get_ref()) {
            Some(field) => Ok(field),
            None => self.error(name.span(), format!("there is no field \"{}\"", name.get_ref())),
        }
    }

    fn by(&self, names: &[Spanned<String>]) -> Checks<Vec<Dimension>> {
        let dimension = |name: &Spanned<String>| {
            Ok(match name.get_ref().as_str() {
                "day" => Dimension::Day,
                "hour" => Dimension::Hour,
                _ => Dimension::Field(self.field(name)?),
            })
        };
        names.iter().map(dimension).collect()
    }

    fn filter(&mut self, declared: &BTreeMap<Spanned<String>, Spanned<Values>>) -> Checks<usize> {
        let mut filter = Filter { types: None, fields: Vec::new() };
        for (name, values) in declared {
            let mut values = match values.get_ref() {
                Values::One(value) => vec![value.clone()],
                Values::Several(values) => values.clone(),
            };
            values.sort_unstable();
            values.dedup();
            if *name.get_ref() == self.model.event.kind {
                filter.types = Some(values);
            } else {
                filter.fields.push((self.field(name)?, values));
            }
        }
        let known = self.model.filters.iter().position(|known| *known == filter);
        Ok(known.unwrap_or_else(|| {
            self.model.filters.push(filter);
            self.model.filters.len() - 1
        }))
    }

    fn declared_count(&mut self, report: &file::Report, by: &Spanned<Vec<Spanned<String>>>) -> Checks<Count> {
        let filter = self.filter(&report.filter)?;
        let dimensions = self.by(by.get_ref())?;
        let count = self.count(dimensions, filter);
        if count.members.len() > MEMBERS_MAX {
            return self
                .error(by.span(), format!("a report groups by at most {MEMBERS_MAX} fields, beside day and hour"));
        }
        Ok(count)
    }

    fn count(&self, by: Vec<Dimension>, filter: usize) -> Count {
        let members = fields_of(&by);
        let is_open = |place: &usize| !self.model.fields[members[*place]].kind.is_closed();
        let open = (0..members.len()).filter(is_open).collect();
        let (has_day, has_hour) = (by.contains(&Dimension::Day), by.contains(&Dimension::Hour));
        Count { by, members, open, has_day, has_hour, filter, from: None, table: None }
    }

    /// Adds the declared counts: those that are the sum of another behind those that events count under.
    fn add_counts(&mut self, declared: Vec<(usize, Count)>, file: &File) -> Checks<()> {
        let is_sum = |count: &Count| declared.iter().any(|(_, finer)| is_rolled_up_from(count, finer));
        let (sums, counted): (Vec<_>, Vec<_>) = declared.iter().cloned().partition(|(_, count)| is_sum(count));
        for (place, mut count) in counted.into_iter().chain(sums) {
            count.from = self.finer(&count);
            if let Some(finer) = count.from.map(|finer| &self.model.counts[finer]) {
                // In the finer one's order, as its members are joined.
                (count.members, count.open) = (finer.members.clone(), finer.open.clone());
            }
            count.table = Some(self.model.tables.len());
            let report = file.report[place].get_ref();
            let key = count.by.iter().map(|dimension| self.column(*dimension)).collect();
            let rows = TableRows::Count(self.model.counts.len());
            self.table(report, key, vec![Column::new("views", ColumnType::Bigint)], rows);
            self.model.counts.push(count);
        }
        Ok(())
    }

    /// The count that events count under of which this one is the sum.
    fn finer(&self, count: &Count) -> Option<usize> {
        self.model.counts.iter().position(|finer| finer.from.is_none() && is_rolled_up_from(count, finer))
    }

    /// The count by these dimensions: a declared one, or one that is rolled up from it and has no table.
    fn rolled_up(&mut self, by: &[Dimension], filter: usize) -> Option<usize> {
        let mut wanted = self.count(by.to_vec(), filter);
        let same = |count: &Count| {
            count.filter == filter
                && same_members(&count.members, &wanted.members)
                && (count.has_day, count.has_hour) == (wanted.has_day, wanted.has_hour)
        };
        if let Some(known) = self.model.counts.iter().position(same) {
            return Some(known);
        }
        let finer = self.finer(&wanted)?;
        let Count { members, open, .. } = self.model.counts[finer].clone();
        (wanted.members, wanted.open) = (members, open);
        wanted.from = Some(finer);
        self.model.counts.push(wanted);
        Some(self.model.counts.len() - 1)
    }

    fn add_ranking(&mut self, report: &file::Report, top: &Spanned<file::Top>) -> Checks<()> {
        let filter = self.filter(&report.filter)?;
        let declared = top.get_ref();
        let (of, by) = (self.field(&declared.of)?, self.by(declared.by.get_ref())?);
        let counted_by: Vec<_> = by.iter().copied().chain([Dimension::Field(of)]).collect();
        let Some(count) = self.rolled_up(&counted_by, filter) else {
            let names: Vec<_> = counted_by.iter().map(|dimension| self.model.dimension_name(*dimension)).collect();
            let what = format!("no report counts by {}; add one", names.join(", "));
            return self.error(declared.of.span(), what);
        };
        let mut key: Vec<_> = by.iter().map(|dimension| self.column(*dimension)).collect();
        key.push(Column::new("rank", ColumnType::Smallint));
        let item = Column { kind: ColumnType::Text, ..self.column(Dimension::Field(of)) };
        let values = vec![item, Column::new("views", ColumnType::Bigint)];
        let (rankings, table) = (self.model.rankings.len(), self.model.tables.len());
        self.table(report, key, values, TableRows::Ranking(rankings));
        self.model.rankings.push(Ranking { count, places: *declared.count.get_ref(), by, of, table });
        Ok(())
    }

    fn table(&mut self, report: &file::Report, key: Vec<Column>, values: Vec<Column>, rows: TableRows) {
        let name = report.table.get_ref().clone();
        let about = report.about.clone().unwrap_or_else(|| name.clone());
        self.model.tables.push(Table { name, key, values, rows, about });
    }

    fn column(&self, dimension: Dimension) -> Column {
        let kind = match dimension {
            Dimension::Day => ColumnType::Date,
            Dimension::Hour => ColumnType::Smallint,
            Dimension::Field(field) if self.model.fields[field].kind == FieldKind::Url => ColumnType::LongText,
            Dimension::Field(_) => ColumnType::Text,
        };
        Column::new(self.model.dimension_name(dimension), kind)
    }

    fn dimensions(&mut self, declared: &file::Dimensions) -> Checks<()> {
        let mut tables = vec![DimensionTable::Date];
        if let Some(product) = &declared.product {
            let id = self.field(&product.get_ref().id)?;
            let by = [Dimension::Day, Dimension::Field(id)];
            let (days, counted) = (self.rolled_up(&by, 0), self.counted_with(&[id]));
            let (Some(days), Some(counted)) = (days, counted) else {
                return self.error(product.span(), "no report counts by the product and its day");
            };
            self.model.dimensions.product = Some(ProductDimension { id, days, counted });
            tables.push(DimensionTable::Product);
        }
        if let Some(store) = &declared.store {
            let (id, country) = (self.field(&store.get_ref().id)?, self.field(&store.get_ref().country)?);
            let members = [Dimension::Field(country), Dimension::Field(id)];
            let days = self.rolled_up(&[Dimension::Day, members[0], members[1]], 0);
            let totals = self.rolled_up(&members, 0);
            let (Some(days), Some(totals)) = (days, totals) else {
                return self.error(store.span(), "no report counts by the store, its country and its day");
            };
            self.model.dimensions.store = Some(StoreDimension { id, country, days, totals });
            tables.push(DimensionTable::Store);
        }
        if let Some(pair) = &declared.browser_os {
            let (browser, os) = (self.field(&pair.get_ref().browser)?, self.field(&pair.get_ref().os)?);
            let Some(counted) = self.counted_with(&[browser, os]) else {
                return self.error(pair.span(), "no report counts by browser and operating system");
            };
            self.model.dimensions.browser_os = Some(BrowserOsDimension { browser, os, counted });
            tables.push(DimensionTable::BrowserOs);
        }
        if let Some(referrer) = &declared.referrer {
            let url = self.field(&referrer.get_ref().url)?;
            let Some(counted) = self.counted_with(&[url]) else {
                return self.error(referrer.span(), "no report counts by the referrer");
            };
            self.model.dimensions.referrer = Some(ReferrerDimension { url, counted });
            tables.push(DimensionTable::Referrer);
        }
        if declared.product.is_some() {
            tables.extend([DimensionTable::ProductNames, DimensionTable::PageHosts]);
        }
        self.model.dimensions.has_country = self.model.fields.iter().any(|field| field.kind == FieldKind::Country);
        self.model.tables.extend(tables.into_iter().map(DimensionTable::table));
        Ok(())
    }

    /// A count of views with these members and no others.
    fn counted_with(&self, members: &[usize]) -> Option<usize> {
        let is_it = |count: &Count| count.filter == 0 && count.from.is_none() && same_members(&count.members, members);
        self.model.counts.iter().position(is_it)
    }

    fn reports(&mut self, declared: &File) -> Checks<()> {
        let named = declared.report.iter().map(Spanned::get_ref);
        let named: Vec<_> = named.filter_map(|report| Some((report.name.as_ref()?, report))).collect();
        for (name, report) in &named {
            let table = self.model.tables.iter().position(|table| table.name == *report.table.get_ref());
            let Some(table) = table else { return self.error(report.table.span(), "a report is either `by` or `top`") };
            let daily = report.daily.as_ref().map(|daily| {
                let place = named.iter().position(|(name, _)| name.get_ref() == daily.get_ref());
                place.map_or_else(|| self.error(daily.span(), format!("there is no report \"{daily}\"")), Ok)
            });
            let limit = report.limit.as_ref().map(|limit| *limit.get_ref());
            self.model.reports.push(Report {
                name: name.get_ref().clone(),
                title: report.title.clone().unwrap_or_else(|| name.get_ref().replace('-', " ")),
                about: self.model.tables[table].about.clone(),
                table,
                shape: self.shape(&self.model.tables[table], limit.is_some()),
                limit,
                all_days: report.days.as_ref().is_some_and(|days| days.get_ref() == "all"),
                daily: daily.transpose()?,
            });
        }
        Ok(())
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

/// Whether the first is the sum of the second: of the same events by the same fields, and coarser in time.
fn is_rolled_up_from(count: &Count, finer: &Count) -> bool {
    let is_coarser = (finer.has_day || !count.has_day)
        && (finer.has_hour || !count.has_hour)
        && (finer.has_day, finer.has_hour) != (count.has_day, count.has_hour);
    is_coarser && count.filter == finer.filter && same_members(&count.members, &finer.members)
}

fn same_members(some: &[usize], others: &[usize]) -> bool {
    some.len() == others.len() && some.iter().all(|member| others.contains(member))
}

fn fields_of(by: &[Dimension]) -> Vec<usize> {
    by.iter()
        .filter_map(|dimension| if let Dimension::Field(field) = dimension { Some(*field) } else { None })
        .collect()
}
