"""The head of a request, as bytes. Nothing of a request that could be read as two is ever written."""

from __future__ import annotations

import re

from jackfield.transport.messages import OutgoingRequest
from jackfield.transport.origin import Target, refuse

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset(
    (
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
_BODILY = frozenset(("POST", "PUT", "PATCH"))
_MAX_KNOWN = 4096

_SAFE = bytes(byte for byte in range(256) if byte not in b"\r\n\0")
_join_header = b": ".join

_methods = {name: name.encode("ascii") for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_names: set[bytes] = set()
"""Header names found good, so that each is examined once."""


def encode_head(target: Target, request: OutgoingRequest) -> bytes:
    method = request.method
    lines = [(_methods.get(method) or _check_method(method)) + target.suffix]
    for header in request.headers:
        if header[0] not in _names:
            _check_name(header[0])
        lines.append(_join_header(header))
    if request.body or method in _BODILY:
        lines.append(b"content-length: %d" % len(request.body))
    lines.append(b"\r\n")
    head = b"\r\n".join(lines)
    # Each line brought one line end of ours; any other CR, LF or NUL came inside a value.
    if head.translate(None, _SAFE) != b"\r\n" * (len(lines) + 1):
        raise _name_culprit(request)
    return head


def _check_method(method: str) -> bytes:
    if not method.isascii() or not _TOKEN.fullmatch(method.encode("ascii")):
        raise refuse(f"{method[:40]!r} is no method")
    if method.upper() == "CONNECT":
        raise refuse("the method CONNECT opens tunnels, which this client does not")
    return method.encode("ascii")


def _check_name(name: bytes) -> None:
    if not _TOKEN.fullmatch(name):
        raise refuse(f"{name[:100]!r} is no header name")
    if name.lower() in _OURS:
        raise refuse(f"the header {name.decode('ascii')!r} is the client's own to set")
    if len(_names) < _MAX_KNOWN:
        _names.add(name)


def _name_culprit(request: OutgoingRequest) -> Exception:
    names = (name.decode("ascii") for name, value in request.headers if re.search(rb"[\r\n\0]", value))
    return refuse(f"the value of header {next(names, '?')!r} holds a line break or NUL")
