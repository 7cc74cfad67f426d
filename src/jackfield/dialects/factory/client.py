"""The HTTP client that plugins are given: the usual one on the outside, the gateway's broker within."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield.errors import EgressRefused, UpstreamError, UpstreamTimeout
from jackfield.sdk.http import Http

LONGEST_S = 30.0
_FRAMING = frozenset({"content-encoding", "content-length", "transfer-encoding"})


def find_library() -> Any:
    """httpx, or the package that has taken its place. Raises `ModuleNotFoundError`."""
    # Imported here: a gateway without such plugins needs neither.
    try:
        import httpx  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:
        import httpx2

        return httpx2
    return httpx


def open_client(http: Http) -> Any:
    """An `AsyncClient` whose requests are the plugin's own: checked, counted, and only to what it may reach. Answers
    come whole."""
    library = find_library()

    class Broker(library.AsyncBaseTransport):  # type: ignore[name-defined, misc]
        async def handle_async_request(self, request: Any) -> Any:
            body = await request.aread()
            headers = {name: value for name, value in request.headers.items() if name != "host"}
            url, patience = str(request.url), _patience(request)
            try:
                got = await http.request(
                    request.method, url, headers=headers, body=body or None, timeout_s=patience, follow=False
                )
            except UpstreamError as error:
                raise _translate(library, error, request) from error
            kept = [(name, value) for name, value in got.headers.items() if name not in _FRAMING]
            return library.Response(got.status, headers=kept, content=got.body, request=request)

    return library.AsyncClient(transport=Broker(), follow_redirects=False, trust_env=False)


def _patience(request: Any) -> float:
    stated: Mapping[str, Any] = request.extensions.get("timeout") or {}
    return min([LONGEST_S, *(float(value) for value in stated.values() if value)])


def _translate(library: Any, error: UpstreamError, request: Any) -> Exception:
    if isinstance(error, UpstreamTimeout):
        kind = library.ReadTimeout
    elif isinstance(error, EgressRefused):
        kind = library.UnsupportedProtocol
    else:
        kind = library.ConnectError if not error.sent else library.ReadError
    translated: Exception = kind(error.message, request=request)
    return translated


class ClientPool:
    """`http_pool_manager`: one client, whatever it is asked for."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def get_client(self, base_url: str | None = None, **_: Any) -> Any:
        return self._client

    async def get_shared_client(self) -> Any:
        return self._client

    async def get_streaming_client(self, base_url: str | None = None, **_: Any) -> Any:
        return self._client
