//! What is known of products, stores, referrers and browsers.

use toml::Spanned;

use super::super::file::{self, BrowserOs, Product, Referrer, Store};
use super::super::{
    BrowserOsDimension, Dimension, DimensionTable, Field, FieldKind, ProductDimension, ReferrerDimension,
    StoreDimension,
};
use super::{Checked, Checks};

/// Columns that a dimension adds to the views over what it is of.
const PRODUCT: [&str; 2] = ["product_name", "product_url"];
const STORE: [&str; 1] = ["store_country"];
const REFERRER: [&str; 2] = ["referrer_host", "referrer_kind"];
const BROWSER_OS: [&str; 1] = ["category"];
const COUNTRY: [&str; 2] = ["country_name", "region"];

impl Checked<'_> {
    pub fn dimensions(&mut self, declared: &file::Dimensions) -> Checks<()> {
        let mut tables = vec![DimensionTable::Date];
        if let Some(product) = &declared.product {
            self.product(product)?;
            tables.push(DimensionTable::Product);
        }
        if let Some(store) = &declared.store {
            self.store(store)?;
            tables.push(DimensionTable::Store);
        }
        if let Some(pair) = &declared.browser_os {
            self.browser_os(pair)?;
            tables.push(DimensionTable::BrowserOs);
        }
        if let Some(referrer) = &declared.referrer {
            self.referrer(referrer)?;
            tables.push(DimensionTable::Referrer);
        }
        if declared.product.is_some() {
            tables.extend([DimensionTable::ProductNames, DimensionTable::PageHosts]);
        }
        self.model.dimensions.has_country = self.model.fields.iter().any(|field| field.kind.is_country());
        self.model.tables.extend(tables.into_iter().map(DimensionTable::table));
        Ok(())
    }

    /// No field has the name of a column that follows from another: the digest of a URL, and what a dimension adds.
    pub fn apart_from_derived(&self, name: &Spanned<String>, declared: &file::Dimensions) -> Checks<()> {
        let field = name.get_ref().as_str();
        let is_url = |it: &Field| it.kind == FieldKind::Url && field.strip_suffix("_digest") == Some(&it.name);
        if let Some(url) = self.model.fields.iter().find(|it| is_url(it)) {
            let what = format!("the digest of {} has this name; take another one for the field", url.name);
            return self.error(name.span(), what);
        }
        let has_country = self.model.fields.iter().any(|it| it.kind.is_country());
        let given = [
            ("product", declared.product.is_some(), &PRODUCT[..]),
            ("store", declared.store.is_some(), &STORE),
            ("referrer", declared.referrer.is_some(), &REFERRER),
            ("browser_os", declared.browser_os.is_some(), &BROWSER_OS),
            ("country", has_country, &COUNTRY),
        ];
        match given.iter().find(|(_, is_there, columns)| *is_there && columns.contains(&field)) {
            Some((of, ..)) => {
                let what = format!("dim_{of} gives the column {field}; take another name for the field");
                self.error(name.span(), what)
            }
            None => Ok(()),
        }
    }

    fn product(&mut self, product: &Spanned<Product>) -> Checks<()> {
        let id = self.field_of_kind(&product.get_ref().id, &[FieldKind::Id, FieldKind::Text])?;
        let (days, counted) = (self.rolled_up(&[Dimension::Day, Dimension::Field(id)], 0), self.counted_with(&[id]));
        let (Some(days), Some(counted)) = (days, counted) else {
            return self.uncounted(product, &["day", product.get_ref().id.get_ref()]);
        };
        self.model.dimensions.product = Some(ProductDimension { id, days, counted });
        Ok(())
    }

    fn store(&mut self, store: &Spanned<Store>) -> Checks<()> {
        let Store { id, country } = store.get_ref();
        let names = ["day", country.get_ref(), id.get_ref()];
        let (id, country) = (
            self.field_of_kind(id, &[FieldKind::Id, FieldKind::Text])?,
            self.field_of_kind(country, &[FieldKind::Country, FieldKind::CountryCode])?,
        );
        let members = [Dimension::Field(country), Dimension::Field(id)];
        let days = self.rolled_up(&[Dimension::Day, members[0], members[1]], 0);
        let (Some(days), Some(totals)) = (days, self.rolled_up(&members, 0)) else {
            return self.uncounted(store, &names);
        };
        self.model.dimensions.store = Some(StoreDimension { id, country, days, totals });
        Ok(())
    }

    fn browser_os(&mut self, pair: &Spanned<BrowserOs>) -> Checks<()> {
        let BrowserOs { browser, os } = pair.get_ref();
        let names = [browser.get_ref().as_str(), os.get_ref()];
        let (browser, os) =
            (self.field_of_kind(browser, &[FieldKind::Browser])?, self.field_of_kind(os, &[FieldKind::Os])?);
        let Some(counted) = self.counted_with(&[browser, os]) else { return self.uncounted(pair, &names) };
        self.model.dimensions.browser_os = Some(BrowserOsDimension { browser, os, counted });
        Ok(())
    }

    fn referrer(&mut self, referrer: &Spanned<Referrer>) -> Checks<()> {
        let url = self.field_of_kind(&referrer.get_ref().url, &[FieldKind::Url])?;
        let Some(counted) = self.counted_with(&[url]) else {
            return self.uncounted(referrer, &[referrer.get_ref().url.get_ref()]);
        };
        self.model.dimensions.referrer = Some(ReferrerDimension { url, counted });
        Ok(())
    }

    fn field_of_kind(&self, name: &Spanned<String>, kinds: &[FieldKind]) -> Checks<usize> {
        let field = self.field(name)?;
        let is_one = kinds.contains(&self.model.fields[field].kind);
        let names: Vec<_> = kinds.iter().map(|kind| format!("\"{}\"", kind.name())).collect();
        let what = format!("{} is of another kind; name a field of kind {}", name.get_ref(), names.join(" or "));
        self.ensure(is_one, name.span(), what)?;
        Ok(field)
    }

    /// A dimension is found by a count.
    fn uncounted<T, V>(&self, dimension: &Spanned<V>, by: &[&str]) -> Checks<T> {
        let names: Vec<_> = by.iter().map(|name| format!("\"{name}\"")).collect();
        let what =
            format!("no report without a `where` counts by just these; add one with by = [{}]", names.join(", "));
        self.error(dimension.span(), what)
    }
}
