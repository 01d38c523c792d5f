//! The names that pages on the shop's hosts give each product, and how often each was seen: what a product's name is
//! chosen by.

use super::{Attributes, DimensionKey, DimensionUpdate, Page, page_host::Sighting, product};
use crate::model::{Column, ColumnType, DimensionTable, Table, TableRows};
use crate::{Cell, Row, RowReader, SharedStr, Text};

/// Views of a name counted at most: names seen this often rank alike, so hardly any view changes a row.
pub(super) const NAME_VIEWS_MAX: u8 = 20;

/// U+0000, which neither a product's id nor a name can hold.
const SEPARATOR: char = '\0';

/// The names.
pub(crate) fn table() -> Table {
    let key = vec![Column::new("product_id", ColumnType::Text), Column::new("name", ColumnType::Text)];
    let values = vec![
        Column::new("views", ColumnType::Smallint),
        Column::new("url", ColumnType::Text),
        Column::new("first_day", ColumnType::Date),
    ];
    Table {
        name: "product_names".into(),
        key,
        values,
        rows: TableRows::Members(DimensionTable::ProductNames),
        about: "product_names".into(),
    }
}

/// The row of these cells.
pub(crate) fn read(cells: &mut RowReader<'_, '_>) -> Option<Row> {
    let name = joined(&cells.text()?, &cells.text()?);
    let page = Page { is_own: true, views: cells.small()?, url: SharedStr::from(&*cells.text()?), day: cells.day()? };
    Some(Row::member(DimensionKey::ProductName(name), Attributes { page: Some(page), ..Attributes::default() }))
}

/// The columns of a name.
pub(crate) fn cells<'a>(name: &'a str, attributes: &'a Attributes, give: &mut impl FnMut(Cell<'a>)) {
    let (product, name) = name.split_once(SEPARATOR).unwrap_or((name, ""));
    give(Cell::from(product));
    give(Cell::from(name));
    if let Some(page) = &attributes.page {
        give(Cell::from(&page.views));
        give(Cell::from(page.url.as_ref()));
        give(Cell::from(&page.day));
    }
}

fn joined(product: &str, name: &str) -> SharedStr {
    let mut joined = String::with_capacity(product.len() + SEPARATOR.len_utf8() + name.len());
    joined.push_str(product);
    joined.push(SEPARATOR);
    joined.push_str(name);
    SharedStr::from(joined)
}

/// The name that a page gives a product, with the product's id.
pub(super) fn name_of(product_id: &Text, url: &str) -> Option<SharedStr> {
    product::name(url).map(|name| joined(&product_id.to_str(), &name))
}

/// The product that a name belongs to.
pub(super) fn product_in(name: &str) -> Text {
    Text::from(name.split_once(SEPARATOR).map_or(name, |(product, _)| product))
}

/// What a sighting on a host of the shop's says of a name.
pub(super) fn fact(sighting: &Sighting) -> Option<DimensionUpdate> {
    let Sighting { product_id, url, views, day } = sighting;
    let name = name_of(product_id, url.as_ref())?;
    let page = Some(Page { is_own: true, views: NAME_VIEWS_MAX.min(*views), url: url.clone(), day: *day });
    Some((DimensionKey::ProductName(name), Attributes { page, ..Attributes::default() }))
}

/// The views of both, with the shorter address, on a tie the first by its bytes, and the earlier day.
pub(super) fn sum(a: Page, b: Page) -> Page {
    let views = a.views.saturating_add(b.views).min(NAME_VIEWS_MAX);
    let day = a.day.min(b.day);
    let url = if is_better(a.url.as_ref(), b.url.as_ref()) { a.url } else { b.url };
    Page { is_own: true, views, url, day }
}

/// Whether the first address is shown rather than the second.
pub(super) fn is_better(url: &str, other: &str) -> bool {
    (url.len(), url) < (other.len(), other)
}
