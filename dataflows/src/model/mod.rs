//! The model: what is read from an event, what is counted, and which tables and reports show it.
//!
//! ```text
//! file (TOML) ──parse──► declarations ──check──► Model: fields ► filters ► counts ► rankings ► tables ► reports
//! ```
//!
//! A report is declared once, in a file; everything else follows from the model: what the decoder looks for, the keys that
//! an event counts under, the tables and their DDL, the audit, the API, the page and the terminal.

mod check;
mod error;
mod event;
mod file;
mod member;
mod names;
mod ready_made;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use crate::DaysKept;
pub(crate) use check::MEMBERS_MAX;
pub use error::ModelError;
pub use event::{Envelope, EventShape, TimeFormat};
pub use member::{Member, Way};
pub use ready_made::ReadyMade;
use serde::{Deserialize, Serialize};

/// What is read, counted and shown. Places in one of its lists are kept as indexes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The file's text, by which a table knows what it was built with.
    pub text: String,
    /// How an event says what it is.
    pub event: EventShape,
    /// What is read from an event, in the file's order.
    pub fields: Vec<Field>,
    /// The distinct filters. The first takes every event whose type is one of the views, and nothing else. An event that passes
    /// any other counts, even if there is no count by it; one that passes the first only if there is.
    pub filters: Vec<Filter>,
    /// What is counted: first what events count under, in the file's order, then what is rolled up from that.
    pub counts: Vec<Count>,
    /// What is ranked.
    pub rankings: Vec<Ranking>,
    /// What is known of members.
    pub dimensions: Dimensions,
    /// All tables: counts, then what follows from them, then the dimensions.
    pub tables: Vec<Table>,
    /// What is shown, in the file's order.
    pub reports: Vec<Report>,
}

/// Something that is read from an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name, which is that of its columns.
    pub name: String,
    /// The member that it is read from.
    pub path: Member,
    /// What it is.
    pub kind: FieldKind,
    /// Whether it is kept in small letters.
    pub is_lower: bool,
    /// Its value where it would be missing.
    pub or: Option<String>,
    /// What it is called where people choose or read it: the parameter of the API, the flag in the terminal.
    pub label: String,
    /// The same in other languages, by their codes: for people alone.
    pub labels: BTreeMap<String, String>,
    /// A comment on its columns.
    pub about: String,
}

/// What a field is, and so how it is read, checked and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A short text or a whole number.
    Id,
    /// A short text.
    Text,
    /// A URL, which may be long: a row is found by a digest of it.
    Url,
    /// The country of a URL's domain.
    Country,
    /// A country's code.
    CountryCode,
    /// The host of a URL.
    Host,
    /// The path of a URL.
    Path,
    /// A parameter of a URL's query.
    Query {
        /// Its name.
        parameter: String,
    },
    /// The browser of a user agent.
    Browser,
    /// The operating system of a user agent.
    Os,
    /// The kind of device of a user agent.
    Device,
    /// `true` or `false`.
    Boolean,
}

impl Field {
    /// Its label in the plural, as paths of the API have it.
    pub fn plural(&self) -> String {
        names::plural(&self.label)
    }
}

impl FieldKind {
    /// What a file calls it.
    pub fn name(&self) -> &'static str {
        match self {
            FieldKind::Id => "id",
            FieldKind::Text => "text",
            FieldKind::Url => "url",
            FieldKind::Country => "country",
            FieldKind::CountryCode => "country-code",
            FieldKind::Host => "host",
            FieldKind::Path => "path",
            FieldKind::Query { .. } => "query",
            FieldKind::Browser => "browser",
            FieldKind::Os => "os",
            FieldKind::Device => "device",
            FieldKind::Boolean => "boolean",
        }
    }

    /// Whether it has few values whatever visitors send. Any other is bounded by the member limit.
    pub fn is_closed(&self) -> bool {
        self.is_never_missing() || *self == FieldKind::Boolean
    }

    /// Whether it is a country's code.
    pub fn is_country(&self) -> bool {
        matches!(self, FieldKind::Country | FieldKind::CountryCode)
    }

    /// Whether no event is without it: a country or a user agent may be unknown, and counts as such.
    pub fn is_never_missing(&self) -> bool {
        self.is_country() || matches!(self, FieldKind::Browser | FieldKind::Os | FieldKind::Device)
    }
}

/// A column that a report groups by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// The day of the event.
    Day,
    /// Its hour.
    Hour,
    /// A field, by its place in [`Model::fields`].
    Field(usize),
}

/// The fields among dimensions, in their order.
pub fn fields(by: &[Dimension]) -> impl Iterator<Item = usize> {
    by.iter().filter_map(|dimension| if let Dimension::Field(field) = dimension { Some(*field) } else { None })
}

/// Which events count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The types; none for the views.
    pub types: Option<Vec<String>>,
    /// The fields, and the values of which each must have one.
    pub fields: Vec<(usize, Vec<String>)>,
}

/// A number of events by some dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The dimensions, in the order of the table's key.
    pub by: Vec<Dimension>,
    /// The fields among them, in the same order.
    pub members: Vec<usize>,
    /// Of [`Count::members`], the places of those that visitors can make up.
    pub open: Vec<usize>,
    /// Whether the day is one of them.
    pub has_day: bool,
    /// Whether the hour is one of them.
    pub has_hour: bool,
    /// Which events count, by its place in [`Model::filters`].
    pub filter: usize,
    /// The finer count that it is the sum of, by its place in [`Model::counts`], with the same members; none if events
    /// count under it themselves.
    pub from: Option<usize>,
    /// Its table, by its place in [`Model::tables`]; none if it only feeds others.
    pub table: Option<usize>,
    /// The days kept by each report that needs it, as far as declared; empty in a count that is rolled up from another,
    /// which has them.
    pub kept: Vec<Option<DaysKept>>,
}

/// The members with the most views in each group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranking {
    /// The count that is ranked, by its place in [`Model::counts`].
    pub count: usize,
    /// How many places there are.
    pub places: u8,
    /// What it is grouped by.
    pub by: Vec<Dimension>,
    /// The field that is ranked.
    pub of: usize,
    /// Its table, by its place in [`Model::tables`].
    pub table: usize,
}

/// What is known of the members of some fields: the tables `dim_…`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dimensions {
    /// Products.
    pub product: Option<ProductDimension>,
    /// Stores.
    pub store: Option<StoreDimension>,
    /// Hosts of referrers.
    pub referrer: Option<ReferrerDimension>,
    /// Browsers with operating systems.
    pub browser_os: Option<BrowserOsDimension>,
    /// A field of kind country, whose names are in a table of all countries.
    pub has_country: bool,
}

/// Where products are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductDimension {
    /// The field with the id.
    pub id: usize,
    /// The count by day and product alone.
    pub days: usize,
    /// A count of events with the product as its only member.
    pub counted: usize,
}

/// Where stores are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreDimension {
    /// The field with the id.
    pub id: usize,
    /// The field with the country.
    pub country: usize,
    /// The count by day, country and store.
    pub days: usize,
}

/// Where referrers are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferrerDimension {
    /// The field with the URL.
    pub url: usize,
    /// A count of events with the URL as its only member.
    pub counted: usize,
}

/// Where browsers and operating systems are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrowserOsDimension {
    /// The field with the browser.
    pub browser: usize,
    /// The field with the operating system.
    pub os: usize,
    /// A count by both.
    pub counted: usize,
}

/// A table, as far as SQL is generated from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name in Postgres.
    pub name: String,
    /// The columns that identify a row.
    pub key: Vec<Column>,
    /// The columns that say what the row holds now.
    pub values: Vec<Column>,
    /// What its rows are.
    pub rows: TableRows,
    /// A comment on it.
    pub about: String,
}

/// What the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableRows {
    /// Numbers of events, by the count's place in [`Model::counts`].
    Count(usize),
    /// Places of a ranking, by its place in [`Model::rankings`].
    Ranking(usize),
    /// Members of a dimension.
    Members(DimensionTable),
}

/// The tables of dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the table of its name")]
pub enum DimensionTable {
    Date,
    Product,
    Store,
    BrowserOs,
    Referrer,
    ProductNames,
    PageHosts,
}

/// A column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnType,
    /// Whether it may hold nothing.
    pub nullable: bool,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `text`
    Text,
    /// `text` that may be longer than a B-tree row can be (about 2,690 bytes): a row is found by a digest of it.
    LongText,
    /// `date`
    Date,
    /// `smallint`
    Smallint,
    /// `bigint`
    Bigint,
}

/// A report: a table with a name, shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its name in the terminal, the API and the page; its view is `report_` with this, `_` for each `-`.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// The same in other languages, by their codes.
    pub titles: BTreeMap<String, String>,
    /// What it shows, for a person.
    pub about: String,
    /// The table that it shows, by its place in [`Model::tables`].
    pub table: usize,
    /// How it is drawn.
    pub shape: Shape,
    /// For a count without a day: only this many rows, those with the most views, with their ranks.
    pub limit: Option<u8>,
    /// For a count by day: the views of all days together.
    pub all_days: bool,
    /// The report that shows the same of one day, by its place in [`Model::reports`].
    pub daily: Option<usize>,
}

/// How a report is drawn: it follows from its dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Bars, the most views first: a ranking.
    Bars,
    /// The hours of a day, of one chosen member.
    Hours,
    /// The hours of a day against the members of two fields.
    HeatMap,
    /// A list, the most views first, of one chosen member if it has several fields.
    List,
}

impl Model {
    /// The model that a text declares; `file` is what messages call it.
    ///
    /// # Errors
    /// The first thing that is wrong, with line and column.
    pub fn parse(text: &str, file: &str) -> Result<Model, ModelError> {
        check::model(&file::parse(text, file)?, text, file)
    }

    /// The model in a file.
    ///
    /// # Errors
    /// If it cannot be read, or what is wrong in it.
    pub fn read(path: &Path) -> Result<Model, ModelError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ModelError::unreadable(&file, &error))?;
        Model::parse(&text, &file)
    }

    /// The default model: the six reports.
    pub fn builtin() -> Arc<Model> {
        static BUILTIN: LazyLock<Arc<Model>> =
            LazyLock::new(|| Arc::new(ReadyMade::ALL[0].model().unwrap_or_else(|error| panic!("{error}"))));
        Arc::clone(&BUILTIN)
    }

    /// The report of this name.
    pub fn report(&self, name: &str) -> Option<&Report> {
        self.reports.iter().find(|report| report.name == name)
    }

    /// The name of a dimension, which is that of its columns.
    pub fn dimension_name(&self, dimension: Dimension) -> &str {
        match dimension {
            Dimension::Day => "day",
            Dimension::Hour => "hour",
            Dimension::Field(field) => &self.fields[field].name,
        }
    }

    /// What a dimension is called where people choose or read it.
    pub fn dimension_label(&self, dimension: Dimension) -> &str {
        match dimension {
            Dimension::Day | Dimension::Hour => self.dimension_name(dimension),
            Dimension::Field(field) => &self.fields[field].label,
        }
    }

    /// The dimensions of a table of counts or places; none of other tables.
    pub fn dimensions_of(&self, table: &Table) -> &[Dimension] {
        match table.rows {
            TableRows::Count(count) => &self.counts[count].by,
            TableRows::Ranking(ranking) => &self.rankings[ranking].by,
            TableRows::Members(_) => &[],
        }
    }

    /// Whether a field is read from the user agent, which reveals crawlers.
    pub fn reveals_bots(&self) -> bool {
        let is_of_agent = |field: &Field| matches!(field.kind, FieldKind::Browser | FieldKind::Os | FieldKind::Device);
        self.fields.iter().any(is_of_agent)
    }

    /// The counts that events count under.
    pub fn counted(&self) -> Range<usize> {
        0..self.counts.iter().take_while(|count| count.from.is_none()).count()
    }
}

impl Table {
    /// All columns, the key's first.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().chain(&self.values)
    }

    /// Whether its rows follow from those of others, and so are reconciled at a start.
    pub fn is_derived(&self, model: &Model) -> bool {
        match self.rows {
            TableRows::Count(count) => model.counts[count].from.is_some(),
            TableRows::Ranking(_) => true,
            TableRows::Members(_) => false,
        }
    }
}

impl Report {
    /// The name of its view.
    pub fn view(&self) -> String {
        format!("report_{}", self.name.replace('-', "_"))
    }
}

impl Column {
    /// A column of this name and kind.
    pub fn new(name: impl Into<String>, kind: ColumnType) -> Column {
        Column { name: name.into(), kind, nullable: false }
    }

    /// The same of one that may hold nothing.
    pub fn nullable(name: impl Into<String>, kind: ColumnType) -> Column {
        Column { name: name.into(), kind, nullable: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_model_folds_the_fewest_counts() {
        let model = Model::builtin();
        assert_eq!(model.counted(), 0..5);
        assert_eq!(model.dimensions.store.map(|store| model.counts[store.days].from), Some(None));
        let shapes: Vec<_> = model.reports.iter().map(|report| report.shape).collect();
        let bars = [Shape::Bars; 4];
        assert_eq!(shapes, [&bars[..], &[Shape::List, Shape::Hours, Shape::HeatMap]].concat());
    }
}
