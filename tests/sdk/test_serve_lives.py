"""A provider class served over HTTP: its life between `/initialize` and `/cleanup`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from jackfield.sdk import Health, Plugin, PluginConfig, TextDelta
from jackfield.sdk.serve import Application, ProviderFault

from .provider_calls import HELLO, ask, begin, get, lifespan, post


class Named(PluginConfig):
    name: str = "none"
    broken: bool = False


class Steps(Plugin[Named]):
    """Notes what is done with it."""

    noted: list[str]
    gate: asyncio.Event

    async def on_load(self) -> None:
        if self.config.broken:
            raise ProviderFault("authentication_failed", "that key opens nothing")
        self.noted.append(f"load {self.config.name}")

    async def on_unload(self) -> None:
        self.noted.append(f"unload {self.config.name}")

    async def stream(self, request: Any, upstream: Any) -> AsyncIterator[Any]:
        yield TextDelta(text=self.config.name)
        if request.last_user_text() == "wait":
            await self.gate.wait()
        yield TextDelta(text=" done")


class Keyed(PluginConfig):
    api_key: str


class Locked(Plugin[Keyed]):
    async def stream(self, request: Any, upstream: Any) -> AsyncIterator[Any]:
        yield TextDelta(text="open")


@pytest.fixture
def noted() -> list[str]:
    Steps.noted, Steps.gate = [], asyncio.Event()
    return Steps.noted


async def text_of(app: Application) -> str:
    return str((await ask(app)).json["choices"][0]["message"]["content"])


async def test_without_its_key_it_is_not_healthy_and_says_what_to_do() -> None:
    app = Application(Locked)
    health = (await get(app, "/health")).json
    assert (health["healthy"], health["message"]) == (False, "not initialized: POST its config to /initialize")
    refused = await ask(app)
    assert (refused.status, refused.json["code"], refused.json["transient"]) == (503, "provider_unavailable", True)
    assert (await get(app, "/metadata")).status == 200
    await post(app, "/initialize", {"api_key": "sk-1"})
    assert (await get(app, "/health")).json["healthy"] is True
    assert await text_of(app) == "open"


async def test_where_the_defaults_are_enough_it_serves_at_once(noted: list[str]) -> None:
    app = Application(Steps)
    assert noted == []
    assert await text_of(app) == "none done"
    assert noted == ["load none"]


async def test_health_is_told_with_a_time_in_its_zone() -> None:
    class Ill(Locked.__mro__[1]):  # type: ignore[name-defined, misc]
        async def complete(self, request: Any, upstream: Any) -> None: ...

        async def health(self) -> Health:
            return Health(False, "the lamp is out")

    health = (await get(Application(Ill), "/health")).json
    assert (health["healthy"], health["message"]) == (False, "the lamp is out")
    assert isinstance(health["latency_ms"], int)
    assert datetime.fromisoformat(health["timestamp"]).tzinfo is not None


async def test_a_health_check_that_fails_is_no_failure_of_the_endpoint() -> None:
    class Broken(Plugin):
        async def complete(self, request: Any, upstream: Any) -> None: ...

        async def health(self) -> Health:
            raise RuntimeError("no lamp")

    reply = await get(Application(Broken), "/health")
    assert (reply.status, reply.json["healthy"], reply.json["message"]) == (200, False, "RuntimeError: no lamp")


async def test_what_it_reports_itself_is_told_until_it_reports_otherwise() -> None:
    class Reporting(Plugin):
        async def stream(self, request: Any, upstream: Any) -> AsyncIterator[Any]:
            self.report(request.last_user_text() == "well", "as it was told")
            yield TextDelta(text="told")

    app = Application(Reporting)
    for said in ("ill", "well"):
        await ask(app, messages=[{"role": "user", "content": said}])
        assert (await get(app, "/health")).json["healthy"] is (said == "well")


async def test_a_new_config_replaces_the_old_one_which_finishes_first(noted: list[str]) -> None:
    app = Application(Steps)
    await post(app, "/initialize", {"name": "a"})
    waiting = begin(app, "POST", "/chat/completions", HELLO | {"messages": [{"role": "user", "content": "wait"}]})
    while not waiting.task.done() and not waiting.reply.status and len(noted) < 1:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    await post(app, "/initialize", {"name": "b"})
    assert await text_of(app) == "b done"
    assert noted == ["load a", "load b"]
    Steps.gate.set()
    assert (await waiting.end()).json["choices"][0]["message"]["content"] == "a done"
    async with asyncio.timeout(5), lifespan(app):
        while "unload a" not in noted:
            await asyncio.sleep(0)
    assert noted == ["load a", "load b", "unload a", "unload b"]


async def test_a_config_that_does_not_start_leaves_the_former_one_serving(noted: list[str]) -> None:
    app = Application(Steps)
    await post(app, "/initialize", {"name": "a"})
    refused = await post(app, "/initialize", {"name": "b", "broken": True})
    assert (refused.status, refused.json["code"]) == (401, "authentication_failed")
    assert await text_of(app) == "a done"
    assert noted == ["load a"]


async def test_what_keeps_it_from_starting_is_told_to_who_configures_it() -> None:
    class Broken(Locked):
        async def on_load(self) -> None:
            raise OSError("no room")

    refused = await post(Application(Broken), "/initialize", {"api_key": "sk-1"})
    assert (refused.status, refused.json["code"], refused.json["message"]) == (
        500,
        "internal_error",
        "OSError: no room",
    )


async def test_a_clean_up_ends_it_and_it_may_begin_anew(noted: list[str]) -> None:
    app = Application(Steps)
    await post(app, "/initialize", {"name": "a"})
    assert (await post(app, "/cleanup")).json == {}
    assert noted == ["load a", "unload a"]
    assert (await post(app, "/cleanup")).json == {}
    await post(app, "/initialize", {"name": "b"})
    assert await text_of(app) == "b done"


async def test_a_clean_up_that_fails_is_done_all_the_same() -> None:
    class Clinging(Locked):
        async def on_unload(self) -> None:
            raise RuntimeError("never")

    app = Application(Clinging)
    await post(app, "/initialize", {"api_key": "sk-1"})
    assert (await post(app, "/cleanup")).status == 200
    assert (await get(app, "/health")).json["healthy"] is False


async def test_when_the_process_ends_so_does_it(noted: list[str]) -> None:
    app = Application(Steps)
    async with lifespan(app):
        await post(app, "/initialize", {"name": "a"})
    assert noted == ["load a", "unload a"]


async def test_many_who_come_first_start_it_once(noted: list[str]) -> None:
    app = Application(Steps)
    await asyncio.gather(*(ask(app) for _ in range(20)))
    assert noted == ["load none"]
