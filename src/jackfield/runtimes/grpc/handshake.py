"""The first words of a plugin's process: the handshake of go-plugin.

The gateway starts it with a cookie in its environment, and its own certificate; the process prints one line that says
where it listens, and with which certificate.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec

from jackfield.runtimes.grpc.tls import Certificate

COOKIE = ("JACKFIELD_PLUGIN", "2f8a1c6e-jackfield-plugin-v1")
CORE_VERSION, PROTOCOL_VERSION = 1, 1
LONGEST_LINE = 16 * 1024
_LINE = re.compile(rb"^[ \t]*(\d{1,4}\|[^\r\n]*)\r?$", re.MULTILINE)
_NOT_YET = "and until now it has said nothing of where it listens"


class HandshakeRefused(Exception):
    """What it said is not how a plugin begins; says why."""


class Address(msgspec.Struct, frozen=True):
    """A Unix socket's path, or a port of this machine where there is a `port`."""

    host: str
    port: int = 0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else f"unix:{self.host}"


class Handshake(msgspec.Struct, frozen=True):
    """`certificate` is DER."""

    address: Address
    certificate: bytes


def make_environment(own: Certificate, folder: Path) -> Mapping[str, str]:
    """What a plugin finds in its environment; its sockets belong in `folder`."""
    return {
        COOKIE[0]: COOKIE[1],
        "PLUGIN_PROTOCOL_VERSIONS": str(PROTOCOL_VERSION),
        "PLUGIN_CLIENT_CERT": own.certificate.decode(),
        "PLUGIN_UNIX_SOCKET_DIR": str(folder),
        "PLUGIN_MIN_PORT": "10000",
        "PLUGIN_MAX_PORT": "25000",
    }


def find_line(printed: bytes) -> str | None:
    """The line of the handshake among what was printed: what else comes before it are words for people."""
    whole, end, _ = printed.rpartition(b"\n")
    found = _LINE.search(whole) if end else None
    return found[1].decode("utf-8", "replace") if found else None


def read_line(line: str, folder: Path) -> Handshake:
    """Raises `HandshakeRefused`."""
    parts = line.strip().split("|")
    if len(parts) < 4:
        raise HandshakeRefused(f"its first line is no handshake: {line[:100]!r}")
    _check_number("core protocol", parts[0], CORE_VERSION)
    _check_number("plugin protocol", parts[1], PROTOCOL_VERSION)
    kind = parts[4] if len(parts) > 4 else "netrpc"
    if kind != "grpc":
        raise HandshakeRefused(f"it speaks {kind[:20]!r}, and what is spoken here is grpc")
    return Handshake(_read_address(parts[2], parts[3], folder), _read_certificate(parts[5] if len(parts) > 5 else ""))


def _check_number(what: str, given: str, known: int) -> None:
    if given != str(known):
        raise HandshakeRefused(f"it speaks version {given[:20]} of the {what}, and what is spoken here is {known}")


def _read_address(network: str, address: str, folder: Path) -> Address:
    """Only in the folder that it was given, or on this machine: it shall not send the gateway anywhere else."""
    if network == "unix":
        path = Path(address)
        if path.parent != folder or not _is_socket(path):
            raise HandshakeRefused(f"there is no socket {address[:200]!r} in the folder that it was given")
        return Address(address)
    if network == "tcp":
        return read_local(address)
    raise HandshakeRefused(f"it listens at an address of kind {network[:20]!r}, and not unix or tcp")


def read_local(address: str) -> Address:
    """A port of this machine. Raises `HandshakeRefused`."""
    host, _, port = address.rpartition(":")
    try:
        found = Address(host.strip("[]"), int(port))
        local = ipaddress.ip_address(found.host).is_loopback
    except ValueError:
        local = False
    if not local or not 0 < found.port < 65536:
        raise HandshakeRefused(f"{address[:200]!r} is no port of this machine")
    return found


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except OSError:
        return False


def _read_certificate(text: str) -> bytes:
    if not text:
        raise HandshakeRefused("it answered without a certificate: it does not know AutoMTLS")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise HandshakeRefused(f"its certificate is not base64: {error}") from error
