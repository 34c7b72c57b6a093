//! The address rule, range by range and through every embedding.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tidings_egress::{AddressRefused, Policy, verdict};

fn judge(text: &str) -> Result<(), AddressRefused> {
    verdict(text.parse().unwrap(), &Policy::default())
}

#[test]
fn special_ipv4_ranges_are_refused() {
    let corpus = [
        "0.0.0.0",
        "0.0.0.1",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.0.0.2",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.31.196.1",
        "192.52.193.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.175.48.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
    ];
    for text in corpus {
        assert!(judge(text).is_err(), "{text}");
    }
}

#[test]
fn special_ipv6_ranges_are_refused() {
    let corpus = [
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "::127.0.0.1",
        "::93.184.216.34",
        "::ffff:0:7f00:1",
        "::5efe:7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1::5db8:d822",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::1",
        "2002:5db8:d822::1",
        "2001:0:7f00:1::1",
        "2001:2::1",
        "2001:10::1",
        "2001:1ff:ffff::1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "ff02::1",
        "100::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "1::1",
        "4000::1",
    ];
    for text in corpus {
        assert!(judge(text).is_err(), "{text}");
    }
}

#[test]
fn public_addresses_are_allowed() {
    let controls = [
        "93.184.216.34",
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "168.63.129.15",
        "223.255.255.255",
        "2606:4700::1",
        "2000::1",
        "2001:200::1",
        "2001:20::1",
        "2001:4:112::1",
        "2001:db9::1",
        "2003::1",
        "3ffe::1",
        "::ffff:93.184.216.34",
        "64:ff9b::5db8:d822",
    ];
    for text in controls {
        assert_eq!(judge(text), Ok(()), "{text}");
    }
}

/// The first and the last address of each range are refused, and their neighbours outside are not.
#[test]
fn ranges_end_where_their_registry_says() {
    let ranges = [
        ("10.0.0.0", "10.255.255.255"),
        ("100.64.0.0", "100.127.255.255"),
        ("127.0.0.0", "127.255.255.255"),
        ("168.63.129.16", "168.63.129.16"),
        ("169.254.0.0", "169.254.255.255"),
        ("172.16.0.0", "172.31.255.255"),
        ("192.0.0.0", "192.0.0.255"),
        ("192.0.2.0", "192.0.2.255"),
        ("192.31.196.0", "192.31.196.255"),
        ("192.52.193.0", "192.52.193.255"),
        ("192.88.99.0", "192.88.99.255"),
        ("192.168.0.0", "192.168.255.255"),
        ("192.175.48.0", "192.175.48.255"),
        ("198.18.0.0", "198.19.255.255"),
        ("198.51.100.0", "198.51.100.255"),
        ("203.0.113.0", "203.0.113.255"),
    ];
    let address = |bits: u32| verdict(Ipv4Addr::from(bits).into(), &Policy::default());
    for (first, last) in ranges {
        let bits = |text: &str| u32::from(text.parse::<Ipv4Addr>().unwrap());
        let (low, high) = (bits(first), bits(last));
        for inside in [low, low.midpoint(high), high] {
            assert!(address(inside).is_err(), "{first}: {}", Ipv4Addr::from(inside));
        }
        for outside in [low - 1, high + 1] {
            assert_eq!(address(outside), Ok(()), "{first}: {}", Ipv4Addr::from(outside));
        }
    }
    // These reach to an end of the space.
    assert!(address(0).is_err() && address(0x00ff_ffff).is_err());
    assert_eq!(address(0x0100_0000), Ok(()));
    assert_eq!(address(0xdfff_ffff), Ok(()));
    assert!(address(0xe000_0000).is_err() && address(u32::MAX).is_err());
}

/// Every embedding of an IPv4 address, over a walk through the whole space: mapped and NAT64 take
/// the verdict of the address inside; the tunnels are always refused.
#[test]
fn embedded_addresses_cannot_hide() {
    let policy = Policy::default();
    // A step that is coprime to 2^32 visits every region.
    let walk = (0..100_000_u32).map(|i| Ipv4Addr::from(i.wrapping_mul(2_654_435_769)));
    for inner in walk {
        let [a, b, c, d] = inner.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let plain = verdict(inner.into(), &policy);
        let transparent = [
            Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        ];
        for form in transparent {
            assert_eq!(verdict(form.into(), &policy), plain, "{form}");
        }
        let refused = [
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0x5efe, high, low),
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x5efe, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !high, !low),
        ];
        for form in refused {
            assert!(verdict(form.into(), &policy).is_err(), "{form}");
        }
    }
}

#[test]
fn loopback_opens_loopback_and_nothing_else() {
    let policy = Policy { allow_loopback: true, ..Policy::default() };
    let judge = |text: &str| verdict(text.parse::<IpAddr>().unwrap(), &policy);
    for text in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(judge(text), Ok(()), "{text}");
    }
    for text in ["0.0.0.0", "::", "::127.0.0.1", "10.0.0.1", "169.254.169.254"] {
        assert!(judge(text).is_err(), "{text}");
    }
}

#[test]
fn an_operators_range_opens_itself_in_every_spelling() {
    let allow = vec!["10.1.0.0/16".parse().unwrap(), "fd00:1::/32".parse().unwrap()];
    let policy = Policy { allow, ..Policy::default() };
    let judge = |text: &str| verdict(text.parse::<IpAddr>().unwrap(), &policy);
    for text in ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd00:1::7"] {
        assert_eq!(judge(text), Ok(()), "{text}");
    }
    for text in ["10.2.0.1", "::10.1.2.3", "fd00:2::7", "127.0.0.1"] {
        assert!(judge(text).is_err(), "{text}");
    }
}
