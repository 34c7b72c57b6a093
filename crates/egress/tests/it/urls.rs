//! What `vet` makes of URLs, spelled in every way that has fooled somebody.

use std::collections::HashMap;

use tidings_egress::{Egress, Options, Policy, ResolverChoice, UrlRefused};

/// The default rules, except that http is allowed, so that hosts decide.
fn egress() -> Egress {
    with(Policy { https_only: false, ..Policy::default() })
}

fn with(policy: Policy) -> Egress {
    let resolver = ResolverChoice::Fixed(HashMap::new());
    Egress::new(policy, Options { resolver, ..Options::default() }).unwrap()
}

fn code(egress: &Egress, url: &str) -> &'static str {
    egress.vet(url).map_or_else(|refused| refused.code(), |_| "ok")
}

#[test]
fn every_spelling_of_a_private_ipv4_address_is_refused() {
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7F.1",
        "0x7f.0x1",
        "127.0x1",
        "0x7f.0x0.0x0.0x1",
        "017700000001",
        "0177.0.0.1",
        "0177.0x0.0.1",
        "00000177.0.0.01",
        "127.000.000.001",
        "127.0.0.1.",
        "127.0.0.1.:80",
        "127.0.0.1:0080",
        "127.255.255.254",
        "１２７.０.０.１",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "127.0.0.1\u{3002}",
        "%31%32%37.0.0.1",
        "1\n27.0.0.1",
        "0",
        "00",
        "0000000",
        "0x",
        "0x.0x.0x.0x",
        "0.0.0.0",
        "2852039166",
        "0xa9fea9fe",
        "169.254.43518",
        "4294967295",
        "10.0.0.1",
        "192.168.0.1",
        "168.63.129.16",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
    ];
    let egress = egress();
    for host in hosts {
        assert_eq!(code(&egress, &format!("http://{host}/")), "url_address", "{host}");
    }
}

#[test]
fn every_spelling_of_a_private_ipv6_address_is_refused() {
    let hosts = [
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[0:0::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:0001]",
        "[::FFFF:a9fe:a9fe]",
        "[::127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[::5efe:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[2002:7f00:1::1]",
        "[2002:a9fe:a9fe::1]",
        "[2001:0:7f00:1::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fd20:ce::254]",
        "[ff02::1]",
        "[100::1]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[5f00::1]",
        "[1::1]",
    ];
    let egress = egress();
    for host in hosts {
        assert_eq!(code(&egress, &format!("http://{host}/")), "url_address", "{host}");
    }
    let nonsense = [
        "[fe80::1%25lo]",
        "[fe80::1%lo]",
        "[::ffff:127.0.0.1%25eth0]",
        "[127.0.0.1]",
        "[example.com]",
        "[::1].",
        "[::00001]",
    ];
    for host in nonsense {
        assert_eq!(code(&egress, &format!("http://{host}/")), "url_invalid", "{host}");
    }
}

#[test]
fn names_of_machines_and_private_networks_are_refused() {
    let hosts = [
        "localhost",
        "LOCALHOST.",
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "loc%61lhost",
        "loc\u{ad}alhost",
        "local\u{200b}host",
        "x.localhost",
        "ip6-localhost",
        "db",
        "-1",
        "1e9",
        "db.internal",
        "a.local",
        "host.docker.internal",
        "kubernetes.default.svc",
        "metadata",
        "metadata.google.internal",
        "127.0.0.1..",
        "a..example",
        "a!b.example",
        "router.home.arpa",
        "localhost.localdomain",
    ];
    let egress = egress();
    for host in hosts {
        assert_eq!(code(&egress, &format!("http://{host}/")), "url_name", "{host}");
    }
}

/// These names are fine as text; what they resolve to is judged at the dial.
#[test]
fn public_names_pass_the_text_rules() {
    let hosts = [
        "127.0.0.1.nip.io",
        "169.254.169.254.nip.io",
        "localtest.me",
        "example.com",
        "EXAMPLE.com.",
        "a_b.example",
        "notlocalhost.example",
        "münchen.example",
        "internal.example",
        "a.b.c.d.example",
    ];
    let egress = egress();
    for host in hosts {
        assert_eq!(code(&egress, &format!("http://{host}/")), "ok", "{host}");
    }
}

#[test]
fn confusing_urls_are_read_as_they_will_be_dialled() {
    let corpus = [
        ("http://public.example@127.0.0.1/", "url_userinfo"),
        ("http://public.example:80@127.0.0.1/", "url_userinfo"),
        ("http://127.0.0.1@public.example/", "url_userinfo"),
        ("http://:secret@public.example/", "url_userinfo"),
        ("http://127.0.0.1:80#@public.example/", "url_address"),
        ("http://127.0.0.1?@public.example/", "url_address"),
        ("http://public.example#@127.0.0.1/", "ok"),
        ("http://public.example\\@127.0.0.1/", "ok"),
        ("http://127.0.0.1\\.public.example/", "url_address"),
        ("http:127.0.0.1/", "url_address"),
        ("http:///127.0.0.1/", "url_address"),
        ("http:\\\\127.0.0.1/", "url_address"),
        ("http://pub\tlic.example/", "ok"),
        ("http://127.0.0.1%00.public.example/", "url_invalid"),
        ("http://127.0.0.1%0d%0aX:1/", "url_invalid"),
        ("http://public.example:0/", "url_port"),
        ("http://public.example:22/", "url_port"),
        ("http://public.example:25/", "url_port"),
        ("https://public.example:6379/", "url_port"),
        ("http://public.example:65536/", "url_invalid"),
        ("http://256.256.256.256/", "url_invalid"),
        ("http://1.2.3.4.5/", "url_invalid"),
        ("http://0x100000000/", "url_invalid"),
        ("http://4294967296/", "url_invalid"),
        ("file:///etc/passwd", "url_scheme"),
        ("gopher://public.example/", "url_scheme"),
        ("dict://public.example/", "url_scheme"),
        ("ftp://public.example/", "url_scheme"),
        ("ws://public.example/", "url_scheme"),
        ("unix:/run/x.sock", "url_scheme"),
        ("http+unix://x/", "url_scheme"),
        ("data:text/plain,x", "url_scheme"),
        ("javascript:alert(1)", "url_scheme"),
        ("HTTP://public.example/", "ok"),
        ("//public.example/", "url_invalid"),
        ("http://", "url_invalid"),
        ("", "url_invalid"),
    ];
    let egress = egress();
    for (url, expected) in corpus {
        assert_eq!(code(&egress, url), expected, "{url:?}");
    }
}

#[test]
fn public_controls_pass_under_the_default_rules() {
    let egress = with(Policy::default());
    let controls = [
        "https://[2606:4700::1]/",
        "https://93.184.216.34/",
        "https://[64:ff9b::5db8:d822]/",
        "https://example.com/hook?x=1",
        "https://example.com:8443/",
    ];
    for url in controls {
        assert_eq!(code(&egress, url), "ok", "{url}");
    }
}

#[test]
fn http_needs_loopback_or_a_relaxed_rule() {
    let strict = with(Policy::default());
    assert_eq!(code(&strict, "http://example.com/"), "url_https_only");
    let develop = with(Policy { allow_loopback: true, ..Policy::default() });
    assert_eq!(code(&develop, "http://example.com/"), "url_https_only");
    for url in ["http://127.0.0.1:8080/", "http://localhost:3000/", "http://[::1]/"] {
        assert_eq!(code(&develop, url), "ok", "{url}");
    }
}

#[test]
fn an_opened_range_brings_its_names_along() {
    let allow = vec!["10.0.0.0/8".parse().unwrap()];
    let egress = with(Policy { allow, ..Policy::default() });
    assert_eq!(code(&egress, "https://db.internal/"), "ok");
    assert_eq!(code(&egress, "https://receiver:8443/"), "ok");
    assert_eq!(code(&egress, "https://10.2.3.4/"), "ok");
    assert_eq!(code(&egress, "https://localhost/"), "url_name");
}

#[test]
fn a_target_is_normalised() {
    let egress = egress();
    let target = egress.vet("HTTPS://Example.COM.:443/a b?q=1#part").unwrap();
    assert_eq!(target.url(), "https://example.com./a%20b?q=1");
    assert_eq!(target.host(), "example.com");
    assert_eq!(format!("{target:?}"), "Target(example.com:443)");
    assert_eq!(egress.vet("http://[2606:4700::1]:8080").unwrap().host(), "2606:4700::1");
}

#[test]
fn length_is_bounded() {
    let egress = egress();
    let fits = format!("https://example.com/{}", "a".repeat(2048 - 20));
    assert_eq!(fits.len(), 2048);
    assert_eq!(code(&egress, &fits), "ok");
    assert_eq!(egress.vet(&format!("{fits}a")).unwrap_err(), UrlRefused::TooLong);
    assert_eq!(code(&egress, &format!("https://{}.example/", "a".repeat(64))), "url_name");
    assert_eq!(code(&egress, &format!("https://{}example/", "abcdefg.".repeat(40))), "url_name");
}
