"""Questions to the ledger, as `GET /api/v1/usage` asks them."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.control.owned import OwnedTask
from jackfield.errors import Malformed
from jackfield.stores.database import Database
from jackfield.stores.ledger import BUCKETS, GROUPS, MEASURES, Cursor, Ledger, Page, Ranks, Sums, UsageFilter

MOST = 1000
DAY_S = 86400.0
# Soon, for a gateway that is started anew again and again; but not while it starts.
FIRST_SWEEP_S = 30.0
SWEEP_S = 3600.0
STATUS_CLASSES = {"2xx": 2, "3xx": 3, "4xx": 4, "5xx": 5}
TEXTS = {
    "namespace": "namespace",
    "key": "key_id",
    "app": "app",
    "user": "user",
    "model": "model",
    "provider": "provider",
    "upstream": "upstream",
    "operation": "operation",
    "plugin": "plugin",
}
PARAMETERS = (*TEXTS, "stream", "status", "from", "to", "group_by", "limit", "cursor")

log = structlog.get_logger(__name__)


class UsageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked. With `group_by` the answer is sums, else a page of records."""

    chosen: UsageFilter
    group_by: tuple[str, ...] = ()
    limit: int = 100
    cursor: Cursor | None = None

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> Self:
        """Query-string parameters as text. Raises `Malformed`, which names the parameter and what would
        do."""
        for name in parameters:
            if name not in PARAMETERS:
                raise Malformed(f"unknown parameter {name!r}{_nearest(name, PARAMETERS)}", param=name)
        texts = {field: parameters[name] for name, field in TEXTS.items() if name in parameters}
        chosen = UsageFilter(
            **texts,
            stream=_choice(parameters, "stream", {"true": True, "false": False}),
            status_class=_choice(parameters, "status", STATUS_CLASSES),
            since=_instant(parameters, "from"),
            until=_instant(parameters, "to"),
        )
        groups = tuple(dict.fromkeys(name for name in parameters.get("group_by", "").split(",") if name))
        for name in groups:
            if name not in GROUPS and name not in BUCKETS:
                hint = _nearest(name, (*GROUPS, *BUCKETS))
                raise Malformed(f"group_by: cannot group by {name!r}{hint}", param="group_by")
        return cls(chosen=chosen, group_by=groups, limit=_limit(parameters), cursor=_cursor(parameters))


class UsageHistory:
    """Reads the ledger; as an async context manager also forgets, hourly, what is older than
    `retention_days`."""

    def __init__(self, database: Database, clock: Clock, *, retention_days: float) -> None:
        self._ledger = Ledger(database)
        self._clock = clock
        self._retention_s = retention_days * DAY_S
        self._task = OwnedTask()

    async def answer(self, query: UsageQuery) -> dict[str, Any]:
        """Plain values, ready to be encoded: `records` and `next` (a cursor or `None`), or `groups` and
        `truncated`."""
        if query.group_by:
            return _show_sums(await self.sums(query))
        return _show_page(await self.page(query))

    async def tell(self, query: UsageQuery) -> dict[str, Any]:
        """As `answer`, with the `totals` of all that the filters leave."""
        totals = (await self.sums(msgspec.structs.replace(query, group_by=()))).groups
        return {"totals": totals[0] if totals else {}} | await self.answer(query)

    async def page(self, query: UsageQuery) -> Page:
        return await self._ledger.page(query.chosen, limit=query.limit, after=query.cursor)

    async def sums(self, query: UsageQuery) -> Sums:
        return await self._ledger.sums(query.chosen, group_by=query.group_by, limit=query.limit)

    async def rank(self, query: UsageQuery, measure: str) -> Ranks:
        """Raises `Malformed` where that cannot be measured."""
        if measure not in MEASURES:
            raise Malformed(f"cannot measure {measure!r:.100}{_nearest(measure, MEASURES)}", param="measure")
        return await self._ledger.ranks(query.chosen, measure, group_by=query.group_by, limit=query.limit)

    async def forget_old(self) -> int:
        return await self._ledger.delete_older_than(self._clock.wall() - self._retention_s)

    async def __aenter__(self) -> Self:
        self._task.start(self._sweep(), "usage retention")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._task.end()

    async def _sweep(self) -> None:
        pause_s = FIRST_SWEEP_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = SWEEP_S
            try:
                await self.forget_old()
            except Exception as error:  # noqa: BLE001 - whatever the store does, the next hour is another chance
                log.warning("old usage records are still there", reason=str(error))


def _show_page(page: Page) -> dict[str, Any]:
    cursor = f"{page.next.at!r}~{page.next.id}" if page.next else None
    return {"records": page.records, "next": cursor}


def _show_sums(sums: Sums) -> dict[str, Any]:
    return {"groups": sums.groups, "truncated": sums.truncated}


def _nearest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; the nearest is {close[0]!r}" if close else f"; known are {', '.join(known)}"


def _choice(parameters: Mapping[str, str], name: str, choices: Mapping[str, Any]) -> Any:
    text = parameters.get(name)
    if text is not None and text not in choices:
        raise Malformed(f"{name}: expected one of {', '.join(choices)}", param=name)
    return choices[text] if text is not None else None


def _instant(parameters: Mapping[str, str], name: str) -> float | None:
    """Seconds since the epoch, or ISO 8601; without an offset it is UTC."""
    text = parameters.get(name)
    if text is None:
        return None
    with contextlib.suppress(ValueError):
        seconds = float(text)
        if math.isfinite(seconds):
            return seconds
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Malformed(f"{name}: expected seconds since the epoch or an ISO 8601 time", param=name) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _limit(parameters: Mapping[str, str]) -> int:
    text = parameters.get("limit", "100")
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MOST:
        raise Malformed(f"limit: expected a number from 1 to {MOST}", param="limit")
    return int(text)


def _cursor(parameters: Mapping[str, str]) -> Cursor | None:
    text = parameters.get("cursor")
    if text is None:
        return None
    at, _, record_id = text.partition("~")
    try:
        return Cursor(float(at), record_id)
    except ValueError as error:
        raise Malformed("cursor: not one that an earlier answer gave", param="cursor") from error
