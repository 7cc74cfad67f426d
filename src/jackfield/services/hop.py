"""A plugin's request, as it goes to one place: read strictly at the start, and again for each redirect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urljoin

import msgspec

from jackfield.errors import UpstreamBroken
from jackfield.services.secrets import holds_secret
from jackfield.settings import sounds_secret
from jackfield.transport.decode import ACCEPT_ENCODING
from jackfield.transport.origin import Target, parse_target

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
LARGEST_REQUEST = 1024 * 1024
MOST_HEADERS, LARGEST_HEADERS = 100, 32 * 1024
LONGEST_URL = 8192

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BODILESS = frozenset({"GET", "HEAD"})

# The connection's own, and how the client names itself: what a plugin says of these is left out, as `fetch` does.
_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
_PROXY = "proxy-"
_OF_THE_BODY = frozenset({"content-encoding", "content-language", "content-location", "content-type"})

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
# Control characters, and half characters, which have no encoding.
_NEVER = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# Printable ASCII but the space: what stands in a URL as it is.
_KEPT = "".join(map(chr, range(0x21, 0x7F)))


class Field(msgspec.Struct, frozen=True):
    """A header; its value may hold `{secret:NAME}`."""

    name: str
    value: str

    @property
    def is_credential(self) -> bool:
        """Whether it is meant for one origin only."""
        return sounds_secret(self.name) or holds_secret(self.value)


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    url: str
    target: Target
    fields: tuple[Field, ...]
    body: bytes = b""


def first_hop(agent: str, method: str, url: str, headers: Mapping[str, str] | None, body: Any) -> Hop:
    """Raises `ValueError`, and `EgressRefused` for a URL that may not be asked."""
    method = _read_method(method)
    fields = list(_read_headers(headers or {}))
    content = _read_body(body)
    if content is not None and method in _BODILESS:
        raise ValueError(f"a {method} request has no body")
    if isinstance(content, _Json):
        fields += [] if any(each.name == "content-type" for each in fields) else [_JSON]
    ours = (Field("accept-encoding", ACCEPT_ENCODING.decode()), Field("user-agent", agent))
    url = _read_url(url)
    return Hop(method=method, url=url, target=parse_target(url), fields=(*ours, *fields), body=bytes(content or b""))


def next_hop(hop: Hop, status: int, location: bytes) -> Hop:
    """Where a redirect leads, by the rules of `fetch`: what the first request was for one origin does not go to
    another. Raises `EgressRefused` and `UpstreamBroken`."""
    url = _join(hop, location)
    target = parse_target(url)
    method, body, fields = hop.method, hop.body, hop.fields
    if (status == 303 and method not in _BODILESS) or (status in (301, 302) and method == "POST"):
        method, body = "GET", b""
        fields = tuple(each for each in fields if each.name not in _OF_THE_BODY)
    if target.key != hop.target.key:
        fields = tuple(each for each in fields if not each.is_credential)
    return Hop(method=method, url=url, target=target, fields=fields, body=body)


class _Json(bytes):
    """A body that was encoded here."""


_JSON = Field("content-type", "application/json")


def _read_method(method: str) -> str:
    upper = method.upper() if isinstance(method, str) else ""
    if upper not in METHODS:
        raise ValueError(f"the method {method!r:.40} is none of {', '.join(sorted(METHODS))}")
    return upper


def _read_url(url: str) -> str:
    """Without its fragment; spaces and characters beyond ASCII behind the host are encoded, as browsers do."""
    if not isinstance(url, str):
        raise ValueError("the URL is no text")
    if holds_secret(url):
        raise ValueError("a secret stands in the value of a header, not in the URL")
    tidied = _tidy(url)
    if len(tidied) > LONGEST_URL:
        raise ValueError(f"the URL has more than {LONGEST_URL:,} characters")
    return tidied


def _tidy(url: str) -> str:
    url = url.partition("#")[0]
    found = _AUTHORITY.match(url)
    if found is None or _NEVER.search(url):
        return url
    return found[0] + quote(url[found.end() :], safe=_KEPT)


def _join(hop: Hop, location: bytes) -> str:
    try:
        text = location.decode("utf-8")
    except UnicodeDecodeError:
        text = location.decode("latin-1")
    try:
        url = _tidy(urljoin(hop.url, text.strip(" \t")))
    except ValueError as error:
        raise UpstreamBroken(f"{hop.target.origin}: it redirects to what is no URL") from error
    if len(url) > LONGEST_URL:
        raise UpstreamBroken(f"{hop.target.origin}: it redirects to a URL of more than {LONGEST_URL:,} characters")
    return url


def _read_headers(headers: Mapping[str, str]) -> Iterator[Field]:
    size = 0
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r:.100} is no header name")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise ValueError(f"the value of header {name:.100} is no text that a header can hold")
        size += len(name) + len(value)
        if not _is_ours(name):
            yield Field(name.lower(), value.strip())
    if len(headers) > MOST_HEADERS or size > LARGEST_HEADERS:
        raise ValueError(f"a request has at most {MOST_HEADERS} headers of {LARGEST_HEADERS:,} bytes together")


def _is_ours(name: str) -> bool:
    """Some servers read `_` as `-`."""
    plain = name.lower().replace("_", "-")
    return plain in _OURS or plain.startswith(_PROXY)


def _read_body(body: Any) -> bytes | None:
    """Raises `ValueError`."""
    if body is None:
        return None
    if isinstance(body, str):
        content = body.encode("utf-8", "replace")
    elif isinstance(body, bytes | bytearray | memoryview):
        content = bytes(body)
    else:
        content = _encode(body)
    if len(content) > LARGEST_REQUEST:
        raise ValueError(f"the body has {len(content):,} bytes; a request may have {LARGEST_REQUEST:,}")
    return content


def _encode(body: Any) -> bytes:
    try:
        return _Json(msgspec.json.encode(body))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the body is neither text, bytes nor JSON: {error}") from error
