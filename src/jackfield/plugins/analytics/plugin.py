"""Questions to the ledger over HTTP.

An admin's key sees all. Any other sees what its app has asked for, or without an app what it has asked for itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import Field

from jackfield.errors import Forbidden, Malformed, RateLimited
from jackfield.sdk import Plugin, PluginConfig, current_caller, route

# How the gateway is run is nobody's business but an admin's.
WITHHELD = ("namespace", "worker")
HOUR_S, DAYS_FROM_H = 3600, 72
LONGEST_H = 366 * 24
TOP = "10"
# However many ask: the store has more to do.
AT_ONCE = 2
PATIENCE_S = 10.0
LATENCIES = ("total_ms", "first_byte_ms")
Row = dict[str, Any]
Asked = dict[str, str]


class AnalyticsConfig(PluginConfig):
    for_apps: bool = Field(default=True, description="Whether who is no admin may ask for what is theirs")


class Analytics(Plugin[AnalyticsConfig]):
    id = "analytics"
    wall: Callable[[], float] = staticmethod(time.time)

    async def on_load(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)

    @route("/usage")
    async def usage(self, request: Request) -> Row:
        """A page of records, newest first, or sums by `group_by`; parameters and answer are as at `/api/v1/usage`."""
        return await self._query(self._asked(_read(request)))

    @route("/percentiles/{measure}")
    async def percentiles(self, measure: str, request: Request) -> Row:
        """How `total_ms`, `first_byte_ms`, tokens or cost spread, by `group_by`; parameters are as at `/usage`."""
        return await self._rank(measure, self._asked(_read(request)))

    @route("/summary")
    async def summary(self, hours: Annotated[float, Query(gt=0, le=LONGEST_H)] = 24) -> Row:
        """The last hours: totals, their course, what took most of them, and how long it took."""
        until = self.wall()
        asked = self._asked({"from": repr(until - hours * HOUR_S), "to": repr(until)})
        course = await self._query({**asked, "group_by": "hour" if hours < DAYS_FROM_H else "day", "limit": "1000"})
        told: Row = {"from": until - hours * HOUR_S, "to": until, "totals": course["totals"]}
        told["course"] = course["groups"]
        for name in ("model", "upstream", "key", "error"):
            answer = await self._query({**asked, "group_by": name, "limit": TOP})
            told[f"by_{name}"] = answer["groups"]
        for measure in LATENCIES:
            spread = await self._rank(measure, asked)
            told[measure] = next(iter(spread["groups"]), None)
        return told

    def _asked(self, given: Asked) -> Asked:
        """What is asked, narrowed to what the caller may see. Raises `Forbidden` for what is another's."""
        scope = self._scope()
        if scope is None:
            return given
        for name, own in scope.items():
            if given.get(name, own) != own:
                raise Forbidden(f"{name}: this key may ask only for its own, {own!r}", param=name)
        hidden = [name for name in given.get("group_by", "").split(",") if name in WITHHELD]
        if hidden or "namespace" in given:
            raise Forbidden(f"only an admin's key may ask by {', '.join(hidden or ['namespace'])}")
        return given | scope

    def _scope(self) -> Asked | None:
        """`None` for an admin. Raises `Forbidden`."""
        caller = current_caller()
        if caller is not None and caller.admin:
            return None
        if caller is None or caller.credential is None or not self.config.for_apps:
            raise Forbidden("only an admin's key may ask")
        return {"app": caller.app} if caller.app else {"key": caller.credential}

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Raises `RateLimited` where others keep the store busy."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._turns.acquire()
        except TimeoutError as error:
            raise RateLimited("others are asking: ask again later", retry_after_s=PATIENCE_S) from error
        try:
            yield
        finally:
            self._turns.release()

    async def _query(self, asked: Asked) -> Row:
        """Raises `Malformed`."""
        try:
            async with self._turn():
                answer = dict(await self.services.usage.query(asked))
        except ValueError as error:
            raise Malformed(str(error)) from error
        return {**answer, "totals": self._show(answer["totals"])} | {
            name: self._show_all(answer[name]) for name in ("records", "groups") if name in answer
        }

    async def _rank(self, measure: str, asked: Asked) -> Row:
        """Raises `Malformed`."""
        try:
            async with self._turn():
                return dict(await self.services.usage.percentiles(measure, asked))
        except ValueError as error:
            raise Malformed(str(error)) from error

    def _show_all(self, rows: Iterable[Mapping[str, Any]]) -> list[Row]:
        return [self._show(row) for row in rows]

    def _show(self, row: Mapping[str, Any]) -> Row:
        """With the cost in dollars, where it is known."""
        shown = dict(row) if self._scope() is None else {name: row[name] for name in row if name not in WITHHELD}
        cost = shown.get("cost_nanousd")
        return {**shown, "cost_usd": None if cost is None else cost / 1e9} if "cost_nanousd" in shown else shown


def _read(request: Request) -> Asked:
    """Raises `Malformed` where a parameter is given twice: only one of its values could count."""
    given: Asked = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise Malformed(f"{name}: is given twice", param=name)
        given[name] = value
    return given
