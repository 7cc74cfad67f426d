"""Counts what plugins, upstreams and apps do, and shows it to Prometheus at `/plugins/metrics/prometheus`: of all
workers together, and over restarts."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from fastapi import HTTPException, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field

from jackfield.plugins.metrics.counting import count_exchange
from jackfield.plugins.metrics.sheet import Sheet
from jackfield.plugins.metrics.workers import Workers
from jackfield.sdk import Exchange, Health, Plugin, PluginConfig, current_caller, hook, mask_text, route

# Its hook runs around all others: the last on the way back, so that it sees what they did.
OUTERMOST = -1_000_000


class MetricsConfig(PluginConfig):
    readers: tuple[str, ...] = Field((), description="Ids of keys that may read the numbers, beside admin keys")
    max_series: int = Field(1000, ge=10, le=10_000, description="How many combinations of labels each metric has")
    every_s: float = Field(5.0, ge=1, le=60, description="How often a worker tells the others of its numbers")


class Metrics(Plugin[MetricsConfig]):
    id = "metrics"

    async def on_load(self) -> None:
        self._sheet = self._make_sheet()
        self._workers = Workers(self.services.kv, self._sheet, self._make_sheet, time.time)
        self._telling: asyncio.Task[None] | None = None
        self._problem = ""
        await self._workers.bury()

    async def health(self) -> Health:
        return Health(not self._problem, self._problem)

    async def on_enable(self) -> None:
        self._telling = asyncio.create_task(self._tell(), name="metrics")

    async def on_disable(self) -> None:
        task, self._telling = self._telling, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def on_unload(self) -> None:
        await self._workers.leave()

    @hook("background", priority=OUTERMOST)
    async def count(self, exchange: Exchange) -> None:
        count_exchange(self._sheet, exchange)

    @route("/prometheus")
    async def show(self) -> Response:
        """The numbers, as Prometheus reads them."""
        caller = current_caller()
        if caller is None or not (caller.admin or caller.credential in self.config.readers):
            raise HTTPException(403, "this key may not read metrics: its id is not among the plugin's readers")
        total = await self._workers.total()
        # Of many series the text takes half a second, which would be all requests' half second.
        text = await asyncio.to_thread(total.render)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    def _make_sheet(self) -> Sheet:
        return Sheet(self.config.max_series)

    async def _tell(self) -> None:
        """A boundary: while the storage fails, numbers go on being counted here."""
        while True:
            await asyncio.sleep(self.config.every_s)
            try:
                await self._workers.publish()
            except Exception as error:  # noqa: BLE001 - the boundary of the docstring
                problem = mask_text(f"the numbers are not stored: {error}")
            else:
                problem = ""
            if problem != self._problem:
                self._problem = problem
                self.report(not problem, problem)
