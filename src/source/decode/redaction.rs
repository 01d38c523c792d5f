//! What is not kept of the texts of a counted event. By default all of them are kept as they came.

use std::borrow::Cow;

use clap::ValueEnum;
use dataflows::{Event, Text, host, without_emails, without_query};

use super::plan::Plan;
use super::scalar::some_text;

/// What of a counted event's texts is not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redaction {
    /// How much of a URL is kept in fields of that kind.
    pub referrers: Referrers,
    /// Whether e-mail addresses inside texts that visitors can make up are masked.
    pub mask_emails: bool,
}

/// How much of a URL is kept: in the default model the referrer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Referrers {
    /// The URL as it came
    #[default]
    Full,
    /// The URL up to its first ? or #
    NoQuery,
    /// The scheme and the host, like `https://www.example.com`
    Host,
}

impl Redaction {
    /// Whether everything is kept.
    pub fn is_none(self) -> bool {
        self == Redaction::default()
    }

    /// Takes from an event what is not kept.
    #[cold]
    pub(super) fn redact(self, event: &mut Event<'_>, plan: &Plan) {
        for field in plan.urls() {
            let url = &mut event.fields[field];
            *url = match (self.referrers, url.take()) {
                (Referrers::NoQuery, Some(Text::Other(url))) => some_text(up_to_query(url)),
                (Referrers::Host, Some(Text::Other(url))) => origin(&url).map(|origin| Text::Other(Cow::Owned(origin))),
                (Referrers::Host, _) => None,
                (_, url) => url,
            };
        }
        if self.mask_emails {
            for field in plan.open() {
                if let Some(Text::Other(text)) = &mut event.fields[field]
                    && let Some(masked) = without_emails(text)
                {
                    *text = Cow::Owned(masked);
                }
            }
        }
    }
}

/// A URL without its query, in the memory that it had.
pub(super) fn up_to_query(url: Cow<'_, str>) -> Cow<'_, str> {
    match url {
        Cow::Borrowed(url) => Cow::Borrowed(without_query(url)),
        Cow::Owned(mut url) => {
            url.truncate(without_query(&url).len());
            Cow::Owned(url)
        }
    }
}

/// Scheme and host of a URL, in small letters; none if it has not both.
fn origin(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once(':')?;
    let is_scheme = scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let host = host(url).filter(|_| is_scheme)?;
    Some(format!("{}://{host}", scheme.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_referrer_scheme_and_host_are_left() {
        for (url, expected) in [
            ("https://me:secret@WWW.a.de:80/x?y#z", Some("https://www.a.de")),
            ("Android-App://com.a.b/", Some("android-app://com.a.b")),
            ("https://[::1]:80/", Some("https://[::1]")),
            ("me@a.b x://c.de/", None),
            ("about:blank", None),
            ("www.a.de", None),
            ("12", None),
        ] {
            assert_eq!(origin(url).as_deref(), expected, "{url}");
        }
    }
}
