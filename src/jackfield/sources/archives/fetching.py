"""Bringing archives and indexes here: from a file, or over HTTP from where that is allowed."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
import stat
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urljoin, urlsplit, urlunsplit

from jackfield.errors import (
    EgressRefused,
    NotFound,
    TooLarge,
    Unprocessable,
    UpstreamBroken,
    UpstreamError,
    UpstreamTimeout,
)
from jackfield.transport import (
    Deadlines,
    EgressPolicy,
    HttpClient,
    Limits,
    OutgoingRequest,
    Resolver,
    ThreadedResolver,
)

MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
WHOLE_S = 300.0
_DEADLINES = Deadlines(connect_s=10, first_byte_s=30, idle_s=30)


def is_url(source: str) -> bool:
    return "://" in source


def show_url(url: str) -> str:
    """Without what may be secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def read_file(path: Path, max_bytes: int) -> bytes:
    """Raises `NotFound`, `TooLarge`, and `Unprocessable` for what is no regular file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unprocessable(f"{path} is not a regular file", param="source")
            data = stream.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise NotFound(f"cannot read {path}: {reason}", param="source") from error
    if len(data) > max_bytes:
        raise TooLarge(f"{path} is larger than install.max_mb allows ({max_bytes} bytes)", param="source")
    return data


class Fetcher:
    """Over https to public addresses; to `hosts`, which the operator named, at any address, and over http too where
    that is the machine itself."""

    def __init__(
        self,
        hosts: Iterable[str],
        max_bytes: int,
        *,
        resolver: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._named = EgressPolicy.public_only(allow_hosts=hosts)
        self._limits = Limits(max_body_bytes=max_bytes)
        self._resolver, self._tls = resolver or ThreadedResolver(), tls

    async def fetch(self, url: str) -> bytes:
        """Raises `EgressRefused` for an address that is not allowed, else what went wrong on the way."""
        try:
            async with asyncio.timeout(WHOLE_S):
                return await self._follow(url)
        except TimeoutError:
            raise UpstreamTimeout(f"{show_url(url)}: no whole answer within {WHOLE_S:g} s") from None

    async def _follow(self, at: str) -> bytes:
        for _ in range(MOST_REDIRECTS + 1):
            status, location, body = await self._get(at)
            if status not in _REDIRECTS:
                break
            at = urljoin(at, location)
        if status != 200:
            raise UpstreamBroken(f"{show_url(at)}: answered with the status {status}")
        return body

    async def _get(self, url: str) -> tuple[int, str, bytes]:
        client = HttpClient(policy=self._policy_for(url), limits=self._limits, resolver=self._resolver, tls=self._tls)
        try:
            answer = await client.send(OutgoingRequest("GET", url), _DEADLINES)
            location = (answer.header(b"location") or b"").decode("latin-1")
            if answer.status != 200:
                await answer.aclose()
                return answer.status, location, b""
            return answer.status, location, await answer.read()
        finally:
            await client.aclose()

    def _policy_for(self, url: str) -> EgressPolicy:
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").removesuffix(".")
        except ValueError as error:
            raise EgressRefused(f"is not a URL: {error}", sent=False) from error
        named = self._named.lists(host)
        if parts.scheme != "https" and not (parts.scheme == "http" and named and _is_loopback(host)):
            told = "only https, and http to the machine itself where install.hosts names it"
            raise EgressRefused(f"{show_url(url)}: {told}", sent=False)
        return EgressPolicy.anywhere() if named else EgressPolicy.public_only()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def explain(error: UpstreamError) -> Unprocessable:
    """What went wrong on the way, as what is wrong with the `source` that was named."""
    return Unprocessable(f"source: {error.message}", param="source")
