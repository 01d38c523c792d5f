//! What Postgres knows of the dimensions: their tables, which are the same whatever a model declares, and what they add to the
//! rows of a count.

use crate::model::{Dimensions, Model};

/// What a dimension adds to rows that have one of its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The join, behind the rows' table, which is called `counted`.
    pub join: String,
    /// What it gives.
    pub columns: Vec<LookupColumn>,
}

/// A table that names the members of a field: its name, the member's column, and the name's, which may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameTable(pub &'static str, pub &'static str, pub &'static str);

/// The names of stores, which are given from outside.
pub const STORE_NAMES: NameTable = NameTable("store_names", "store_id", "name");

/// How addresses are grouped: by their hosts, as a Postgres function extracts them, each with its kind in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sites {
    /// Gives the host of an address, or null.
    pub function: &'static str,
    /// Has a row for each host, and its kind.
    pub table: &'static str,
    /// The columns with a host and its kind, as rows of the addresses have them.
    pub host: String,
    /// See above.
    pub kind: String,
}

/// A column that a dimension adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupColumn {
    /// Its name.
    pub name: String,
    /// The expression that gives it.
    pub value: String,
    /// A comment on it.
    pub about: String,
}

impl LookupColumn {
    fn new(name: String, value: impl Into<String>, about: impl Into<String>) -> LookupColumn {
        LookupColumn { name, value: value.into(), about: about.into() }
    }
}

impl Dimensions {
    /// The DDL of their tables.
    pub fn ddl(&self) -> Vec<&'static str> {
        let all = [
            (true, include_str!("date.sql")),
            (self.store.is_some(), include_str!("store.sql")),
            (self.product.is_some(), include_str!("product.sql")),
            (self.product.is_some(), include_str!("product_name.sql")),
            (self.product.is_some(), include_str!("page_host.sql")),
            (self.browser_os.is_some(), include_str!("browser_os.sql")),
            (self.referrer.is_some(), include_str!("referrer.sql")),
            (self.has_country, include_str!("country.sql")),
        ];
        all.into_iter().filter(|(is_declared, _)| *is_declared).map(|(_, ddl)| ddl).collect()
    }
}

impl Model {
    /// What is known of members of these fields.
    pub fn lookups(&self, fields: &[usize]) -> Vec<Lookup> {
        let one = |field: usize| fields.contains(&field).then_some(field);
        let Dimensions { product, store, referrer, browser_os, .. } = self.dimensions;
        let mut known = Vec::new();
        known.extend(product.and_then(|product| one(product.id)).map(|id| self.product_lookup(id)));
        known.extend(referrer.and_then(|referrer| one(referrer.url)).map(|url| self.referrer_lookup(url)));
        known.extend(fields.iter().filter_map(|field| self.country_lookup(*field)));
        known.extend(store.and_then(|store| one(store.id)).map(|id| self.store_lookup(id)));
        known.extend(
            browser_os
                .and_then(|pair| one(pair.browser).zip(one(pair.os)))
                .map(|(browser, os)| self.browser_os_lookup(browser, os)),
        );
        known.push(date_lookup());
        known
    }

    /// The lookup of the names of a field's members: its first column is the name. None where they have none.
    pub fn name_lookup(&self, field: usize) -> Option<Lookup> {
        let is_product = self.dimensions.product.is_some_and(|product| product.id == field);
        match is_product {
            true => Some(self.product_lookup(field)),
            false if self.is_store(field) => Some(self.store_name_lookup(field)),
            false => self.country_lookup(field),
        }
    }

    /// Where the members of a field are found by their names; none where they have none.
    pub fn name_table(&self, field: usize) -> Option<NameTable> {
        let is_product = self.dimensions.product.is_some_and(|product| product.id == field);
        let product = is_product.then_some(NameTable("dim_product", "product_id", "name"));
        let is_country = self.fields[field].kind.is_country();
        let store = self.is_store(field).then_some(STORE_NAMES);
        product.or(store).or(is_country.then_some(NameTable("dim_country", "country", "country_name")))
    }

    /// The name of a country and its region; none for a field of another kind.
    pub fn country_lookup(&self, field: usize) -> Option<Lookup> {
        if !self.fields[field].kind.is_country() {
            return None;
        }
        let name = self.fields[field].name.as_str();
        // Several fields may be countries, each with its own row.
        let row = format!("{name}_dim");
        let region = format!("{}region", name.strip_suffix("country").map_or(format!("{name}_"), str::to_owned));
        Some(Lookup {
            join: format!("LEFT JOIN dim_country AS {row} ON {row}.country = counted.{name}"),
            columns: vec![
                LookupColumn::new(
                    format!("{name}_name"),
                    format!("coalesce({row}.country_name, counted.{name})"),
                    "The name of that country",
                ),
                LookupColumn::new(region, format!("coalesce({row}.region, 'Unknown')"), "The region of that country"),
            ],
        })
    }

    fn product_lookup(&self, id: usize) -> Lookup {
        let (name, subject) = self.subject(id);
        Lookup {
            join: format!("LEFT JOIN dim_product ON dim_product.product_id = counted.{name}"),
            columns: vec![
                LookupColumn::new(
                    format!("{subject}_name"),
                    format!("coalesce(dim_product.name, counted.{name})"),
                    format!("Its name, or its {name} if it has none"),
                ),
                LookupColumn::new(
                    format!("{subject}_url"),
                    "dim_product.url",
                    "The address of its page; null if it has no usable one",
                ),
            ],
        }
    }

    /// What the members of a field can be summed up by, if they are addresses whose hosts are known.
    pub fn sites(&self, field: usize) -> Option<Sites> {
        self.dimensions.referrer.filter(|referrer| referrer.url == field)?;
        let (_, subject) = self.subject(field);
        let [host, kind] = ["host", "kind"].map(|what| format!("{subject}_{what}"));
        Some(Sites { function: "referrer_host", table: "dim_referrer", host, kind })
    }

    /// Every host has its row, so the join alone has to look for it.
    fn referrer_lookup(&self, url: usize) -> Lookup {
        let (name, subject) = self.subject(url);
        Lookup {
            join: format!("LEFT JOIN dim_referrer ON dim_referrer.host = referrer_host(counted.{name})"),
            columns: vec![
                LookupColumn::new(format!("{subject}_host"), "dim_referrer.host", "Its host; null if it has none"),
                LookupColumn::new(
                    format!("{subject}_kind"),
                    "coalesce(dim_referrer.kind, 'other')",
                    "search, social, own site or other",
                ),
            ],
        }
    }

    fn is_store(&self, field: usize) -> bool {
        self.dimensions.store.is_some_and(|store| store.id == field)
    }

    fn store_lookup(&self, id: usize) -> Lookup {
        let (name, subject) = self.subject(id);
        let about = "The store's home, which may be another country";
        let home = LookupColumn::new(format!("{subject}_country"), "dim_store.country", about);
        let Lookup { join, mut columns } = self.store_name_lookup(id);
        columns.insert(0, home);
        Lookup { join: format!("LEFT JOIN dim_store ON dim_store.store_id = counted.{name}\n    {join}"), columns }
    }

    fn store_name_lookup(&self, id: usize) -> Lookup {
        let (name, subject) = self.subject(id);
        let about = "Its name, if store_names has one";
        Lookup {
            join: format!("LEFT JOIN store_names ON store_names.store_id = counted.{name}"),
            columns: vec![LookupColumn::new(format!("{subject}_name"), "store_names.name", about)],
        }
    }

    fn browser_os_lookup(&self, browser: usize, os: usize) -> Lookup {
        let (browser, os) = (&self.fields[browser].name, &self.fields[os].name);
        let about = "pc, smartphone, mobilephone, appliance, crawler, misc or unknown";
        Lookup {
            join: format!(
                "LEFT JOIN dim_browser_os ON dim_browser_os.browser = counted.{browser} AND dim_browser_os.os = counted.{os}"
            ),
            columns: vec![LookupColumn::new("category".into(), "dim_browser_os.category", about)],
        }
    }

    /// A field's name, and what it is an id or a URL of.
    fn subject(&self, field: usize) -> (&str, &str) {
        let name = self.fields[field].name.as_str();
        (name, name.strip_suffix("_id").or_else(|| name.strip_suffix("_url")).unwrap_or(name))
    }
}

fn date_lookup() -> Lookup {
    let columns = [
        ("year", "The year of the day"),
        ("month", "Its month, 1 to 12"),
        ("iso_year", "The year that its ISO week belongs to; around New Year it may differ from year"),
        ("iso_week", "Its ISO week, 1 to 53"),
        ("weekday", "Its day of the week, from 1 for Monday to 7 for Sunday"),
        ("is_weekend", "Whether it is a Saturday or a Sunday"),
    ];
    let column = |(name, about): (&str, &str)| LookupColumn::new(name.into(), format!("dim_date.{name}"), about);
    Lookup {
        join: "LEFT JOIN dim_date ON dim_date.day = counted.day".into(),
        columns: columns.into_iter().map(column).collect(),
    }
}
