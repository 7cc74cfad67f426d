"""Asking one service over HTTP: JSON out, JSON back, each question within its time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote as quote_path

from jackfield.errors import ConfigError, UpstreamError
from jackfield.runtimes.http.errors import (
    INTERNAL_ERROR,
    STATUSES,
    Fault,
    ServiceFault,
    fault_of_transport,
    not_understood,
    read_fault,
    read_json,
)
from jackfield.transport.check import EgressPolicy
from jackfield.transport.client import HttpClient
from jackfield.transport.messages import Deadlines, Limits, OutgoingRequest
from jackfield.transport.response import UpstreamResponse

MAX_BODY_BYTES = 16 * 1024 * 1024
CONNECT_S = 5.0

_HEADERS = ((b"content-type", b"application/json"), (b"accept", b"application/json"))
_STREAM_HEADERS = ((b"content-type", b"application/json"), (b"accept", b"application/x-ndjson"))


def open_client() -> HttpClient:
    """The operator wrote the addresses, so any will do; an answer beyond the bound is refused. Each question has a
    connection of its own: who takes no new ones is not well, whatever it says on an old one."""
    limits = Limits(max_body_bytes=MAX_BODY_BYTES, max_idle_per_origin=0)
    return HttpClient(policy=EgressPolicy.anywhere(), limits=limits)


class Service:
    """The service at `endpoint`. Redirects are answers like any other, and no answers of ours."""

    def __init__(self, endpoint: str, client: HttpClient) -> None:
        """Raises `ConfigError`."""
        if not endpoint:
            raise ConfigError("endpoint is required", field="endpoint")
        self.endpoint, self._client = endpoint.rstrip("/"), client

    def url(self, path: str) -> str:
        return f"{self.endpoint}/{quote_path(path)}"

    async def get(self, path: str, deadline_s: float) -> Any:
        """Raises `ServiceFault`."""
        return await self._ask(OutgoingRequest("GET", self.url(path), _HEADERS), deadline_s)

    async def post(self, path: str, body: bytes, deadline_s: float) -> Any:
        """Raises `ServiceFault`."""
        return await self._ask(OutgoingRequest("POST", self.url(path), _HEADERS, body), deadline_s)

    async def answers(self, path: str, deadline_s: float) -> Fault | None:
        """Whether there is anybody, whatever they say: `None`, or why not."""
        try:
            response = await self._client.send(OutgoingRequest("GET", self.url(path), _HEADERS), _within(deadline_s))
            await response.aclose()
        except UpstreamError as error:
            return fault_of_transport(error)
        return None

    async def _ask(self, request: OutgoingRequest, deadline_s: float) -> Any:
        try:
            response = await self._client.send(request, _within(deadline_s))
            body = await response.read()
        except UpstreamError as error:
            raise ServiceFault(fault_of_transport(error)) from error
        _check_status(response, body)
        if not body.strip():
            return None
        try:
            return read_json(body)
        except ValueError as error:
            raise ServiceFault(not_understood(body, f"it answered what is not JSON: {error}")) from error

    async def lines(self, path: str, body: bytes, deadline_s: float) -> AsyncIterator[bytes]:
        """The pieces of a streamed answer, as they come; `deadline_s` is for each. Raises `ServiceFault`."""
        deadlines = Deadlines(min(CONNECT_S, deadline_s), deadline_s, deadline_s)
        try:
            response = await self._client.send(
                OutgoingRequest("POST", self.url(path), _STREAM_HEADERS, body), deadlines
            )
            try:
                if response.status >= 300:
                    _check_status(response, await response.read())
                async for piece in response.chunks():
                    yield piece
            finally:
                await response.aclose()
        except UpstreamError as error:
            raise ServiceFault(fault_of_transport(error)) from error


def _check_status(response: UpstreamResponse, body: bytes) -> None:
    if 200 <= response.status < 300:
        return
    if response.status < 400:
        where = (response.header(b"location") or b"nowhere").decode("latin-1")[:200]
        told = f"status {response.status}: it sends us on to {where}, where we do not follow"
        raise ServiceFault(Fault(code=INTERNAL_ERROR, message=told, status=STATUSES[INTERNAL_ERROR]))
    raise ServiceFault(read_fault(response.status, body))


def _within(deadline_s: float) -> Deadlines:
    return Deadlines(min(CONNECT_S, deadline_s), deadline_s, deadline_s, deadline_s)
