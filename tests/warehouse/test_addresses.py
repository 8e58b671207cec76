"""Who asks, however proxies write it: with ports, in brackets, as IPv6, through several of them."""

import pytest

from warehouse.addresses import client_address, counted_as

PROXIES = ("10.0.0.0/8", "2001:db8:1::/48")


@pytest.mark.parametrize(
    ("forwarded", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:51034", "192.0.2.7"),
        ("192.0.2.7:", "192.0.2.7"),
        ("[2001:db8:9::7]:443", "2001:db8:9::/64"),
        ("[2001:db8:9::7]", "2001:db8:9::/64"),
        ('"[2001:db8:9::7]:47011"', "2001:db8:9::/64"),
        ("2001:db8:9::7", "2001:db8:9::/64"),
        ("2001:db8:9:0:ffff::1", "2001:db8:9::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:80", "192.0.2.7"),
        ("fe80::7%eth0", "fe80::/64"),
        # A second trusted proxy names whom it was asked by; what a stranger wrote before that counts for nothing.
        ("198.51.100.1, 192.0.2.7:1, 10.0.0.3:4444", "192.0.2.7"),
        ("198.51.100.1, 192.0.2.7, [2001:db8:1::3]:9", "192.0.2.7"),
        ("192.0.2.7,, ,10.0.0.3", "192.0.2.7"),
        ("unknown", "unknown"),
        ("", "10.0.0.2"),
    ],
)
def test_a_client_is_one_however_a_trusted_proxy_writes_it(forwarded: str, counted: str) -> None:
    assert counted_as(client_address("10.0.0.2", forwarded, PROXIES)) == counted
    assert counted_as(client_address("::ffff:10.0.0.2", forwarded or "10.0.0.2", PROXIES)) == counted


@pytest.mark.parametrize("peer", ["192.0.2.9", "2001:db8:2::9", "unknown"])
def test_nobody_else_is_believed(peer: str) -> None:
    assert client_address(peer, "198.51.100.1:80", PROXIES) == peer
