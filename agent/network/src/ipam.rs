//! Which subnet, which address: pure choices.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// Subnets for the predefined network, in order of preference: /16 of private ranges that few others use.
pub(crate) fn default_pool() -> impl Iterator<Item = Ipv4Net> {
    sixteens()
}

/// Subnets for user-made networks: /20 (4,093 endpoints) out of the same ranges, without the first choice of the
/// predefined network.
pub(crate) fn user_pool() -> impl Iterator<Item = Ipv4Net> {
    sixteens()
        .skip(1)
        .flat_map(|net| net.subnets(20).into_iter().flatten())
}

fn sixteens() -> impl Iterator<Item = Ipv4Net> {
    let ten = (88..96).map(|second| Ipv4Addr::new(10, second, 0, 0));
    let one_seven_two = (20..32).map(|second| Ipv4Addr::new(172, second, 0, 0));
    ten.chain(one_seven_two)
        .map(|address| Ipv4Net::new_assert(address, 16))
}

/// The first subnet that overlaps none of those taken.
pub(crate) fn first_free(
    mut pool: impl Iterator<Item = Ipv4Net>,
    taken: &[Ipv4Net],
) -> Option<Ipv4Net> {
    pool.find(|candidate| taken.iter().all(|other| !overlap(candidate, other)))
}

/// Whether two subnets share an address.
pub(crate) fn overlap(a: &Ipv4Net, b: &Ipv4Net) -> bool {
    a.contains(b) || b.contains(a)
}

/// Whether a route is so wide that it means "everything" (a default route, or the halves that VPNs put over it) and
/// says nothing of what is in use.
pub(crate) fn is_catch_all(route: &Ipv4Net) -> bool {
    route.prefix_len() < 4
}

/// Every address that an endpoint may have, once, beginning behind `last`: an address that was just given back is the
/// last to be given again.
pub(crate) fn candidates(
    subnet: Ipv4Net,
    gateway: Ipv4Addr,
    last: Option<Ipv4Addr>,
) -> impl Iterator<Item = Ipv4Addr> {
    let (first, size) = usable(subnet);
    let start = match last.map(u32::from) {
        Some(last) if (first..first.saturating_add(size)).contains(&last) => last - first + 1,
        _ => 0,
    };
    (0..size)
        .map(move |step| Ipv4Addr::from(first + (start + step) % size))
        .filter(move |address| *address != gateway)
}

/// Whether an endpoint may ask for this address.
pub(crate) fn is_usable(subnet: Ipv4Net, gateway: Ipv4Addr, address: Ipv4Addr) -> bool {
    let (first, size) = usable(subnet);
    address != gateway
        && u32::from(address)
            .checked_sub(first)
            .is_some_and(|offset| offset < size)
}

/// The first address after the network's own, and how many there are up to the broadcast address (without it).
fn usable(subnet: Ipv4Net) -> (u32, u32) {
    let first = u32::from(subnet.network()).saturating_add(1);
    (first, u32::from(subnet.broadcast()).saturating_sub(first))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn pools_go_round_what_is_taken() {
        let check = |taken: &[&str], default: &str, user: &str| {
            let taken: Vec<Ipv4Net> = taken.iter().map(|t| net(t)).collect();
            assert_eq!(
                first_free(default_pool(), &taken),
                Some(net(default)),
                "{taken:?}"
            );
            assert_eq!(
                first_free(user_pool(), &taken),
                Some(net(user)),
                "{taken:?}"
            );
        };
        check(&[], "10.88.0.0/16", "10.89.0.0/20");
        check(&["192.168.0.0/24"], "10.88.0.0/16", "10.89.0.0/20");
        check(&["10.88.7.0/24"], "10.89.0.0/16", "10.89.0.0/20");
        check(
            &["10.88.0.0/16", "10.89.0.0/20", "10.89.16.5/32"],
            "10.90.0.0/16",
            "10.89.32.0/20",
        );
        check(&["10.0.0.0/8"], "172.20.0.0/16", "172.20.0.0/20");
        assert_eq!(
            first_free(user_pool(), &[net("10.0.0.0/8"), net("172.16.0.0/12")]),
            None
        );
    }

    #[test]
    fn addresses_go_round() {
        let check = |subnet: &str, gateway: &str, last: Option<&str>, expected: &[&str]| {
            let gateway = gateway.parse().unwrap();
            let found: Vec<String> =
                candidates(net(subnet), gateway, last.map(|l| l.parse().unwrap()))
                    .map(|a| a.to_string())
                    .collect();
            assert_eq!(found, expected);
        };
        check(
            "10.1.0.0/29",
            "10.1.0.1",
            None,
            &["10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"],
        );
        check(
            "10.1.0.0/29",
            "10.1.0.1",
            Some("10.1.0.4"),
            &["10.1.0.5", "10.1.0.6", "10.1.0.2", "10.1.0.3", "10.1.0.4"],
        );
        check(
            "10.1.0.0/29",
            "10.1.0.6",
            Some("10.9.9.9"),
            &["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5"],
        );
        check("10.1.0.0/30", "10.1.0.1", Some("10.1.0.2"), &["10.1.0.2"]);
        check("10.1.0.0/31", "10.1.0.1", None, &[]);
        check("10.1.0.0/32", "10.1.0.0", None, &[]);
    }

    proptest! {
        #[test]
        fn candidates_are_usable_and_complete(address: u32, prefix in 20u8..=32, last: u32) {
            let subnet = Ipv4Net::new(Ipv4Addr::from(address), prefix).unwrap().trunc();
            let gateway = subnet.hosts().next().unwrap();
            let all: Vec<Ipv4Addr> = candidates(subnet, gateway, Some(Ipv4Addr::from(last))).collect();
            let set: BTreeSet<_> = all.iter().collect();
            prop_assert_eq!(set.len(), all.len());
            prop_assert!(all.iter().all(|a| is_usable(subnet, gateway, *a) && subnet.contains(a)));
            let expected = (1u64 << (32 - prefix)).saturating_sub(3);
            prop_assert_eq!(all.len() as u64, expected);
        }
    }
}
