//! A text that is often a number.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use hashbrown::Equivalent;
use serde::{Deserialize, Serialize};

use crate::SharedStr;

/// A text, kept without an allocation where it is a whole number in its usual spelling, as most ids are.
///
/// `S` is what holds any other text: [`SharedStr`] where it is kept, `&str` where it is looked up. Both hash alike.
/// A text has exactly one representation, so equality of texts is equality of values. The derived order is not
/// that of the texts: see [`Text::cmp_bytes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Text<S = SharedStr> {
    /// The decimal spelling of this number, without sign or leading zeros.
    Number(u64),
    /// Any other text.
    Other(S),
}

impl<'a> From<&'a str> for Text<&'a str> {
    fn from(text: &'a str) -> Self {
        canonical_number(text).map_or(Text::Other(text), Text::Number)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::<&str>::from(text).map(SharedStr::from)
    }
}

impl Equivalent<Text> for Text<&str> {
    fn equivalent(&self, other: &Text) -> bool {
        *self == other.borrowed()
    }
}

impl<S> Text<S> {
    /// The same text, held by what `hold` makes of `S`.
    pub fn map<T>(self, hold: impl FnOnce(S) -> T) -> Text<T> {
        match self {
            Text::Number(number) => Text::Number(number),
            Text::Other(text) => Text::Other(hold(text)),
        }
    }
}

impl<S> Text<S> {
    /// The same text, with what holds it lent.
    pub(crate) fn as_ref(&self) -> Text<&S> {
        match self {
            Text::Number(number) => Text::Number(*number),
            Text::Other(text) => Text::Other(text),
        }
    }
}

impl<S: Clone> Text<&S> {
    /// The same text, held once more.
    pub(crate) fn cloned(self) -> Text<S> {
        self.map(S::clone)
    }
}

impl<S: AsRef<str>> Text<S> {
    /// The same text, borrowed.
    pub fn borrowed(&self) -> Text<&str> {
        match self {
            Text::Number(number) => Text::Number(*number),
            Text::Other(text) => Text::Other(text.as_ref()),
        }
    }

    /// The text itself.
    pub fn to_str(&self) -> Cow<'_, str> {
        match self {
            Text::Number(number) => Cow::Owned(number.to_string()),
            Text::Other(text) => Cow::Borrowed(text.as_ref()),
        }
    }

    /// How much memory it takes, beside itself.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Text::Number(_) => 0,
            Text::Other(text) => text.as_ref().len(),
        }
    }

    /// The order of the texts' bytes, which is Postgres's `COLLATE "C"`.
    pub fn cmp_bytes(&self, other: &Self) -> Ordering {
        self.to_str().as_bytes().cmp(other.to_str().as_bytes())
    }
}

impl<S: AsRef<str>> fmt::Display for Text<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text::Number(number) => number.fmt(f),
            Text::Other(text) => text.as_ref().fmt(f),
        }
    }
}

/// The number whose `to_string` is exactly `text`.
fn canonical_number(text: &str) -> Option<u64> {
    match text.as_bytes() {
        [b'0'] => Some(0),
        // Fewer than 20 digits fit.
        digits @ [b'1'..=b'9', ..] if digits.len() < 20 => digits
            .iter()
            .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))),
        [b'1'..=b'9', ..] => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_kept_as_it_is() {
        let max = u64::MAX.to_string();
        for text in ["0", "7", "42", &max] {
            assert!(matches!(Text::<&str>::from(text), Text::Number(_)), "{text}");
            assert_eq!(Text::<&str>::from(text).to_str(), text);
        }
        for text in ["", "007", "+1", "-1", "1 ", "1.0", "18446744073709551616", "9999999999999999999999", "٣"] {
            assert_eq!(Text::<&str>::from(text), Text::Other(text));
        }
    }

    #[test]
    fn texts_are_ordered_by_their_bytes() {
        let (nine, ten) = (Text::<&str>::from("9"), Text::<&str>::from("10"));
        assert_eq!(ten.cmp_bytes(&nine), Ordering::Less);
        assert_eq!(Text::<&str>::from("1").cmp_bytes(&Text::from("1a")), Ordering::Less);
    }
}
