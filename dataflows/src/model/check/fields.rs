//! The fields, and the filters that test them.

use std::collections::BTreeMap;

use toml::Spanned;

use super::super::error::unknown;
use super::super::file::{self, ByLanguage, Values};
use super::super::{Dimension, Field, FieldKind, Filter, names};
use super::{Checked, Checks, FIELDS_MAX};

/// The kinds that need no more than a path.
const KINDS: [FieldKind; 11] = [
    FieldKind::Id,
    FieldKind::Text,
    FieldKind::Url,
    FieldKind::Country,
    FieldKind::CountryCode,
    FieldKind::Host,
    FieldKind::Path,
    FieldKind::Browser,
    FieldKind::Os,
    FieldKind::Device,
    FieldKind::Boolean,
];
/// The longest text of `or`, which replaces a missing value, in bytes.
const OR_BYTES_MAX: usize = 256;
/// The kind that also needs the name of a parameter.
const QUERY: &str = "query";

impl Checked<'_> {
    pub fn fields(&mut self, declared: &BTreeMap<Spanned<String>, file::Field>) -> Checks<()> {
        let mut declared: Vec<_> = declared.iter().collect();
        declared.sort_by_key(|(name, _)| name.span().start);
        if let Some((name, _)) = declared.get(FIELDS_MAX) {
            return self.error(name.span(), format!("a file may declare {FIELDS_MAX} fields; leave some out"));
        }
        for (name, field) in declared {
            self.at(name.span(), names::field(name.get_ref()))?;
            let is_type = self.is_type(name.get_ref());
            let what = "`where` knows the type of an event by this name; take another one for the field";
            self.ensure(!is_type, name.span(), what)?;
            let (path, kind) = (self.member(&field.path, field.key.as_ref())?, self.kind(field)?);
            let (is_lower, or) = (self.is_lower(field, &kind)?, self.or(field, &kind)?);
            let label = self.label(name, field.label.as_ref())?;
            let labels = self.by_language(&field.labels)?;
            let about = self.sentence(field.about.as_ref())?.unwrap_or_else(|| label.clone());
            self.model.fields.push(Field {
                name: name.get_ref().clone(),
                path,
                kind,
                is_lower,
                or,
                label,
                labels,
                about,
            });
        }
        Ok(())
    }

    /// Whether `where` knows the type of an event by this name.
    fn is_type(&self, name: &str) -> bool {
        self.model.event.kind.iter().flat_map(|kind| &kind.ways).any(|way| way.to_string() == name)
    }

    fn is_lower(&self, field: &file::Field, kind: &FieldKind) -> Checks<bool> {
        let Some(lower) = &field.lower else { return Ok(false) };
        let what = "only a text that visitors can make up has letters to choose; leave this out";
        self.ensure(!kind.is_closed(), lower.span(), what)?;
        Ok(*lower.get_ref())
    }

    fn or(&self, field: &file::Field, kind: &FieldKind) -> Checks<Option<String>> {
        let Some(or) = &field.or else { return Ok(None) };
        let what = format!(
            "a field of kind \"{}\" is never missing, or has only values of its own; leave this out",
            kind.name()
        );
        self.ensure(!kind.is_closed(), or.span(), what)?;
        self.at(or.span(), names::sentence(or.get_ref()))?;
        let what = format!("a text of at most {OR_BYTES_MAX} bytes is expected");
        self.ensure(or.get_ref().len() <= OR_BYTES_MAX, or.span(), what)?;
        Ok(Some(or.get_ref().clone()))
    }

    fn label(&self, name: &Spanned<String>, label: Option<&Spanned<String>>) -> Checks<String> {
        let (span, given) = (label.unwrap_or(name).span(), label.unwrap_or(name).get_ref());
        self.at(span.clone(), names::label(given))?;
        let is_same = |it: &&Field| it.label.replace('_', "-") == given.replace('_', "-");
        if let Some(Field { name, label, .. }) = self.model.fields.iter().find(is_same) {
            return self.error(span, format!("the field {name} has the label \"{label}\"; add another label"));
        }
        // Its members would be listed at the same path.
        let is_same_path = |it: &&Field| it.plural() == names::plural(given);
        if let Some(Field { name, label, .. }) = self.model.fields.iter().find(is_same_path) {
            let what = format!("the field {name} has the label \"{label}\", in the plural the same; add another label");
            return self.error(span, what);
        }
        Ok(given.clone())
    }

    /// A text that people read.
    pub fn sentence(&self, text: Option<&Spanned<String>>) -> Checks<Option<String>> {
        let Some(text) = text else { return Ok(None) };
        self.at(text.span(), names::sentence(text.get_ref()))?;
        Ok(Some(text.get_ref().clone()))
    }

    /// The same text in other languages.
    pub fn by_language(&self, texts: &ByLanguage) -> Checks<BTreeMap<String, String>> {
        let mut checked = BTreeMap::new();
        for (code, text) in texts {
            self.at(code.span(), names::language(code.get_ref()))?;
            checked.insert(code.get_ref().clone(), self.sentence(Some(text))?.unwrap_or_default());
        }
        Ok(checked)
    }

    fn kind(&self, field: &file::Field) -> Checks<FieldKind> {
        let name = field.kind.get_ref().as_str();
        match (KINDS.iter().find(|kind| kind.name() == name), &field.parameter) {
            (Some(kind), None) => Ok(kind.clone()),
            (Some(_), Some(parameter)) => {
                self.error(parameter.span(), "only the kind \"query\" has a parameter; leave it out")
            }
            (None, Some(parameter)) if name == QUERY => {
                let is_name = !parameter.get_ref().is_empty() && !parameter.get_ref().contains(char::is_control);
                self.ensure(is_name, parameter.span(), "the name of a parameter is expected, like \"utm_campaign\"")?;
                Ok(FieldKind::Query { parameter: parameter.get_ref().clone() })
            }
            (None, None) if name == QUERY => {
                let what = "the kind \"query\" needs a parameter's name; add parameter = \"utm_campaign\" or another";
                self.error(field.kind.span(), what)
            }
            (None, _) => {
                let known = KINDS.iter().map(FieldKind::name).chain([QUERY]);
                self.error(field.kind.span(), unknown("kind", name, known))
            }
        }
    }

    /// The field of this name, by its place.
    pub fn field(&self, name: &Spanned<String>) -> Checks<usize> {
        let known = || self.model.fields.iter().map(|field| field.name.as_str());
        match known().position(|field| field == name.get_ref()) {
            Some(field) => Ok(field),
            None => self.error(name.span(), unknown("field", name.get_ref(), known())),
        }
    }

    /// The dimensions of these names: each once, and no hour without its day.
    pub fn by(&self, names: &Spanned<Vec<Spanned<String>>>) -> Checks<Vec<Dimension>> {
        let mut by = Vec::new();
        for name in names.get_ref() {
            let dimension = match name.get_ref().as_str() {
                "day" => Dimension::Day,
                "hour" => Dimension::Hour,
                other => {
                    let known = || self.model.fields.iter().map(|field| field.name.as_str());
                    let place = known().position(|field| field == other);
                    let what = || unknown("field", other, known().chain(["day", "hour"]));
                    Dimension::Field(self.at(name.span(), place.ok_or_else(what))?)
                }
            };
            let what = format!("{} is named twice; name it once", name.get_ref());
            self.ensure(!by.contains(&dimension), name.span(), what)?;
            by.push(dimension);
        }
        let has_day = by.contains(&Dimension::Day) || !by.contains(&Dimension::Hour);
        self.ensure(has_day, names.span(), "an hour without its day; add \"day\"")?;
        Ok(by)
    }

    /// The filter of a `where`, by its place.
    pub fn filter(&mut self, declared: &BTreeMap<Spanned<String>, Spanned<Values>>) -> Checks<usize> {
        let mut filter = Filter { types: None, fields: Vec::new() };
        for (name, values) in declared {
            let (span, mut values) = (values.span(), values.get_ref().texts());
            values.sort_unstable();
            values.dedup();
            self.ensure(!values.is_empty(), span.clone(), "no value passes; name at least one")?;
            let is_usable = values.iter().all(|value| !value.is_empty() && !value.contains('\0'));
            self.ensure(is_usable, span.clone(), "no field has an empty value; leave it out")?;
            if self.is_type(name.get_ref()) {
                filter.types = Some(values);
            } else {
                let types: Vec<_> = self.model.event.kind.iter().map(ToString::to_string).collect();
                let known = self.model.fields.iter().map(|field| field.name.as_str());
                let known = known.chain(types.iter().map(String::as_str));
                let place = self.model.fields.iter().position(|field| field.name == *name.get_ref());
                let field = self.at(name.span(), place.ok_or_else(|| unknown("field", name.get_ref(), known)))?;
                let wrong = values.iter().find_map(|value| wrong_value(&self.model.fields[field], value));
                self.at(span, wrong.map_or(Ok(()), Err))?;
                filter.fields.push((field, values));
            }
        }
        // So that two spellings of one filter are one.
        filter.fields.sort_unstable();
        let known = self.model.filters.iter().position(|known| *known == filter);
        Ok(known.unwrap_or_else(|| {
            self.model.filters.push(filter);
            self.model.filters.len() - 1
        }))
    }
}

/// Why a field never has a value.
fn wrong_value(field: &Field, value: &str) -> Option<String> {
    let right = match &field.kind {
        FieldKind::Boolean if !["true", "false"].contains(&value) => "true and false",
        _ if field.is_lower && field.or.as_deref() != Some(value) && value != value.to_lowercase() => {
            "in small letters"
        }
        kind if kind.is_country() && (value.len() != 2 || !value.bytes().all(|it| it.is_ascii_uppercase())) => {
            "codes of two letters, like \"DE\""
        }
        _ => return None,
    };
    Some(format!("the field never is {value:?}; its values are {right}"))
}
