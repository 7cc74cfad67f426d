"""`ctx.request`: the HTTP request as web frameworks show it, without credentials."""

from __future__ import annotations

from urllib.parse import quote

from starlette.datastructures import Headers

from jackfield.sdk.context import CREDENTIAL_HEADERS, InboundRequest


class Client:
    __slots__ = ("host", "port")

    def __init__(self, host: str) -> None:
        self.host, self.port = host, 0


class Url:
    __slots__ = ("path", "query")

    def __init__(self, path: str, query: str) -> None:
        self.path, self.query = path, query

    def __str__(self) -> str:
        return quote(self.path) + (f"?{self.query}" if self.query else "")


class RingInbound:
    __slots__ = ("_headers", "_shown", "client", "method", "url")

    def __init__(self, inbound: InboundRequest) -> None:
        self._shown = [pair for pair in inbound.headers if pair[0] not in CREDENTIAL_HEADERS]
        self._headers: Headers | None = None
        self.client, self.method = Client(inbound.client), inbound.method
        self.url = Url(inbound.path, inbound.query.decode("latin-1"))

    @property
    def headers(self) -> Headers:
        """By name in any case."""
        if self._headers is None:
            self._headers = Headers(raw=self._shown)
        return self._headers
