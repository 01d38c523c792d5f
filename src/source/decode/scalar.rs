//! A member's value, interpreted.

use std::borrow::Cow;

use dataflows::{FieldText, Text, without_query};

use super::Reason;
use super::members::Form;
use super::redaction::up_to_query;

/// The longest text of a field that is counted, in bytes: it must fit a row of an index.
pub(super) const TEXT_BYTES_MAX: usize = 1_024;
/// The longest URL that is counted, in bytes. Each one is kept in memory for good, and anybody may make one up.
pub(super) const URL_BYTES_MAX: usize = 2_048;

/// A JSON value, as far as fields tell them apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    /// null, or no such member
    Null,
    /// false
    False,
    /// true
    True,
    /// A number, as it is spelt.
    Number(&'a str),
    /// A text, its escapes resolved.
    Text(Cow<'a, str>),
    /// An array or object.
    Nested,
}

impl<'a> Scalar<'a> {
    /// Interprets what stands at the end of the way to a member. An error if it is a text with half of a surrogate pair, or if
    /// the way does not go there.
    #[inline(always)]
    pub fn read(json: &'a str, form: Form, member: &str) -> Result<Self, Reason> {
        match form {
            Form::Plain => Ok(Scalar::Text(Cow::Borrowed(&json[1..json.len() - 1]))),
            Form::Any => Scalar::of_spelling(json, member),
            Form::Blocking => Err(Reason::NoWay { member: member.into() }),
        }
    }

    /// The text, if it is one.
    pub fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The same for any value.
    #[inline(never)]
    fn of_spelling(json: &'a str, member: &str) -> Result<Self, Reason> {
        Ok(match json.as_bytes()[0] {
            b'"' if json.contains('\\') => {
                let text = serde_json::from_str(json).map_err(|_| Reason::LoneSurrogate { member: member.into() })?;
                Scalar::Text(Cow::Owned(text))
            }
            b'"' => Scalar::Text(Cow::Borrowed(&json[1..json.len() - 1])),
            b'n' => Scalar::Null,
            b'f' => Scalar::False,
            b't' => Scalar::True,
            b'{' | b'[' => Scalar::Nested,
            _ => Scalar::Number(json),
        })
    }
}

/// The id in a member: a text, or a whole number in decimal. None for null, false and "".
pub(super) fn id<'a>(value: Scalar<'a>, field: &str) -> Result<Option<FieldText<'a>>, Reason> {
    let bad = || Reason::BadId { field: field.into() };
    match value {
        Scalar::Null | Scalar::False => Ok(None),
        Scalar::Text(text) => short(text, field),
        Scalar::Number(number) => whole_number(number).map(Some).ok_or_else(bad),
        Scalar::True | Scalar::Nested => Err(bad()),
    }
}

/// The text in a member. None for null, false and "".
pub(super) fn text<'a>(value: Scalar<'a>, field: &str) -> Result<Option<FieldText<'a>>, Reason> {
    some(value, field)?.map_or(Ok(None), |text| short(text, field))
}

/// The URL in a member, a very long one without its query. None for null, false and "".
pub(super) fn url<'a>(value: Scalar<'a>, field: &str) -> Result<Option<FieldText<'a>>, Reason> {
    match some(value, field)? {
        Some(text) if text.len() > URL_BYTES_MAX => shortened(text, field),
        text => Ok(text.and_then(some_text)),
    }
}

/// `true` or `false`, as JSON has it or as a text. None for null and "".
pub(super) fn boolean(value: Scalar<'_>, field: &str) -> Result<Option<FieldText<'static>>, Reason> {
    let text = match value {
        Scalar::True => "true",
        Scalar::False => "false",
        Scalar::Null => return Ok(None),
        Scalar::Text(text) => match &*text {
            "true" => "true",
            "false" => "false",
            "" => return Ok(None),
            _ => return Err(Reason::BadBoolean { field: field.into() }),
        },
        Scalar::Number(_) | Scalar::Nested => return Err(Reason::BadBoolean { field: field.into() }),
    };
    Ok(Some(Text::Other(Cow::Borrowed(text))))
}

/// A text that a field keeps whole, if it is not too long for that.
pub(super) fn short<'a>(text: Cow<'a, str>, field: &str) -> Result<Option<FieldText<'a>>, Reason> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Reason::TooLong { field: field.into(), limit: TEXT_BYTES_MAX });
    }
    Ok(some_text(text))
}

fn some<'a>(value: Scalar<'a>, field: &str) -> Result<Option<Cow<'a, str>>, Reason> {
    match value {
        Scalar::Null | Scalar::False => Ok(None),
        Scalar::Text(text) => Ok(Some(text)),
        Scalar::Number(_) | Scalar::True | Scalar::Nested => Err(Reason::BadText { field: field.into() }),
    }
}

/// A URL that is too long, without its query.
#[cold]
fn shortened<'a>(text: Cow<'a, str>, field: &str) -> Result<Option<FieldText<'a>>, Reason> {
    if !(1..=URL_BYTES_MAX).contains(&without_query(&text).len()) {
        return Err(Reason::LongUrl { field: field.into() });
    }
    // What is cut off is checked too.
    if matches!(text, Cow::Owned(_)) && text.contains('\0') {
        return Err(Reason::Nul { field: field.into() });
    }
    Ok(some_text(up_to_query(text)))
}

/// A text, or none if there is nothing in it.
pub(super) fn some_text(text: Cow<'_, str>) -> Option<FieldText<'_>> {
    if text.is_empty() {
        None
    } else if let Text::Number(number) = Text::<&str>::from(&*text) {
        Some(Text::Number(number))
    } else {
        Some(Text::Other(text))
    }
}

/// The decimal spelling of a JSON number that is whole and fits 64 bits, signed or unsigned.
pub(super) fn whole_number(number: &str) -> Option<FieldText<'static>> {
    let value: i128 = if number.contains(['.', 'e', 'E']) {
        let value: f64 = number.parse().ok()?;
        // 2^64 is a double, so the comparison is exact; the cast of a whole number in range is too.
        (value.fract() == 0.0 && value.abs() <= 18_446_744_073_709_551_616.0).then_some(value as i128)?
    } else {
        number.parse().ok()?
    };
    match u64::try_from(value) {
        Ok(value) => Some(Text::Number(value)),
        Err(_) => i64::try_from(value).ok().map(|value| Text::Other(Cow::Owned(value.to_string()))),
    }
}
