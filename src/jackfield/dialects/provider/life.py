"""How one provider is: brought into service, looked after, and told of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.dialects.provider.config import ProviderConfig
from jackfield.dialects.provider.health import HealthReport, read_health
from jackfield.dialects.provider.manifest import ProviderManifest
from jackfield.dialects.provider.metadata import (
    Capabilities,
    Metadata,
    check_api_version,
    compare_identity,
    read_metadata,
)
from jackfield.dialects.provider.models import Model, read_models
from jackfield.dialects.provider.problems import Problem, join_problems
from jackfield.dialects.provider.reasons import (
    API_VERSION_INCOMPATIBLE,
    ENDPOINT_IS_GATEWAY,
    INITIALIZE_REJECTED,
    METADATA_INVALID,
    PROVIDER_TYPE_MISMATCH,
    UNHEALTHY,
    NotInService,
)
from jackfield.errors import PluginError, PluginTimeout, SessionDenied
from jackfield.runtimes.base import Diagnosis, Session
from jackfield.runtimes.http.errors import INTERNAL_ERROR, Fault
from jackfield.telemetry.masking import masked

Condition = Literal["waiting", "starting", "initializing", "healthy", "unhealthy", "crash_loop", "stopped"]

log = structlog.get_logger("jackfield.plugins")

_UNASKED = "starting"
# How our own kind answers for what it does not have.
_OWN_WORDS = "There is nothing at /metadata"


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that each question may take, and how many failures in a row make ill health. Who is not well is asked
    again after `recheck_s`, then after twice that, and so on."""

    metadata_s: float = 5.0
    health_s: float = 10.0
    initialize_s: float = 30.0
    cleanup_s: float = 5.0
    completion_s: float = 60.0
    models_kept_s: float = 300.0
    failures: int = 3
    recheck_s: float = 1.0


PATIENCE = Patience()


class Life:
    """`Answerer` of the provider's session. `leads` tells whether it is this worker that initializes it; `tell` is told
    whether it is well, and if not why."""

    def __init__(
        self,
        plugin_id: str,
        manifest: ProviderManifest,
        config: ProviderConfig,
        clock: Clock,
        *,
        leads: Callable[[], bool],
        tell: Callable[[bool, str], None],
        patience: Patience = PATIENCE,
    ) -> None:
        self._plugin, self._manifest, self._config, self._clock = plugin_id, manifest, config, clock
        self._leads, self._tell, self._patience = leads, tell, patience
        self.condition: Condition = "waiting"
        self.reason = f"{_UNASKED}: nobody has asked it yet"
        self.revision = 0
        self.report: HealthReport | None = None
        self.failures = 0
        self.capabilities: Capabilities = manifest.metadata.capabilities
        self.models: Mapping[str, Model] = {}
        self._models_at = float("-inf")
        self._warned: set[str] = set()
        self._is_silent = self._was_misled = False
        self._kicked = asyncio.Event()
        self._why: Callable[[], str] = str
        self._lose: Callable[[str], None] = lambda reason: None

    @property
    def is_well(self) -> bool:
        return self.condition == "healthy"

    def capabilities_of(self, model: str) -> Capabilities:
        known = self.models.get(model)
        return self.capabilities if known is None else known.capabilities

    # What the session asks of its host

    async def answer(self, method: str, params: Any) -> Any:
        raise ValueError(f"a provider asks nothing of its host, and not {method!r:.100}")

    def hear(self, method: str, params: Any) -> None:
        return

    async def on_start(self, session: Session) -> None:
        """Who it is comes before what it is told: secrets go only to whom they are meant for. Raises `NotInService`;
        one that is merely unwell is in service, and asked nothing until it is well."""
        # Tried again, what went wrong before is still what operators want to know.
        is_first = self.reason.startswith(_UNASKED)
        self._become("initializing", "initializing: it is being made ready" if is_first else self.reason)
        await self._identify(session)
        if self._leads():
            await self._initialize(session)
        self.failures = 0
        report = await self._ask_health(session)
        await self._refresh_models(session)
        self._judge(report, at_once=True)

    def attend(self, why: Callable[[], str], lose: Callable[[str], None]) -> None:
        """`why` tells why the session is not there, `lose` takes that it hangs."""
        self._why, self._lose = why, lose

    def on_loss(self, diagnosis: Diagnosis) -> None:
        self.report = None
        self._become("crash_loop" if diagnosis.state == "failed" else "waiting", self._why() or self.reason)

    async def _identify(self, session: Session) -> None:
        try:
            told = await session.call("metadata", deadline_s=self._patience.metadata_s)
        except (SessionDenied, PluginTimeout) as error:
            if error.message.startswith(_OWN_WORDS):
                raise self._refuse(ENDPOINT_IS_GATEWAY, self._tell_own_address()) from error
            raise self._refuse(METADATA_INVALID, f"GET /metadata: {error.message}") from error
        problems: list[Problem] = []
        live = read_metadata(told, "", problems)
        if errors := [one for one in problems if not one.warning and one.field in ("", "name", "provider_type")]:
            raise self._refuse(METADATA_INVALID, f"GET /metadata: {join_problems(errors)}")
        self._compare(live)
        self.capabilities = self._manifest.metadata.capabilities.within(live.capabilities)

    def _compare(self, live: Metadata) -> None:
        problems = compare_identity(self._manifest.metadata, live)
        if errors := [one for one in problems if not one.warning]:
            raise self._refuse(PROVIDER_TYPE_MISMATCH, errors[0].message)
        unfit = check_api_version(live.plugin_api_version)
        if unfit is not None and not unfit.warning:
            raise self._refuse(API_VERSION_INCOMPATIBLE, unfit.message)
        for problem in (*problems, *((unfit,) if unfit is not None else ())):
            self._warn("plugin_metadata_differs", str(problem))

    def _tell_own_address(self) -> str:
        return (
            f"{self._manifest.endpoint} is the address of a gateway like this one, and no provider's: "
            "give the provider another port"
        )

    async def _initialize(self, session: Session) -> None:
        try:
            await session.call("initialize", self._config.values, deadline_s=self._patience.initialize_s)
        except SessionDenied as error:
            if error.message.startswith("there is no method") and not self._manifest.metadata.config_schema:
                self._warn("plugin_without_initialize", error.message)
                return
            told = error.message if error.told in ("", INTERNAL_ERROR) else f"{error.told}: {error.message}"
            raise self._refuse(INITIALIZE_REJECTED, told) from error
        except PluginTimeout as error:
            raise self._refuse(INITIALIZE_REJECTED, error.message) from error

    async def _refresh_models(self, session: Session) -> None:
        """One that lists none is none the worse for it: upstreams that name its models reach it."""
        self._models_at = self._clock.monotonic()
        try:
            told = await session.call("models", deadline_s=self._patience.health_s)
        except (SessionDenied, PluginTimeout) as error:
            self._warn("plugin_models_unknown", error.message)
            return
        models, problems = read_models(told, self.capabilities)
        for problem in problems:
            self._warn("plugin_models_unclear", str(problem))
        if models != self.models:
            self.models = models
            self.revision += 1

    # Its health

    async def watch(self, session: Session) -> None:
        """Until it is cancelled. Who is well is asked each interval; who is not, sooner."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._kicked.wait()
            self._kicked.clear()
            if session.diagnose().state == "running":
                await self.check(session)

    def _pause_s(self) -> float:
        interval = float(self._manifest.health_check_interval)
        if self.is_well and not self.failures:
            return interval
        return min(interval, self._patience.recheck_s * 2.0 ** min(max(self.failures - 1, 0), 16))

    def kick(self) -> None:
        """For who has met with trouble: it is looked at now."""
        self._kicked.set()

    def tell_again(self) -> None:
        """For who has initialized it with something else: it is to hear this config again."""
        self._was_misled = True
        self.kick()

    async def check(self, session: Session) -> None:
        """A program of ours that hangs is started again."""
        self._is_silent = False
        try:
            if self._was_misled:
                self._was_misled = False
                await self._initialize(session)
            report = await self._ask_health(session)
            if report.healthy and (not self.is_well or self._are_models_old()):
                await self._refresh_models(session)
        except PluginError as error:
            self._is_silent = True
            report = HealthReport(healthy=False, message=self.mask(error.message), at=self._clock.wall())
        self._judge(report)
        if self._is_silent and self.condition == "unhealthy" and session.diagnose().pid is not None:
            self._lose(f"it hangs: {report.message}")

    def _are_models_old(self) -> bool:
        return self._clock.monotonic() - self._models_at >= self._patience.models_kept_s

    async def _ask_health(self, session: Session) -> HealthReport:
        """Raises `SessionLost` where nobody is there."""
        now = self._clock.wall()
        began = self._clock.monotonic()
        try:
            report = read_health(await session.call("health", deadline_s=self._patience.health_s), now)
        except (SessionDenied, PluginTimeout) as error:
            self._is_silent = isinstance(error, PluginTimeout)
            report = HealthReport(healthy=False, message=error.message, at=now)
        latency_ms = report.latency_ms
        if latency_ms is None:
            latency_ms = round((self._clock.monotonic() - began) * 1000, 3)
        details = self._mask_all(report.details)
        return msgspec.structs.replace(
            report, latency_ms=latency_ms, message=self.mask(report.message), details=details
        )

    def _judge(self, report: HealthReport, *, at_once: bool = False) -> None:
        """It is ill when it failed some times in a row, or `at_once`; well again as soon as it says so."""
        self.report = report
        if report.healthy:
            self.failures = 0
            self._become("healthy", "")
            return
        self.failures += 1
        if at_once or not self.is_well or self.failures >= self._patience.failures:
            self._become("unhealthy", f"{UNHEALTHY}: {report.message or 'it says so itself'}")

    def _become(self, condition: Condition, reason: str) -> None:
        reason = self.mask(reason)
        changed = (condition, reason) != (self.condition, self.reason)
        was_well, self.condition, self.reason = self.is_well, condition, reason
        if was_well != self.is_well:
            self.revision += 1
        self._tell(self.is_well, reason)
        if changed and self.is_well:
            log.info("plugin_healthy", plugin=self._plugin, models=len(self.models))
        elif changed and condition in ("unhealthy", "crash_loop"):
            log.warning("plugin_unhealthy", plugin=self._plugin, condition=condition, reason=reason)

    def end(self) -> None:
        self._become("stopped", "it was stopped")

    def mask(self, text: str) -> str:
        """Without the plugin's secrets, however short they are."""
        for secret in self._config.secrets:
            text = text.replace(secret, "***")
        return masked(text)

    def mask_fault(self, fault: Fault) -> Fault:
        details = self._mask_all(fault.details)
        return msgspec.structs.replace(fault, message=self.mask(fault.message), details=details)

    def _mask_all(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self.mask(str(key)): self._mask_all(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._mask_all(inner) for inner in value]
        return self.mask(value) if isinstance(value, str) else value

    def _refuse(self, reason: str, told: str) -> NotInService:
        return NotInService(reason, self.mask(told), plugin=self._plugin)

    def _warn(self, event: str, told: str) -> None:
        """Each thing once: it is looked at again and again."""
        if told not in self._warned and len(self._warned) < 100:
            self._warned.add(told)
            log.warning(event, plugin=self._plugin, problem=self.mask(told))

    def describe(self) -> dict[str, Any]:
        return {
            "condition": self.condition,
            "reason": self.reason,
            "endpoint": self._manifest.endpoint,
            "provider_type": self._manifest.metadata.provider_type,
            "health": None if self.report is None else msgspec.to_builtins(self.report),
            "consecutive_failures": self.failures,
            "models": sorted(self.models),
            "capabilities": {
                name: bool(flag)
                for name, flag in msgspec.to_builtins(self.capabilities).items()
                if isinstance(flag, bool | None)
            },
        }
