"""Where a URL leads, read strictly: what two parsers might understand differently is refused."""

from __future__ import annotations

import ipaddress
import re

import msgspec

from jackfield.errors import EgressRefused

_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class Origin(msgspec.Struct, frozen=True):
    """`host` is lower case, without a trailing dot, and an IPv6 literal stands without brackets."""

    scheme: str
    host: str
    port: int
    literal: bool
    """The host is an address; there is nothing to look up."""

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Target(msgspec.Struct, frozen=True):
    """`key` names the origin's pool; `suffix` follows the method on the wire, up to the caller's headers."""

    origin: Origin
    key: str
    suffix: bytes


def parse_target(url: str) -> Target:
    """Refuses by naming the part that is wrong, never the whole URL: a query may hold a secret."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise refuse("a URL holds only printable ASCII without spaces and backslashes")
    found = _URL.match(url)
    if found is None:
        raise refuse("a URL begins with http:// or https://")
    scheme = found["scheme"].lower()
    if scheme not in _PORTS:
        raise refuse(f"the scheme {scheme!r} is neither http nor https")
    origin = _parse_authority(scheme, found["authority"])
    target = (found["path"] or "/") + (found["query"] or "")
    suffix = f" {target} HTTP/1.1\r\nhost: {origin.authority}".encode("ascii")
    return Target(origin, str(origin), suffix)


def refuse(reason: str) -> EgressRefused:
    return EgressRefused(f"request refused: {reason}", sent=False)


def _parse_authority(scheme: str, authority: str) -> Origin:
    if "@" in authority:
        raise refuse("a URL must not hold a user name or password")
    if authority.startswith("["):
        host, bracket, port = authority[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise refuse("the IPv6 address in the URL has no closing bracket")
        return Origin(scheme, _parse_ipv6(host), _parse_port(scheme, port[1:]), literal=True)
    host, _, port = authority.partition(":")
    host, literal = _parse_host(host.lower())
    return Origin(scheme, host, _parse_port(scheme, port), literal)


def _parse_ipv6(host: str) -> str:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        raise refuse(f"{host!r} is no IPv6 address") from None
    if address.scope_id is not None:
        raise refuse(f"{host!r} holds a zone id")
    return address.compressed


def _parse_host(host: str) -> tuple[str, bool]:
    host = host.removesuffix(".")
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise refuse(f"{host[:253]!r} is no host name")
    if not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return host, False
    try:
        return ipaddress.IPv4Address(host).compressed, True
    except ValueError:
        raise refuse(f"{host!r} is no IPv4 address of four decimal numbers") from None


def _parse_port(scheme: str, port: str) -> int:
    if not port:
        return _PORTS[scheme]
    if not port.isdigit() or len(port) > 5 or not 0 < int(port) < 65536:
        raise refuse(f"{port[:20]!r} is no port")
    return int(port)
