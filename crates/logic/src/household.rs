//! Who counts as one when addresses are counted.
//!
//! Why: a host of IPv6 has a whole network to choose its address from.
//! Read next: [`crate::back_off`], [`crate::asked_for`].

use core::net::{IpAddr, Ipv6Addr};

/// An IPv4 address, also one written as IPv6, or the /64 that an IPv6 address is one of.
pub(crate) fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_a_64_are_one_and_a_mapped_address_is_itself() {
        let of = |text: &str| household(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::"), of("2001:db8:1:3::"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
