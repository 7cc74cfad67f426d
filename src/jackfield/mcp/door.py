"""Who may come to `/mcp` at all, told by the head of a request."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from jackfield.mcp.messages import Rejection

Headers = Iterable[tuple[bytes, bytes]]

_EXPOSED = ((b"access-control-expose-headers", b"mcp-session-id, x-request-id"),)
# What a browser is told of calls that it has not made yet: keys come in headers, and never in cookies.
LEAVE = (
    (b"access-control-allow-methods", b"POST"),
    (
        b"access-control-allow-headers",
        b"authorization, x-api-key, content-type, accept, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name, "
        b"x-jackfield-user, x-jackfield-conversation",
    ),
    (b"access-control-max-age", b"600"),
)
JSON_TYPE, EVENTS_TYPE = "application/json", "text/event-stream"


class Door:
    """Turns away pages of other sites that a browser on this machine or in its network was led to: by their `Origin`,
    and where the gateway listens on the machine itself only, by the `Host` that they take it for.

    `hosts` are names that the gateway goes by, `origins` those of pages that may use it, beside the machine's own.
    """

    def __init__(self, listens_on: str, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self._local = is_local(listens_on)
        self._hosts = {host.lower() for host in hosts}
        self._origins = {origin.lower().rstrip("/") for origin in origins}

    def check(self, method: str, headers: Headers) -> Rejection | None:
        told = {name: value.decode("latin-1") for name, value in headers}
        origin = told.get(b"origin")
        if origin is not None and not self._lets_in(origin):
            return Rejection(403, f"Pages of {origin[:200]} may not call this gateway: see `mcp.origins`")
        return self._check_rest(method, told)

    def words_for(self, headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
        """The headers by which a browser shows an answer to a page that may call."""
        origin = next((value for name, value in headers if name == b"origin"), None)
        if origin is None or not self._lets_in(origin.decode("latin-1")):
            return ()
        return ((b"access-control-allow-origin", origin), (b"vary", b"origin"), *_EXPOSED)

    def asks_leave(self, method: str, headers: Headers) -> bool:
        """Whether it is a browser that asks if a page may call at all."""
        return method == "OPTIONS" and any(name == b"access-control-request-method" for name, _ in headers)

    def _check_rest(self, method: str, told: dict[bytes, str]) -> Rejection | None:
        if self._local and not self._goes_by(told.get(b"host", "")):
            host = told.get(b"host", "")
            return Rejection(421, f"This gateway does not go by the name {host[:200]!r}: see `mcp.hosts`")
        if method != "POST":
            return Rejection(405, f"{method} /mcp: use POST; no session is kept that there would be news of")
        if _media_types(told.get(b"content-type", "")) != [JSON_TYPE]:
            return Rejection(415, "The content type must be application/json")
        if not accepts(told.get(b"accept"), JSON_TYPE):
            return Rejection(406, "Accept application/json and text/event-stream")
        return None

    def _lets_in(self, origin: str) -> bool:
        if origin.lower() in self._origins:
            return True
        try:
            return is_local(urlsplit(origin).hostname or "")
        except ValueError:
            return False

    def _goes_by(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return is_local(name) or name in self._hosts or host.lower() in self._hosts


def is_local(name: str) -> bool:
    """Whether this is the machine itself, whoever asks."""
    name = name.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def accepts(header: str | None, wanted: str) -> bool:
    """Without the header all is welcome."""
    if header is None:
        return True
    taken = _media_types(header)
    return "*/*" in taken or wanted in taken or f"{wanted.partition('/')[0]}/*" in taken


def _media_types(header: str) -> list[str]:
    return [each.partition(";")[0].strip().lower() for each in header.split(",")]
