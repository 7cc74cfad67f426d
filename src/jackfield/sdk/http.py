"""A plugin's way to the outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

HTTP_TIMEOUT_S = 10.0


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Header names are lower case. `url` is where it came from, after redirects."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    url: str

    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Raises `msgspec.DecodeError` where it is none."""
        return msgspec.json.decode(self.body)


class Http(Protocol):
    """Needs `http:outbound`. Only public addresses can be reached, and of these only hosts that the manifest lists,
    where it lists any. `{secret:NAME}` in a header's value stands for a secret that the operator has given this plugin
    for this host; the plugin never sees it.

    Raises `EgressRefused` for what may not be reached, another `UpstreamError` for what cannot be, `ValueError` for a
    request that is none. A status of 400 and above is an answer like any other.
    """

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        timeout_s: float = HTTP_TIMEOUT_S,
        follow: bool = True,
    ) -> HttpResponse:
        """`body` is bytes or text as it is, or a JSON value. Redirects are followed, each hop checked like the
        first; without `follow` the redirect itself is the answer."""

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpResponse: ...

    async def post(self, url: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> HttpResponse: ...
