"""Which agents there are: the built-in one, and those of the plugins that run."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import structlog

from jackfield.errors import NotFound
from jackfield.host.snapshot import Snapshot
from jackfield.sdk.agents import AgentSpec, agents_of
from jackfield.settings import conceal
from jackfield.telemetry.text import describe_error, escape_halves

BUILT_IN = AgentSpec(id="tools", description="The model that the request names, with every tool that its key may use")

log = structlog.get_logger("jackfield.agents")


class Listed(msgspec.Struct, frozen=True):
    """`plugin` is whose agent it is, `None` for the built-in one."""

    spec: AgentSpec
    plugin: str | None = None


class Catalogue:
    """The agents of a generation are looked for once. Of two with one id the plugin that comes first has it."""

    def __init__(self) -> None:
        self._generation = -1
        self._listed: Mapping[str, Listed] = {}

    def of(self, snapshot: Snapshot) -> Mapping[str, Listed]:
        if snapshot.generation != self._generation:
            self._listed = _collect(snapshot)
            self._generation = snapshot.generation
        return self._listed

    def find(self, snapshot: Snapshot, agent_id: str) -> Listed:
        """Raises `NotFound`."""
        found = self.of(snapshot).get(agent_id)
        if found is None:
            raise NotFound(f"There is no agent {agent_id[:100]!r}")
        return found


def _collect(snapshot: Snapshot) -> dict[str, Listed]:
    listed = {BUILT_IN.id: Listed(BUILT_IN)}
    for plugin in snapshot.plugins.values():
        if plugin.instance is None:
            continue
        for spec in _agents_of(plugin.id, plugin.instance):
            if spec.id in listed:
                log.warning("agent_is_taken", agent=spec.id, plugin=plugin.id, by=listed[spec.id].plugin)
            listed.setdefault(spec.id, Listed(spec, plugin.id))
    return listed


def _agents_of(plugin: str, instance: object) -> tuple[AgentSpec, ...]:
    try:
        return agents_of(instance)
    except Exception as error:  # noqa: BLE001 - a boundary: the plugin's own code says which agents it has
        log.error("agents_not_listed", plugin=plugin, reason=conceal(escape_halves(describe_error(error))))
        return ()
