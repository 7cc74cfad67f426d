"""Prices from the gateway, from a file of the operator's, and from an address where they are kept up to date.

What takes precedence: the file, the gateway's `usage.prices`, the address, and last what comes with Jackfield.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import stat
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from fastapi import Query
from pydantic import Field

from jackfield.errors import Forbidden, JackfieldError, NotFound
from jackfield.plugins.pricing.book import PriceBook, Source
from jackfield.plugins.pricing.lists import PriceList, read_list
from jackfield.sdk import Plugin, PluginConfig, QuotaExceeded, Usage, current_caller, route

CHECK_S = 60.0
# How long nobody else tries after one has.
CLAIM_S = 300.0
LARGEST = 5 * 1024 * 1024
Tokens = Annotated[int, Query(ge=0, le=1_000_000_000)]


class PricingConfig(PluginConfig):
    file: Path | None = Field(default=None, description="A list on this machine, which counts before all others")
    url: str | None = Field(
        default=None,
        pattern=r"^https://[^\s/]+(/\S*)?$",
        max_length=2000,
        description="Where a list is kept up to date; it counts before what comes with Jackfield",
    )
    headers: Mapping[str, str] = Field(
        default_factory=dict, description="Sent to the address; {secret:NAME} stands for a secret"
    )
    every_s: float = Field(
        default=86_400, ge=300, le=31 * 86_400, description="How old the list from the address may become"
    )
    keep_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="A list with less than this share of the entries of the one before is refused",
    )


class Kept(msgspec.Struct, frozen=True):
    """A list from the address `source`, as all workers have it. `digest` is that of the list in the store."""

    source: str
    at: float
    digest: str


class Pricing(Plugin[PricingConfig]):
    id = "pricing"
    wall: Callable[[], float] = staticmethod(time.time)

    async def on_load(self) -> None:
        self.book = PriceBook()
        self._task: asyncio.Task[None] | None = None
        self._given: tuple[Source, ...] = ()
        self._file: Source | None = None
        self._file_mark: tuple[int, int] | None = None
        self._kept: Kept | None = None
        self._fetched: Source | None = None
        self._not_fetched = ""
        self._source = hashlib.sha256((self.config.url or "").encode()).hexdigest()[:16]
        lists = await self.services.usage.prices()
        self._given = tuple(
            Source(origin="jackfield" if prices is lists[-1] else "settings", list=PriceList(prices))
            for prices in lists
        )
        await self._read_file()
        self._open()
        self.services.shared.provide("pricing", self.book)

    async def on_enable(self) -> None:
        if self.config.url or self.config.file:
            self._task = asyncio.create_task(self._keep_current(), name="prices")

    async def on_disable(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def refresh(self) -> None:
        """Looks for what is new; what is wrong leaves the last good prices, and is told to operators."""
        problems = []
        for step in (self._read_file, self._follow, self._fetch):
            try:
                await step()
            except (JackfieldError, QuotaExceeded, ValueError) as error:
                problems.append(str(error))
        self.report(not problems, "; ".join(problems))

    @route("/lists")
    async def lists(self) -> dict[str, Any]:
        """Where the prices are from and how old they are, those that take precedence first; for admins."""
        caller = current_caller()
        if caller is None or not caller.admin:
            raise Forbidden("only an admin's key may ask")
        return {"lists": [source.tell(_day(self.wall())) for source in self.book.sources]}

    @route("/price")
    async def price(self, model: str, provider: str | None = None) -> dict[str, Any]:
        """US dollars per million tokens, the day on which that was known to hold, and what the model writes at most."""
        price = self.book.price(provider, model)
        if price is None:
            raise NotFound(f"no price is known of {model!r:.200}")
        told: dict[str, Any] = msgspec.to_builtins(price)
        return told | {"max_output": self.book.max_output(provider, model)}

    @route("/cost")
    async def cost(
        self,
        model: str,
        provider: str | None = None,
        input: Tokens = 0,  # noqa: A002 - as usage calls it
        output: Tokens = 0,
        cached: Tokens = 0,
        cache_write: Tokens = 0,
    ) -> dict[str, str]:
        """What so many tokens cost in US dollars."""
        usage = Usage(input=input, output=output, cached=cached, cache_write=cache_write)
        cost = self.book.cost(provider, model, usage)
        if cost is None:
            raise NotFound(f"no price is known of {model!r:.200}")
        return {"cost_usd": f"{cost.normalize():f}"}

    async def _keep_current(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(CHECK_S)

    def _open(self) -> None:
        """Lists of which the first that has a model counts."""
        found = (self._file, *self._given[:-1], self._fetched, *self._given[-1:])
        self.book.open([source for source in found if source is not None])

    async def _read_file(self) -> None:
        """Where it has changed. Raises `ValueError` that names it."""
        file = self.config.file
        if file is None:
            return
        try:
            self._file, self._file_mark = await asyncio.to_thread(self._load, file)
        except (OSError, ValueError) as error:
            raise ValueError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
        self._open()

    def _load(self, file: Path) -> tuple[Source | None, tuple[int, int]]:
        found = file.stat()
        mark = (found.st_mtime_ns, found.st_size)
        if mark == self._file_mark:
            return self._file, mark
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("is no file")
        with file.open("rb") as stream:
            data = stream.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError(f"is larger than {LARGEST // 1024**2} MB")
        listed = read_list(data, _day(found.st_mtime), toml=file.suffix == ".toml")
        return Source(origin="file", list=listed, read_at=found.st_mtime), mark

    async def _follow(self) -> None:
        """Takes what any worker has fetched last."""
        told = await self.services.kv.get("kept") if self.config.url else None
        if told is None:
            return
        try:
            kept = msgspec.convert(told, Kept)
            if kept == self._kept or kept.source != self._source:
                return
            data = await self.services.kv.get("list")
            # Between the one and the other another worker may have put a newer one.
            if isinstance(data, bytes) and _digest(data) == kept.digest:
                self._take(kept, await asyncio.to_thread(msgspec.json.decode, data, type=PriceList))
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            # As another version of Jackfield kept it: the next one that is fetched takes its place.
            self.log.warning("kept_prices_not_understood", reason=str(error))

    async def _fetch(self) -> None:
        """Where the last one is too old, and nobody else is at it. Raises `ValueError` for a list that is none, again
        while nobody tries anew."""
        url, now = self.config.url, self.wall()
        if url is None or (self._kept is not None and now - self._kept.at < self.config.every_s):
            self._not_fetched = ""
            return
        if not await self.services.kv.compare_and_set(f"claim {self._source}", None, True, ttl_s=CLAIM_S):
            if self._not_fetched:
                raise ValueError(self._not_fetched)
            return
        try:
            await self._fetch_from(url, now)
        except (JackfieldError, QuotaExceeded, ValueError) as error:
            self._not_fetched = str(error)
            raise
        self._not_fetched = ""

    async def _fetch_from(self, url: str, now: float) -> None:
        host = urlsplit(url).hostname
        answer = await self.services.http.get(url, headers=self.config.headers)
        if answer.status != 200:
            raise ValueError(f"{host}: answered with {answer.status}")
        try:
            listed = await asyncio.to_thread(read_list, answer.body, _day(now))
            self._compare(listed)
        except ValueError as error:
            raise ValueError(f"{host}: what it lists is refused: it {error}") from error
        data = await asyncio.to_thread(msgspec.json.encode, listed)
        kept = Kept(self._source, now, _digest(data))
        await self.services.kv.set("list", data)
        await self.services.kv.set("kept", msgspec.to_builtins(kept))
        self._take(kept, listed)

    def _compare(self, listed: PriceList) -> None:
        """Raises `ValueError` where too much of what was known is gone."""
        before = self._fetched.list.size if self._fetched is not None else 0
        if listed.size < before * self.config.keep_share:
            raise ValueError(f"has only {listed.size:,} entries of the {before:,} that were there before")

    def _take(self, kept: Kept, listed: PriceList) -> None:
        self._kept, self._fetched = kept, Source(origin="url", list=listed, read_at=kept.at)
        self._open()
        self.log.info("prices_updated", prices=len(listed.prices), left_out=listed.left_out)


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
