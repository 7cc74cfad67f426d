"""A plugin's way to the outside: one broker for all of them."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog

from jackfield.errors import EgressRefused, UpstreamBroken, UpstreamTimeout
from jackfield.sdk.http import HTTP_TIMEOUT_S, HttpResponse
from jackfield.services.allowance import Allowance
from jackfield.services.hop import REDIRECTS, Hop, first_hop, next_hop
from jackfield.services.secrets import Secrets, hide
from jackfield.transport import (
    Deadlines,
    EgressPolicy,
    HttpClient,
    Limits,
    OutgoingRequest,
    Resolver,
    ThreadedResolver,
    UpstreamResponse,
)

OUTBOUND = "http:outbound"
AGENT = "Jackfield-Plugin"
LARGEST_ANSWER = 5 * 1024 * 1024
MOST_REDIRECTS = 5
MOST_AT_ONCE = 10

_LIMITS = Limits(max_body_bytes=LARGEST_ANSWER, max_connections_per_origin=64, max_idle_per_origin=8)
# The deadline that counts is the one over all hops.
_DEADLINES = Deadlines(connect_s=2 * HTTP_TIMEOUT_S, first_byte_s=2 * HTTP_TIMEOUT_S, idle_s=2 * HTTP_TIMEOUT_S)
_IN_AGENT = "!#$&'*+.^_`|~"

log = structlog.get_logger("jackfield.egress")


def open_egress(resolver: Resolver | None = None, tls: ssl.SSLContext | None = None) -> HttpClient:
    """The client that all plugins share. It reaches public addresses only, goes through no proxy, whatever the
    environment says, and keeps no cookies."""
    return HttpClient(
        policy=EgressPolicy.public_only(), limits=_LIMITS, resolver=resolver or ThreadedResolver(), tls=tls
    )


class PluginHttp:
    """`Http` for one plugin.

    `hosts` are those that its manifest lists, `None` where it lists none; `*.example.com` is every name below. Of the
    headers that a plugin gives, those that belong to the connection (`host`, `content-length`, `accept-encoding`,
    `proxy-*` and the like) and `user-agent` are left out. A request counts as one operation, whatever its redirects;
    ten of a plugin's are under way at once, and others wait within their deadline.
    """

    __slots__ = ("_agent", "_allowance", "_client", "_policy", "_secrets", "_turns")

    def __init__(
        self,
        allowance: Allowance,
        client: HttpClient,
        secrets: Secrets,
        hosts: Iterable[str] | None = None,
        *,
        agent: str = AGENT,
    ) -> None:
        """`agent` stands before the plugin's id in `user-agent`."""
        self._allowance, self._client, self._secrets = allowance, client, secrets
        self._policy = EgressPolicy.public_only(allow_hosts=hosts)
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._agent = f"{agent}/{quote(allowance.plugin, safe=_IN_AGENT)}"

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        return await self.request("GET", url, headers=headers)

    async def post(self, url: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        return await self.request("POST", url, headers=headers, body=body)

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
        self._allowance.take(OUTBOUND)
        limit_s = _bound(timeout_s)
        try:
            return await self._within(limit_s, first_hop(self._agent, method, url, headers, body), follow)
        except EgressRefused as error:
            log.warning("egress_refused", plugin=self._allowance.plugin, reason=error.message)
            raise

    async def _within(self, limit_s: float, hop: Hop, follow: bool) -> HttpResponse:
        try:
            async with asyncio.timeout(limit_s), self._turns:
                return await self._go(hop, follow)
        except TimeoutError:
            raise UpstreamTimeout(f"{hop.target.origin}: no whole answer within {limit_s:g} s") from None

    async def _go(self, hop: Hop, follow: bool) -> HttpResponse:
        origin = hop.target.origin
        for _ in range(MOST_REDIRECTS + 1):
            answer, secrets = await self._send(hop)
            location = answer.header(b"location") if follow and answer.status in REDIRECTS else None
            if location is None:
                return await _response(hop, answer, secrets)
            await answer.aclose()
            hop = next_hop(hop, answer.status, location)
        raise UpstreamBroken(f"{origin}: more than {MOST_REDIRECTS} redirects")

    async def _send(self, hop: Hop) -> tuple[UpstreamResponse, tuple[str, ...]]:
        """The head of the answer, and the secrets that were sent for it. The client checks the address; what it has
        been asked before by another plugin says nothing of this one's hosts."""
        self._policy.check_origin(hop.target.origin)
        headers: list[tuple[bytes, bytes]] = []
        sent: tuple[str, ...] = ()
        for field in hop.fields:
            value, secrets = self._secrets.fill(field.value, self._allowance.plugin, hop.target.origin)
            headers.append((field.name.encode("ascii"), value.encode("latin-1")))
            sent += secrets
        return await self._client.send(OutgoingRequest(hop.method, hop.url, tuple(headers), hop.body), _DEADLINES), sent


def _bound(timeout_s: float) -> float:
    if not isinstance(timeout_s, int | float) or not math.isfinite(timeout_s) or timeout_s <= 0:
        raise ValueError(f"timeout_s must be a number above 0, not {timeout_s!r:.40}")
    return min(timeout_s, HTTP_TIMEOUT_S)


async def _response(hop: Hop, answer: UpstreamResponse, secrets: tuple[str, ...]) -> HttpResponse:
    body = await answer.read()
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        text = hide(value, secrets).decode("latin-1")
        known = name.decode("latin-1")
        headers[known] = f"{headers[known]}, {text}" if known in headers else text
    return HttpResponse(
        status=answer.status,
        reason=_reason(answer.status),
        headers=headers,
        body=hide(body, secrets),
        url=hop.url,
    )


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
