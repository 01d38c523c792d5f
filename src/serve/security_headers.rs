//! Keeps other sites out of the page, and texts of events from being run as scripts.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

const HEADERS: [(HeaderName, &str); 3] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The Content-Security-Policy: nothing is loaded from elsewhere, nothing is inline, and only these sites may frame the page.
#[derive(Clone)]
pub(super) struct Policy(HeaderValue);

impl Policy {
    /// Without ancestors no site may frame the page.
    pub fn new(ancestors: &[FrameAncestor]) -> Policy {
        let ancestors: Vec<_> = ancestors.iter().map(|ancestor| ancestor.0.as_str()).collect();
        let ancestors = if ancestors.is_empty() { "'none'".into() } else { ancestors.join(" ") };
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors {ancestors}"
        );
        // A site is plain ASCII, so this always is a valid header; otherwise nothing would be allowed.
        Policy(policy.parse().unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")))
    }
}

/// Adds these headers to every answer, and `no-cache` unless it has its own.
pub(super) async fn add_headers(State(policy): State<Policy>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy.0);
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    response
}

/// A site that may show the page in a frame, as a Content-Security-Policy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameAncestor(String);

impl FromStr for FrameAncestor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "self" {
            return Ok(FrameAncestor("'self'".into()));
        }
        let wrong = || "expected self or a site like https://wiki.example or https://*.shop.example".to_owned();
        let text = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
        let (scheme, site) = text.split_once("://").ok_or_else(wrong)?;
        let (name, port) = site.rsplit_once(':').unwrap_or((site, "443"));
        let is_site = ["http", "https"].contains(&scheme)
            && name.strip_prefix("*.").unwrap_or(name).parse::<HostName>().is_ok()
            && port.parse::<u16>().is_ok();
        if is_site { Ok(FrameAncestor(text)) } else { Err(wrong()) }
    }
}

/// A host name of the page, in the network or behind a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let belongs = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        match text.trim_end_matches('.') {
            name if !name.is_empty() && name.chars().all(belongs) => Ok(HostName(name.to_ascii_lowercase())),
            _ => Err("expected the name of a host, like shop.example, without a port".into()),
        }
    }
}

/// The host names that requests may use. An IP address is always allowed, as no site can turn its own name into one.
#[derive(Clone)]
pub(super) struct Hosts(Arc<[HostName]>);

impl Hosts {
    /// Allows `localhost`, addresses, and these.
    pub fn new(allowed: &[HostName]) -> Hosts {
        Hosts(allowed.into())
    }

    fn allow(&self, host: &str) -> bool {
        // Without the port: only digits after the last colon, unlike in an IPv6 address in brackets.
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let is_address = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => name.parse::<Ipv4Addr>().is_ok(),
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        is_address || name == "localhost" || self.0.iter().any(|allowed| allowed.0 == name)
    }
}

/// Refuses other host names: a site that points its name at this server (DNS rebinding) could read what its visitors may.
pub(super) async fn check_host(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if hosts.allow(host) { next.run(request).await } else { ApiError::wrong_host().into_response() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_localhost_addresses_and_listed_names_are_allowed() {
        let hosts = Hosts::new(&[HostName("shop.example".into())]);
        for host in ["localhost", "LocalHost:8080", "127.0.0.1:8080", "10.0.0.7", "[::1]:8080", "[2001:db8::1]"] {
            assert!(Hosts::new(&[]).allow(host), "{host}");
        }
        for host in ["shop.example", "SHOP.Example:8080", "shop.example."] {
            assert!(hosts.allow(host) && !Hosts::new(&[]).allow(host), "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example", "localhost:80:80", "[::1]x", "x.shop.example", "[]"]
        {
            assert!(!hosts.allow(host), "{host}");
        }
    }

    #[test]
    fn a_name_has_neither_port_nor_scheme() {
        assert_eq!("Shop.Example.".parse(), Ok(HostName("shop.example".into())));
        for text in ["", ".", "shop.example:80", "http://shop.example", "*", "a b"] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_listed_sites_may_frame_it() {
        let policy = |texts: &[&str]| {
            let ancestors: Result<Vec<_>, _> = texts.iter().map(|text| text.parse()).collect();
            let policy = Policy::new(&ancestors.expect("sites")).0;
            policy.to_str().expect("a text").rsplit_once("; ").expect("parts").1.to_owned()
        };
        assert_eq!(policy(&[]), "frame-ancestors 'none'");
        let sites = ["self", "https://Wiki.example/", "http://*.shop.example:8000"];
        assert_eq!(policy(&sites), "frame-ancestors 'self' https://wiki.example http://*.shop.example:8000");
        for text in
            ["", "*", "none", "wiki.example", "https://", "https://a/b", "https://a; script-src *", "https://a b"]
        {
            assert!(text.parse::<FrameAncestor>().is_err(), "{text}");
        }
    }
}
