"""The one instance of a provider class that serves: made by a config, replaced by the next one, ended by a clean-up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from jackfield.clock import Clock
from jackfield.errors import JackfieldError
from jackfield.sdk.plugin import Health, Plugin, config_model, id_of
from jackfield.sdk.serve.faults import ProviderFault, refuse_config
from jackfield.sdk.serve.metadata import Model, capabilities_of, read_models
from jackfield.telemetry.text import describe_error

# Hosts wait 30, 10 and 5 seconds: what takes longer is told before they give up.
LOAD_S = 28.0
HEALTH_S = 8.0
END_S = 2.0
DRAIN_S = 2.0
# A version that was replaced may finish what it began.
HAND_OVER_S = 60.0

# Not structlog, which without a set-up of its own shows what every variable holds.
_log = logging.getLogger("provider")


class Instance:
    """A plugin with the number of requests that it is answering. `told` is what it reported of its health itself."""

    def __init__(self, plugin: Plugin[Any], config: Mapping[str, Any]) -> None:
        self.plugin, self.config = plugin, config
        self.told = Health()
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()
        plugin.report = self._hear

    def _hear(self, ok: bool, detail: str = "") -> None:
        self.told = Health(ok, detail)

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[Plugin[Any]]:
        self._users += 1
        self._unused.clear()
        try:
            yield self.plugin
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def start(self) -> None:
        """Raises what it raises, as a fault that names it: who configures it is who can mend it."""
        try:
            async with asyncio.timeout(LOAD_S):
                await self.plugin.on_load()
                await self.plugin.on_enable()
        except TimeoutError:
            raise ProviderFault("timeout", f"it did not start within {LOAD_S:g} s") from None
        except JackfieldError:
            raise
        except Exception as error:
            _log.exception("did not start")
            raise ProviderFault("internal_error", describe_error(error)) from error

    async def end(self, drain_s: float) -> None:
        """Lets it finish first, but not for ever. What it raises is logged, and changes nothing."""
        try:
            async with asyncio.timeout(drain_s):
                await self._unused.wait()
        except TimeoutError:
            _log.warning("ends while it answers %d requests", self._users)
        for step in (self.plugin.on_disable, self.plugin.on_unload):
            try:
                async with asyncio.timeout(END_S):
                    await step()
            except Exception as error:  # noqa: BLE001 - it is gone whatever it says
                _log.error("%s failed", step.__name__, exc_info=error)

    async def check_health(self) -> Health:
        try:
            async with asyncio.timeout(HEALTH_S):
                found = await self.plugin.health()
        except TimeoutError:
            return Health(False, f"its health check did not end within {HEALTH_S:g} s")
        except Exception as error:  # noqa: BLE001 - a check that fails tells that it is not well
            return Health(False, describe_error(error))
        return self.told if found.ok else found


class Lives:
    """`models` are served besides those that the class names."""

    def __init__(self, kind: type[Plugin[Any]], models: tuple[Model, ...], clock: Clock) -> None:
        self.kind, self.id = kind, id_of(kind)
        self._clock = clock
        self._models = models
        self._listed: tuple[Model, ...] = ()
        self._instance: Instance | None = None
        self._changing = asyncio.Lock()
        self._endings: set[asyncio.Task[None]] = set()

    async def initialize(self, config: Mapping[str, Any]) -> None:
        """Where the new one is refused or does not start, the former one serves on."""
        async with self._changing:
            former = self._instance
            self._instance = await self._make(config)
        if former is not None:
            ending = asyncio.create_task(former.end(HAND_OVER_S))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    async def _make(self, config: Mapping[str, Any]) -> Instance:
        try:
            checked = config_model(self.kind).model_validate(dict(config))
        except ValidationError as error:
            raise refuse_config(error) from None
        instance = Instance(self.kind(self.id, checked), config)
        await instance.start()
        return instance

    @asynccontextmanager
    async def plugin(self) -> AsyncIterator[Plugin[Any]]:
        """The one that serves. Without a config it is made from the defaults, where these are enough."""
        async with (await self._current()).in_use() as plugin:
            yield plugin

    async def _current(self) -> Instance:
        if self._instance is None:
            async with self._changing:
                if self._instance is None:
                    self._instance = await self._make_by_default()
        return self._instance

    async def _make_by_default(self) -> Instance:
        try:
            config_model(self.kind).model_validate({})
        except ValidationError:
            raise ProviderFault("provider_unavailable", "not initialized: POST its config to /initialize") from None
        return await self._make({})

    async def health(self) -> dict[str, Any]:
        started = self._clock.monotonic()
        try:
            found = await (await self._current()).check_health()
        except JackfieldError as error:
            found = Health(False, error.message)
        return {
            "healthy": found.ok,
            "message": found.detail or ("OK" if found.ok else "unhealthy"),
            "latency_ms": round((self._clock.monotonic() - started) * 1000),
            "timestamp": datetime.fromtimestamp(self._clock.wall(), UTC).isoformat().replace("+00:00", "Z"),
        }

    async def models(self) -> tuple[Model, ...]:
        """Those of the class, and where it lists them itself, those that it lists now."""
        if hasattr(self.kind, "list_models"):
            async with self.plugin() as plugin, asyncio.timeout(HEALTH_S):
                self._listed = read_models(await plugin.list_models())  # type: ignore[attr-defined]
        return self._known()

    def _known(self) -> tuple[Model, ...]:
        return read_models(getattr(self.kind, "models", ())) + self._models + self._listed

    def price(self, model: str) -> float | None:
        """In USD for a million tokens, as far as the models have been listed."""
        return next((known.cost_per_mtoken for known in self._known() if known.id == model), None)

    def capabilities(self) -> dict[str, bool]:
        return capabilities_of(self.kind)

    async def clean_up(self) -> None:
        async with self._changing:
            former, self._instance = self._instance, None
        if former is not None:
            await former.end(DRAIN_S)

    async def close(self) -> None:
        await self.clean_up()
        if self._endings:
            _, late = await asyncio.wait(self._endings, timeout=DRAIN_S)
            for ending in late:
                ending.cancel()
            await asyncio.gather(*late, return_exceptions=True)
