"""Pages for models: text of the hosts that the operator allows, and of no others."""

from __future__ import annotations

import asyncio
from email.message import Message
from typing import Annotated, Any
from urllib.parse import urljoin, urlsplit

from pydantic import Field

from jackfield.sdk import Health, HttpResponse, Plugin, PluginConfig, ToolFailed, UpstreamError, tool

from .page_text import Page, read_html, tidy

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 5
HTML = frozenset({"text/html", "application/xhtml+xml"})
PLAIN = frozenset({"application/json", "application/xml", "application/javascript"})

Url = Annotated[str, Field(max_length=2000, description="An address that begins with https://")]
Start = Annotated[int, Field(ge=0, description="At which character to go on, as a former answer said")]
Host = Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+$")]


class FetchConfig(PluginConfig):
    hosts: tuple[Host, ...] = Field((), description="Who may be asked; *.example.com is every name below example.com")
    timeout_s: float = Field(10, gt=0, le=10, description="How long a page may take, its redirects together")
    largest_kb: int = Field(1024, ge=1, le=5120, description="How much of a page is read; the rest is cut")
    most_chars: int = Field(20_000, ge=100, le=60_000, description="How much text one answer has; the rest is cut")


class WebFetch(Plugin[FetchConfig]):
    """Reads pages."""

    async def health(self) -> Health:
        return Health(bool(self.config.hosts), "" if self.config.hosts else "no hosts are allowed: set hosts")

    @tool("Reads a web page and gives its text. Long pages are cut: call again with `start` to go on.")
    async def fetch(self, url: Url, start: Start = 0) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.config.timeout_s):
                answer = await self._get(url)
        except TimeoutError:
            raise ToolFailed(f"{url} did not answer within {self.config.timeout_s:g} s") from None
        except UpstreamError as error:
            raise ToolFailed(f"{url} cannot be read: {error.message}") from error
        except ValueError as error:
            raise ToolFailed(f"{url!r} is no address: {error}") from error
        if answer.status >= 400:
            raise ToolFailed(f"{answer.url} answered {answer.status} {answer.reason}".rstrip())
        return await self._tell(answer, start)

    async def _get(self, url: str) -> HttpResponse:
        """Redirects are followed here, since each must lead to a host that is allowed."""
        for _ in range(MOST_REDIRECTS + 1):
            self._check(url)
            answer = await self.services.http.request("GET", url, timeout_s=self.config.timeout_s, follow=False)
            location = answer.headers.get("location")
            if answer.status not in REDIRECTS or location is None:
                return answer
            url = urljoin(url, location)
        raise ToolFailed(f"{url} redirects more than {MOST_REDIRECTS} times")

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http"):
            raise ToolFailed(f"{url!r} is no address that begins with https://")
        host = (parts.hostname or "").rstrip(".")
        if not any(_is_listed(host, listed) for listed in self.config.hosts):
            allowed = ", ".join(self.config.hosts) or "none"
            raise ToolFailed(f"{host!r} is not among the hosts that may be read: {allowed}")

    async def _tell(self, answer: HttpResponse, start: int) -> dict[str, Any]:
        largest = self.config.largest_kb * 1024
        # A page of a megabyte takes a while: other requests go on meanwhile.
        page = await asyncio.to_thread(_read, answer, largest)
        if start and start >= len(page.text):
            raise ToolFailed(f"The text has only {len(page.text):,} characters")
        end = start + self.config.most_chars
        told: dict[str, Any] = {"url": answer.url, "title": page.title, "text": page.text[start:end]}
        if end < len(page.text):
            told["cut"] = f"The text has {len(page.text):,} characters; go on with start={end}"
        if len(answer.body) > largest:
            told["not_read"] = f"Of {len(answer.body):,} bytes only the first {largest:,} were read"
        return told


def _is_listed(host: str, listed: str) -> bool:
    return host.endswith(listed[1:]) if listed.startswith("*.") else host == listed


def _read(answer: HttpResponse, largest: int) -> Page:
    kind = Message()
    kind["content-type"] = answer.headers.get("content-type", "text/html")
    media = kind.get_content_type()
    text = _decode(answer.body[:largest], kind.get_content_charset("utf-8"))
    if media in HTML:
        return read_html(text)
    if media.startswith("text/") or media in PLAIN or media.endswith(("+json", "+xml")):
        return Page("", tidy(text) if media == "text/plain" else text)
    raise ToolFailed(f"{answer.url} is {media}, not text")


def _decode(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")
