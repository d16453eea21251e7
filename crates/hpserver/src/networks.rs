//! Networks, as a config names them, and addresses, as limits count them.
//!
//! It exists because one host of IPv6 has a whole network to choose its address from: whoever counts by
//! address counts those by their first 64 bits.
//!
//! Invariants: an IPv4 address inside an IPv6 one (`::ffff:1.2.3.4`) is that IPv4 address, wherever it is met.
//! Read next: `addresses`, which counts.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// A network: `10.0.0.0/8`, `2001:db8::/32`; a bare address is a network of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// It is no network; says what one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no network: write 10.0.0.0/8, 2001:db8::/32 or one address, without bits beyond the prefix"
)]
pub struct NotANetwork(String);

impl Network {
    /// Whether `address` lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && prefix(address, self.prefix_bits) == prefix(self.address, self.prefix_bits)
    }
}

/// The first bits of an address, the rest of them 0.
fn prefix(address: IpAddr, bits: u8) -> u128 {
    let left_aligned = match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    left_aligned & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.into());
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits: u8 = bits.map_or(Ok(bits_max), str::parse).map_err(|_| wrong())?;
        let is_mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        if prefix_bits > bits_max || is_mapped || prefix(address, prefix_bits) != prefix(address, bits_max) {
            return Err(wrong());
        }
        Ok(Self { address, prefix_bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// The address that stands for all that a limit by address counts as one: an IPv4 address for itself, an IPv6 one
/// for those with the same first 64 bits.
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        let cases = [
            ("127.0.0.0/8", &["127.0.0.1", "127.255.0.9", "::ffff:127.0.0.1"][..], &["128.0.0.1", "::1"][..]),
            ("10.1.2.3", &["10.1.2.3"], &["10.1.2.4"]),
            ("10.1.2.128/25", &["10.1.2.128", "10.1.2.255"], &["10.1.2.127"]),
            ("0.0.0.0/0", &["1.2.3.4", "255.255.255.255"], &["::1"]),
            ("::/0", &["::1", "2001:db8::1"], &["1.2.3.4", "::ffff:1.2.3.4"]),
            ("2001:db8::/32", &["2001:db8:ffff::1"], &["2001:db9::1"]),
            ("::1", &["::1"], &["::2"]),
        ];
        for (text, inside, outside) in cases {
            let network: Network = text.parse().unwrap();
            assert!(inside.iter().all(|it| network.contains(address(it))), "{text}");
            assert!(!outside.iter().any(|it| network.contains(address(it))), "{text}");
            assert_eq!(network.to_string().parse(), Ok(network), "{text}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "2001:db8::/129",
            "2001:db8::1/64",
            "home",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "::ffff:127.0.0.1",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork(text.into())));
        }
    }

    #[test]
    fn one_host_of_ipv6_is_one_household_however_it_calls_itself() {
        let same = |a: &str, b: &str| household(address(a)) == household(address(b));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert!(same("10.0.0.1", "::ffff:10.0.0.1"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
        assert!(!same("255.255.255.255", "::1"));
        assert!(!same("0.0.0.0", "::"));
    }
}
