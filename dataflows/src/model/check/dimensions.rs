//! What is known of products, stores, referrers and browsers.

use std::collections::BTreeMap;

use toml::Spanned;

use super::super::file::{self, BrowserOs, Product, Referrer, Store};
use super::super::{
    BrowserOsDimension, Dimension, DimensionTable, Field, FieldKind, ProductDimension, ReferrerDimension,
    StoreDimension,
};
use super::{Checked, Checks};

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

    /// Checks that no field has the name of the digest of a URL.
    pub fn apart_from_digests(&self, name: &Spanned<String>) -> Checks<()> {
        let field = name.get_ref().as_str();
        let is_url = |it: &Field| it.kind == FieldKind::Url && field.strip_suffix("_digest") == Some(&it.name);
        let Some(url) = self.model.fields.iter().find(|it| is_url(it)) else { return Ok(()) };
        let what = format!("the digest of {} has this name; take another one for the field", url.name);
        self.error(name.span(), what)
    }

    /// Checks that no field has the name of a column that a dimension adds.
    pub fn apart_from_lookups(&self, declared: &BTreeMap<Spanned<String>, file::Field>) -> Checks<()> {
        let fields: Vec<_> = (0..self.model.fields.len()).collect();
        let added: Vec<_> = self.model.lookups(&fields).into_iter().flat_map(|lookup| lookup.columns).collect();
        for name in declared.keys() {
            let what = format!("a dimension gives the column {}; take another name for the field", name.get_ref());
            self.ensure(added.iter().all(|column| column.name != *name.get_ref()), name.span(), what)?;
        }
        Ok(())
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
        let by = [Dimension::Day, Dimension::Field(country), Dimension::Field(id)];
        let Some(days) = self.rolled_up(&by, 0) else { return self.uncounted(store, &names) };
        self.model.dimensions.store = Some(StoreDimension { id, country, days });
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

    /// The error for a dimension without the count that it follows from.
    fn uncounted<T, V>(&self, dimension: &Spanned<V>, by: &[&str]) -> Checks<T> {
        let names: Vec<_> = by.iter().map(|name| format!("\"{name}\"")).collect();
        let what =
            format!("no report without a `where` counts by just these; add one with by = [{}]", names.join(", "));
        self.error(dimension.span(), what)
    }
}
