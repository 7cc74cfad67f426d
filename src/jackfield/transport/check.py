"""Which hosts and addresses may be connected to.

The check that counts is `check_address`: it sees the very address that the socket is about to connect to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import msgspec

from jackfield.errors import EgressRefused
from jackfield.transport.origin import Origin

_REFUSED_V4 = {
    ipaddress.IPv4Network(network): kind
    for network, kind in (
        ("0.0.0.0/8", "this-network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud metadata"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
}
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = {
    ipaddress.IPv6Network(network): kind
    for network, kind in (
        ("::1/128", "loopback"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("2001::/32", "Teredo"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "unique-local"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
}
# Names that only a local network knows: a public resolver has no answer, so whoever has one leads inwards.
_LOCAL_SUFFIXES = ("internal", "local", "localhost", "localdomain", "home.arpa")
_CARRIES_V4 = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
_ISATAP = 0x5EFE


class EgressPolicy(msgspec.Struct, frozen=True):
    """Made by `anywhere()` or `public_only()`."""

    public: bool
    hosts: frozenset[str] | None = None
    ports: frozenset[int] | None = None

    @classmethod
    def anywhere(cls) -> EgressPolicy:
        """For what the operator configured."""
        return cls(public=False)

    @classmethod
    def public_only(
        cls, *, allow_hosts: Iterable[str] | None = None, allow_ports: Iterable[int] | None = None
    ) -> EgressPolicy:
        """`allow_hosts` (`*.example.com`: every name below) and `allow_ports` narrow it; `None` does not."""
        hosts = None
        if allow_hosts is not None:
            hosts = frozenset(host.lower().removesuffix(".") for host in allow_hosts)
        return cls(public=True, hosts=hosts, ports=None if allow_ports is None else frozenset(allow_ports))

    def check_origin(self, origin: Origin) -> None:
        if self.hosts is not None and not self.lists(origin.host):
            raise EgressRefused(f"{origin}: the host is not on the list of allowed hosts", sent=False)
        if self.ports is not None and origin.port not in self.ports:
            raise EgressRefused(f"{origin}: port {origin.port} is not allowed", sent=False)
        if origin.literal:
            self.check_address(origin, origin.host)
        elif self.public and is_local_name(origin.host):
            raise EgressRefused(f"{origin}: {origin.host} is a name of the local network, not a public one", sent=False)

    def check_address(self, origin: Origin, address: str) -> None:
        kind = classify_address(address) if self.public else None
        if kind is not None:
            raise EgressRefused(f"{origin}: {address} is a {kind} address, not a public one", sent=False)

    def lists(self, host: str) -> bool:
        """Whether the host is on the list, or there is none."""
        if self.hosts is None or host in self.hosts:
            return True
        labels = host.split(".")
        return any("*." + ".".join(labels[cut:]) in self.hosts for cut in range(1, len(labels)))


def is_local_name(host: str) -> bool:
    """Whether a host name, in lower case and without a trailing dot, has its meaning from the local network alone."""
    return "." not in host or any(f".{host}".endswith(f".{suffix}") for suffix in _LOCAL_SUFFIXES)


def classify_address(text: str) -> str | None:
    """Why the address is not public; `None` if it is."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "malformed"
    if isinstance(address, ipaddress.IPv4Address):
        return _classify_v4(address)
    if any(address in network for network in _CARRIES_V4):
        return _classify_v4(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return _classify_v6(address)


def _classify_v4(address: ipaddress.IPv4Address) -> str | None:
    return next((kind for network, kind in _REFUSED_V4.items() if address in network), None)


def _classify_v6(address: ipaddress.IPv6Address) -> str | None:
    for network, kind in _REFUSED_V6.items():
        if address in network:
            return kind
    if address not in _GLOBAL_V6 or address.scope_id is not None:
        return "reserved"
    return "ISATAP" if (int(address) >> 32) & 0xFCFFFFFF == _ISATAP else None
