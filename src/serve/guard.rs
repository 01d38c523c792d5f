//! What keeps other sites out of the page, and what is in events from being more than text.

use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::refusal::Refusal;

/// Nothing comes from elsewhere, nothing is inline, and no other site may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Every answer gets these headers, and is asked for again unless it says otherwise.
pub(super) async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    response
}

/// The names under which the page may be asked for.
#[derive(Clone, Copy)]
pub(super) enum Hosts {
    /// Those of this machine alone.
    ThisMachine,
    /// Whatever name a network or a proxy gives it.
    Any,
}

impl Hosts {
    pub fn of(address: SocketAddr) -> Hosts {
        if address.ip().is_loopback() { Hosts::ThisMachine } else { Hosts::Any }
    }

    fn know(self, host: &str) -> bool {
        // Without the port, which has no colon behind the last bracket of an IPv6 address.
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        matches!(self, Hosts::Any) || matches!(name, "localhost" | "127.0.0.1" | "[::1]")
    }
}

/// A site whose name was made to point at this machine (DNS rebinding) could otherwise read what only this machine may.
pub(super) async fn check_host(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if hosts.know(host) { next.run(request).await } else { Refusal::wrong_host().into_response() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_known() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]"] {
            assert!(Hosts::ThisMachine.know(host), "{host}");
        }
        for host in ["", "shop.example", "shop.example:8080", "127.0.0.1.shop.example", "localhost:80:80", "[::1]x"] {
            assert!(!Hosts::ThisMachine.know(host), "{host}");
        }
        assert!(Hosts::Any.know("shop.example"));
    }
}
