"""Plugins that behave, and plugins that break in one way each."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from jackfield.sdk import Answer, ChatRequest, ChatResponse, Health, Plugin, PluginConfig, Reject, Replace, hook
from jackfield.testing.scripted import answer_text


class Rules(PluginConfig):
    word: str = "secret"


class HouseRules(Plugin[Rules]):
    id = "house_rules"

    @hook("pre_flight", on_failure="closed")
    async def refuse(self, exchange: Any) -> Any:
        text = exchange.request.last_user_text()
        if text.isupper():
            return Reject(429, "no_shouting", "Please do not shout.")
        if text == "boom":
            raise ValueError("no")
        if text == "cached":
            return Answer(answer_text("from the cache", exchange.request))
        if text == "other":
            return Replace(msgspec.structs.replace(exchange.request, model="other"))
        return None

    @hook("attempt")
    async def sign(self, exchange: Any) -> Any:
        outgoing = exchange.outgoing
        return Replace(msgspec.structs.replace(outgoing, headers=(*outgoing.headers, (b"x-signed", b"yes"))))

    @hook("response_chunk", on_failure="open", hold=20)
    async def redact(self, exchange: Any, event: Any) -> Any:
        text = getattr(event, "text", "")
        if self.config.word in text:
            return Replace(msgspec.structs.replace(event, text=text.replace(self.config.word, "[hidden]")))
        return None


class Everywhere(Plugin):
    """A hook at every point, most of which change something."""

    @hook("ingress")
    async def at_ingress(self, exchange: Any) -> Any:
        await asyncio.sleep(0.001)
        headers = (*exchange.inbound.headers, (b"x-seen", b"1"))
        return Replace(msgspec.structs.replace(exchange.inbound, headers=headers))

    @hook("auth")
    async def at_auth(self, exchange: Any) -> Any:
        return None

    @hook("pre_flight", on_failure="open")
    async def at_pre_flight(self, exchange: Any) -> Any:
        if isinstance(exchange.request, ChatRequest):
            return Replace(msgspec.structs.replace(exchange.request, seed=7))
        return None

    @hook("routing")
    async def at_routing(self, exchange: Any) -> Any:
        return Replace(exchange.candidates)

    @hook("attempt")
    async def at_attempt(self, exchange: Any) -> Any:
        return Replace(msgspec.structs.replace(exchange.outgoing, body=exchange.outgoing.body + b" "))

    @hook("response_head", on_failure="closed")
    async def at_head(self, exchange: Any) -> Any:
        return Replace(exchange.head.with_header("x-head", "1"))

    @hook("response_chunk", on_failure="open")
    async def at_chunk(self, exchange: Any, event: Any) -> Any:
        await asyncio.sleep(0)

    @hook("response_body", on_failure="closed", edits=True)
    async def at_body(self, exchange: Any) -> Any:
        response = exchange.response
        return Replace(response.with_text(response.text().upper())) if isinstance(response, ChatResponse) else None

    @hook("background", replaces_record=True)
    async def at_end(self, exchange: Any) -> Any:
        return None


class Swallower(Plugin):
    """Does not end when it is told to."""

    @hook("pre_flight", on_failure="open")
    async def check(self, exchange: Any) -> Any:
        while True:
            try:
                return await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue


class Locker(Plugin):
    """Keeps its lock where it is interrupted."""

    async def on_load(self) -> None:
        self.lock = asyncio.Lock()

    @hook("pre_flight", on_failure="closed")
    async def check(self, exchange: Any) -> Any:
        await self.lock.acquire()
        await asyncio.sleep(0.01)
        self.lock.release()


class Counter(Plugin):
    """Changes what all exchanges share, and does not change it back where it fails."""

    busy = 0

    @hook("pre_flight", on_failure="open")
    async def check(self, exchange: Any) -> Any:
        if self.busy >= 3:
            return Reject(429, "busy", "Too much at once.")
        self.busy += 1
        await asyncio.sleep(0)
        self.busy -= 1
        return None


class Blocker(Plugin):
    @hook("pre_flight", on_failure="open")
    async def check(self, exchange: Any) -> Any:
        time.sleep(0.06)


class Failing(Plugin):
    @hook("pre_flight", on_failure="open")
    async def check(self, exchange: Any) -> Any:
        raise LookupError("always")


class Littering(Plugin):
    """Leaves a task behind for each exchange that is interrupted."""

    @hook("pre_flight", on_failure="open")
    async def check(self, exchange: Any) -> Any:
        work = asyncio.create_task(self.work())
        await asyncio.sleep(0.01)
        work.cancel()

    async def work(self) -> None:
        await asyncio.Event().wait()


class Unstopped(Plugin):
    async def on_load(self) -> None:
        self.work = asyncio.create_task(self.for_ever())

    async def for_ever(self) -> None:
        await asyncio.Event().wait()


class Storing(Plugin):
    @hook("pre_flight", on_failure="closed")
    async def count(self, exchange: Any) -> Any:
        if await self.services.kv.increment("asked") > 60:
            return Reject(429, "enough", "That is enough.")
        return None


class Careful(Plugin):
    """Has a time-out of its own, shorter than the hook's."""

    @hook("pre_flight", on_failure="closed", timeout_ms=500)
    async def check(self, exchange: Any) -> Any:
        try:
            async with asyncio.timeout(0.2):
                await asyncio.sleep(0.01)
        except TimeoutError:
            return Reject(503, "slow", "Try later.")
        return None


class Stamping(Plugin):
    """Makes every request another."""

    number = 0

    @hook("attempt")
    async def stamp(self, exchange: Any) -> Any:
        body = exchange.outgoing.body + b" " * (time.perf_counter_ns() % 97)
        return Replace(msgspec.structs.replace(exchange.outgoing, body=body))


class Unwell(Plugin):
    async def health(self) -> Health:
        return Health(ok=False, detail="a tooth aches")
