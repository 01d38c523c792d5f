//! Places: a limit of what is served at once, with a lower limit per network, so that others find a place too.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// The network of a peer: its address, or the /64 of an IPv6 address, which a single peer has for itself.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

/// Places of one kind; clones share them.
#[derive(Clone)]
pub(super) struct Places(Arc<Inner>);

struct Inner {
    total: usize,
    per_network: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A place, which is free again when this is dropped.
pub(super) struct Place {
    places: Places,
    network: IpAddr,
}

impl Places {
    pub fn new(total: usize, per_network: usize) -> Places {
        Places(Arc::new(Inner { total, per_network, taken: Mutex::default() }))
    }

    /// A place, if there is one for this network.
    pub fn acquire(&self, network: IpAddr) -> Option<Place> {
        let mut taken = self.0.taken.lock();
        let is_full = taken.values().sum::<usize>() >= self.0.total;
        if is_full || taken.get(&network).is_some_and(|count| *count >= self.0.per_network) {
            return None;
        }
        *taken.entry(network).or_default() += 1;
        Some(Place { places: self.clone(), network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.taken.lock();
        if let Some(count) = taken.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_leaves_places_to_others() {
        let (places, [one, other, third]) = (Places::new(3, 2), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        let acquire = |address: &str| places.acquire(network(address.parse().expect("an address")));
        let (first, _second) = (acquire(one), acquire(one));
        assert!(first.is_some() && acquire(one).is_none(), "it has its share");
        let _third = acquire(other).expect("a place for another");
        assert!(acquire(third).is_none(), "there are no more");
        drop(first);
        assert!(acquire(third).is_some());
    }

    #[test]
    fn a_network_is_what_one_peer_has() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
