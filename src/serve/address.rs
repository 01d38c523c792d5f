//! Where the page is served.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// The default address of the page, which only this machine can reach.
pub const DEFAULT: Address = Address::At(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080));

/// An address to listen at, as `host:port`, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// There is no page.
    Off,
    /// At this address; port 0 is any that is free.
    At(SocketAddr),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Address::Off);
        }
        let found = text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
        found.map(Address::At).ok_or_else(|| "expected host:port, like 127.0.0.1:8080, or off".into())
    }
}

impl Display for Address {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Address::Off => formatter.write_str("off"),
            Address::At(address) => address.fmt(formatter),
        }
    }
}
