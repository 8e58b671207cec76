"""Addresses of those who ask: whom a proxy names, who counts as one, and which are of this machine."""

import ipaddress
import re
from collections.abc import Sequence


def client_address(peer: str, forwarded_for: str | None, proxies: Sequence[str]) -> str:
    """Who asks: the other end of the connection, unless that is a proxy that is trusted to name its client.

    Args:
        peer: The other end of the connection.
        forwarded_for: What `X-Forwarded-For` says; every proxy adds at its end whom it was asked by.
        proxies: Addresses and networks of trusted proxies, as `10.0.0.2` or `172.16.0.0/12`; of nobody else is the
            header believed, since whoever asks can write it.
    """
    named = [_without_port(part) for part in (forwarded_for or "").split(",") if part.strip()]
    asking = peer
    while is_among(asking, proxies) and named:
        asking = named.pop()
    return asking


def _without_port(named: str) -> str:
    """The address alone: some proxies write `192.0.2.7:51034`, `[2001:db8::7]:443` or quotes around it.

    Counted with its port, every connection would be somebody else.
    """
    plain = named.strip().strip('"')
    if match := re.fullmatch(r"\[([^\]]*)\](?::\d*)?|([^:]*):\d*", plain):
        return match[1] or match[2] or ""
    return plain


def is_among(address: str, networks: Sequence[str]) -> bool:
    """Whether an address is one of those, or lies in one of those networks."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address in networks
    mapped = getattr(ip, "ipv4_mapped", None) or ip
    return any(mapped in ipaddress.ip_network(network, strict=False) for network in networks)


def counted_as(address: str) -> str:
    """What limits count an address as: of IPv6 its network, of which one customer has all addresses."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:100]
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is None:
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
