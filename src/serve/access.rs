//! Access to the page and its JSON: for everyone, by a password, or for users that a proxy names.

use std::fmt::{self, Debug, Formatter};
use std::str::FromStr;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use openssl::base64::decode_block;
use openssl::memcmp;
use sha2::{Digest, Sha256};

use super::error::ApiError;

/// Characters of a password: a shorter one is found by brute force.
const PASSWORD_LENGTH_MIN: usize = 8;

/// Headers that any request may have, so none of them can name a user.
const NO_USER: [&str; 14] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "connection",
    "cookie",
    "forwarded",
    "host",
    "origin",
    "referer",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// Who may see the page.
#[derive(Clone, Debug, Default)]
pub enum Access {
    /// Everyone who reaches it.
    #[default]
    Open,
    /// Those who know the password, under any user name.
    Password(Password),
    /// Requests in which a proxy names a user.
    Proxy(UserHeader),
}

impl Access {
    fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        match self {
            Access::Password(password) if !password.is_in(headers) => Err(ApiError::password_needed()),
            Access::Proxy(header) if !header.is_in(headers) => Err(ApiError::user_needed()),
            _ => Ok(()),
        }
    }
}

/// Middleware that refuses requests without access.
pub(super) async fn check_access(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// A password, kept as a digest, so that the time of a comparison reveals nothing, not even its length.
#[derive(Clone)]
pub struct Password([u8; 32]);

impl Debug for Password {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

impl FromStr for Password {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            _ if text.chars().any(char::is_control) => Err("a password is one line, without control characters".into()),
            _ if text.chars().count() < PASSWORD_LENGTH_MIN => {
                Err(format!("a password has at least {PASSWORD_LENGTH_MIN} characters"))
            }
            _ => Ok(Password(Sha256::digest(text).into())),
        }
    }
}

impl Password {
    /// Whether the request has it, as in [RFC 7617](https://www.rfc-editor.org/rfc/rfc7617).
    fn is_in(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).and_then(|given| given.to_str().ok()?.split_once(' '));
        let Some((_, given)) = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")) else { return false };
        let Ok(pair) = decode_block(given.trim()) else { return false };
        let Some(colon) = pair.iter().position(|byte| *byte == b':') else { return false };
        memcmp::eq(&Sha256::digest(&pair[colon + 1..]), &self.0)
    }
}

/// The header in which a proxy names the user. It is trusted, so nobody but the proxy may reach the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserHeader(HeaderName);

impl FromStr for UserHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name: HeaderName =
            text.parse().map_err(|_| "expected the name of a header, like X-Forwarded-User".to_owned())?;
        if NO_USER.contains(&name.as_str()) {
            return Err("every request has this header, so it names nobody; expected one like X-Forwarded-User".into());
        }
        Ok(UserHeader(name))
    }
}

impl UserHeader {
    fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.get(&self.0).is_some_and(|user| !user.as_bytes().trim_ascii().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use openssl::base64::encode_block;

    use super::*;

    #[test]
    fn only_the_password_opens_it() -> Result<(), String> {
        let password: Password = "pass:wörd 1".parse()?;
        let is_in = |header: &str| {
            let value = HeaderValue::from_str(header).map_err(|error| error.to_string())?;
            Ok::<_, String>(password.is_in(&[(AUTHORIZATION, value)].into_iter().collect()))
        };
        let encoded = |text: &str| encode_block(text.as_bytes());
        for right in ["me:pass:wörd 1", ":pass:wörd 1"] {
            for scheme in ["Basic", "basic", "BASIC"] {
                assert!(is_in(&format!("{scheme} {}", encoded(right)))?, "{scheme} {right}");
            }
            assert!(!is_in(&format!("Bearer {}", encoded(right)))?, "of another scheme");
        }
        for wrong in ["", "me", "me:", "pass:wörd 1", "me:pass:wörd ", "me:pass:wörd 12", "me:PASS:wörd 1"] {
            assert!(!is_in(&format!("Basic {}", encoded(wrong)))?, "{wrong}");
        }
        assert!(
            !is_in("Basic")? && !is_in("Basic !!!")? && !is_in("Basic ====")? && !password.is_in(&HeaderMap::new())
        );
        assert_eq!(format!("{password:?}"), "Password(…)");
        assert!("1234567".parse::<Password>().is_err() && "12345678\n9".parse::<Password>().is_err());
        Ok(())
    }

    #[test]
    fn a_header_that_everyone_sends_names_no_user() {
        assert_eq!("X-Forwarded-User".parse(), Ok(UserHeader(HeaderName::from_static("x-forwarded-user"))));
        for text in ["", "a b", "X-Forwarded-For", "cookie", "Host"] {
            assert!(text.parse::<UserHeader>().is_err(), "{text}");
        }
    }
}
