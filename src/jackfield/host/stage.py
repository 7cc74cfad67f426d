"""The world that serves, and the one way to another: built aside, written down, switched to by one assignment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.errors import Conflict
from jackfield.hooks.guard import PluginStats
from jackfield.hooks.table import HookTable
from jackfield.host.builder import Builder
from jackfield.host.differences import Side, tell_differences
from jackfield.host.drafts import Built
from jackfield.host.endings import stop_all
from jackfield.host.formats import Formats
from jackfield.host.late import Readings
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.retired import Retired
from jackfield.host.routes import Routes
from jackfield.host.snapshot import Snapshot, shared_by
from jackfield.host.survey import Sighting
from jackfield.host.world import World, decode, digests_of, encode
from jackfield.sdk.plugin import Plugin
from jackfield.stores.generations import Generation, Generations, Touched

log = structlog.get_logger("jackfield.host")

Switched = Callable[[Mapping[str, LoadedPlugin], Mapping[str, LoadedPlugin]], None]
RouteMaker = Callable[[Mapping[str, Plugin[Any]], frozenset[str], Formats], Routes]


class Changed(msgspec.Struct, frozen=True):
    """What became of a change: the generation that serves now, the plugins that are others than before, and what the
    operator should know. `changed` is false where all was so already."""

    generation: int
    changed: bool
    plugins: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A change as it is drawn up. `must_run` are plugins that it is about: it is refused where they do not run then.
    `forced` are replaced although nothing about them has changed. `stats` and `goes_back_to` are a rollback's.
    `retried` are tried again although they have failed as they are; where they are named, the change is refused if they
    still do."""

    world: World
    sightings: list[Sighting]
    actor: str
    action: str
    must_run: tuple[str, ...] = ()
    forced: Collection[str] | Literal["all"] = ()
    notes: tuple[str, ...] = ()
    stats: Mapping[str, PluginStats] = {}
    goes_back_to: int | Literal["former"] | None = "former"
    retried: Collection[str] | Literal["all"] = ()


class Stage:
    """Not for two changes at a time: whoever makes one sees to that."""

    def __init__(
        self,
        builder: Builder,
        generations: Generations,
        make_routes: RouteMaker,
        clock: Clock,
        drain_s: float,
        switched: Switched = lambda former, current: None,
    ) -> None:
        """`switched` is told of each switch, when it has happened; it must not wait, and not raise."""
        self._switched = switched
        self._builder, self._generations, self._make_routes, self._clock = builder, generations, make_routes, clock
        self.world = World()
        self.sightings: list[Sighting] = []
        self.goes_back_to: int | None = None
        self.retired = Retired(drain_s)
        self._stats: dict[str, PluginStats] = {}
        self._snapshot: Snapshot | None = None

    @property
    def has_begun(self) -> bool:
        return self._snapshot is not None

    @property
    def snapshot(self) -> Snapshot:
        assert self._snapshot is not None, "the host has not started"
        return self._snapshot

    async def begin(self, world: World, sightings: list[Sighting], latest: Generation | None) -> None:
        """Goes on from the latest generation; makes the next one where the disk tells something else by now. Raises
        `Conflict` where another worker has made it meanwhile."""
        built = await self._build_first(world, sightings)
        try:
            world = _with_built(world, built)
            known = decode(latest.body) if latest is not None else World()
            if latest is None or known != world:
                back = latest.number if latest is not None else None
                touched = _compared(world.changed_from(known), known, world, {}, built.plugins)
                latest = self._describe((back or 0) + 1, "gateway", "start", touched, world, back)
                await self._generations.append(latest, touched)
            self._switch(self._snap(latest.number, built, world), world, sightings, latest.goes_back_to)
        except BaseException:
            await built.discard()
            raise

    async def join(self, world: World, sightings: list[Sighting], latest: Generation) -> None:
        """Serves what others serve: what the disk has by now is not taken in."""
        built = await self._build_first(world, sightings)
        try:
            self._switch(self._snap(latest.number, built, world), world, sightings, latest.goes_back_to)
        except BaseException:
            await built.discard()
            raise

    @property
    def readings(self) -> Readings:
        return self._builder.readings

    async def _build_first(self, world: World, sightings: list[Sighting]) -> Built:
        patience_s = self._builder.start_patience_s
        return await self._builder.build(sightings, world, {}, self._stats, probed=False, patience_s=patience_s)

    async def settle(self, plugin_ids: tuple[str, ...]) -> None:
        """Takes in plugins that were late at the start, however they have turned out. The generation stays the same,
        unless something has to be remembered of it. Raises `Conflict` where another worker was first."""
        former = self.snapshot
        built = await self._builder.build(
            self.sightings,
            self.world,
            former.plugins,
            self._stats,
            resting=self.retired.resting,
            retried=plugin_ids,
            probed=False,
        )
        try:
            world, number = _with_built(self.world, built), former.generation
            if world == self.world and _listing(built.plugins) == _listing(former.plugins):
                return
            if world != self.world:
                number += 1
                names = world.changed_from(self.world)
                touched = _compared(names, self.world, world, former.plugins, built.plugins)
                generation = self._describe(number, "gateway", "start", touched, world, self.goes_back_to)
                await self._generations.append(generation, touched)
            snapshot = self._snap(number, built, world)
        except BaseException:
            await built.discard()
            raise
        self._switch(snapshot, world, self.sightings, self.goes_back_to)

    async def change(self, draft: Draft) -> Changed:
        """Raises what refuses it: `Conflict`, or a `ConfigError` of the one plugin that is wrong."""
        former = self.snapshot
        counters = {**self._stats, **draft.stats}
        built = await self._builder.build(
            draft.sightings,
            draft.world,
            former.plugins,
            counters,
            resting=self.retired.resting,
            forced=draft.forced,
            retried=draft.retried,
        )
        try:
            if draft.goes_back_to != "former":
                _let_rest(built)
            self._refuse_lack(built)
            _refuse_worse(built, draft.must_run, () if draft.retried == "all" else draft.retried)
            world = _with_built(draft.world, built)
            if world == self.world and not built.fresh and _listing(built.plugins) == _listing(former.plugins):
                return Changed(former.generation, False, notes=draft.notes)
            names = _touched(self.world, world, built.plugins, former.plugins)
            notes = (*draft.notes, *_notes_on(built), *_notes_on_resting(names, former.plugins, built.plugins))
            snapshot = self._snap(former.generation + 1, built, world)
            touched = _compared(names, self.world, world, former.plugins, built.plugins)
            back = former.generation if draft.goes_back_to == "former" else draft.goes_back_to
            generation = self._describe(snapshot.generation, draft.actor, draft.action, touched, world, back)
            await self._generations.append(generation, touched, self._freeze_stats())
        except BaseException:
            await built.discard()
            raise
        self._switch(snapshot, world, draft.sightings, back)
        log.info(
            "plugins_changed",
            generation=generation.number, action=draft.action, actor=draft.actor, plugins=names,
        )  # fmt: skip
        return Changed(generation.number, True, names, notes)

    async def take_over(self, generation: Generation, world: World, sightings: list[Sighting]) -> None:
        """Switches to what another worker has made. Raises what keeps this one from serving the same."""
        resting = self.retired.resting
        built = await self._builder.build(
            sightings, world, self.snapshot.plugins, self._stats, resting=resting, probed=False
        )
        try:
            _let_rest(built)
            _refuse_worse(built, ())
            snapshot = self._snap(generation.number, built, world)
        except BaseException:
            await built.discard()
            raise
        self._switch(snapshot, world, sightings, generation.goes_back_to)

    async def stop(self) -> None:
        await self.readings.aclose()
        await self.retired.end()
        if self._snapshot is not None:
            await stop_all(self._snapshot.plugins.values())

    async def digests_in_use(self) -> set[str]:
        """Of the code that some kept generation names."""
        kept = await self._generations.list()
        current = {one.code.digest for one in self.sightings if one.code is not None}
        return digests_of(generation.body for generation in kept) | current

    def _refuse_lack(self, built: Built) -> None:
        """What is required and runs may be replaced, never lost."""
        for name in self._builder.required:
            former, plugin = self.snapshot.plugins.get(name), built.plugins.get(name)
            if former is not None and former.running and (plugin is None or not plugin.running):
                lost = Conflict("it is required, and would not run", plugin=name)
                built.worse.setdefault(name, lost)

    def _snap(self, number: int, built: Built, world: World) -> Snapshot:
        plugins = built.plugins
        resting = {name: plugin for name, plugin in plugins.items() if plugin.instance is None}
        absent = frozenset(alias for name, plugin in resting.items() for alias in (name, *plugin.found.aliases))
        running = {name: plugin.instance for name, plugin in plugins.items() if plugin.instance is not None}
        formats = Formats(format_ for plugin in plugins.values() for format_ in plugin.paths.formats)
        return Snapshot(
            generation=number,
            plugins=MappingProxyType(plugins),
            table=HookTable(
                (hook for plugin in plugins.values() for hook in plugin.hooks),
                {
                    **_awaited(plugins, world, self._builder.refusing),
                    **{name: _lack(plugins.get(name)) for name in self._builder.required},
                },
            ),
            routes=self._make_routes(running, absent, formats),
            formats=formats,
        )

    def _switch(self, snapshot: Snapshot, world: World, sightings: list[Sighting], back: int | None) -> None:
        """No await in here: it has happened whole, or not at all."""
        former, self._snapshot = self._snapshot, snapshot
        self.world, self.sightings, self.goes_back_to = world, sightings, back
        self._stats.update({name: plugin.guard.stats for name, plugin in snapshot.plugins.items()})
        if former is None:
            for plugin in snapshot.plugins.values():
                plugin.uses = 1
        else:
            self.retired.retire(former, snapshot)
        for plugin in snapshot.plugins.values():
            if plugin.grant is not None and (former is None or former.plugins.get(plugin.id) is not plugin):
                plugin.grant.open()
        for table in shared_by(snapshot.plugins):
            table.join(snapshot.services)
        self._switched(former.plugins if former is not None else {}, snapshot.plugins)

    def _describe(
        self, number: int, actor: str, action: str, touched: Collection[Touched], world: World, back: int | None
    ) -> Generation:
        return Generation(
            number=number,
            at=self._clock.wall(),
            actor=actor,
            action=action,
            plugins=tuple(plugin.id for plugin in touched),
            goes_back_to=back,
            body=encode(world),
            changes={plugin.id: plugin.changes for plugin in touched},
        )

    def _freeze_stats(self) -> dict[str, Any]:
        return {name: stats.freeze() for name, stats in self._stats.items() if stats.durations.count}


def _refuse_worse(built: Built, must_run: Iterable[str], retried: Iterable[str] = ()) -> None:
    still_failed = {name for name in retried if name in built.plugins and built.plugins[name].state == "failed"}
    worse = dict(built.worse)
    for name in sorted({*must_run, *still_failed}):
        plugin = built.plugins.get(name)
        if name not in worse and (plugin is None or not plugin.running):
            reason = plugin.reason if plugin is not None else "it is not there"
            worse[name] = Conflict(reason or "it is disabled", plugin=name)
    if len(worse) == 1:
        ((name, error),) = worse.items()
        error.plugin = name
        raise error
    if worse:
        told = "; ".join(f"{name}: {error}" for name, error in worse.items())
        raise Conflict(f"{len(worse)} plugins would not run: {told}", plugin=next(iter(worse)))


def _let_rest(built: Built) -> None:
    """One that rests in a world that has served is no reason against going there, although it runs now: it was disabled
    in it, or waited for an approval."""
    for name in [name for name in built.worse if built.plugins[name].state == "disabled"]:
        del built.worse[name]


def _notes_on(built: Built) -> tuple[str, ...]:
    """What runs, and not as it should."""
    degraded = [plugin for plugin in (*built.fresh, *built.woken) if plugin.state == "degraded"]
    return tuple(f"{plugin.id} is degraded: {plugin.reason}" for plugin in degraded)


def _notes_on_resting(
    names: Iterable[str], before: Mapping[str, LoadedPlugin], after: Mapping[str, LoadedPlugin]
) -> Iterator[str]:
    """What runs no longer and nobody has disabled, and what was set without anybody knowing yet whether it is right."""
    resting = [after[name] for name in names if name in after and after[name].state == "disabled"]
    for plugin in resting:
        former = before.get(plugin.id)
        if plugin.reason is not None and former is not None and former.running:
            yield f"{plugin.id} {plugin.reason}"
        if plugin.unchecked and (former is None or former.settings.own != plugin.settings.own):
            yield f"{plugin.id} is disabled: its config is checked when it is enabled"


def _lack(plugin: LoadedPlugin | None) -> str | None:
    """Why a plugin does not run; what is secret about that stands in the list of plugins."""
    if plugin is None:
        return "it is not there"
    return None if plugin.running else f"it is {plugin.state}"


def _awaited(plugins: Mapping[str, LoadedPlugin], world: World, refusing: Iterable[str]) -> dict[str, str | None]:
    """Those that start yet, and that nothing may pass by: it is refused until they are there. One that has no manifest
    and was not read may be any that is not there, of those that refused when they ran last or are `refusing` by the
    operator's word."""
    starting = {name: plugin for name, plugin in plugins.items() if plugin.state == "loading"}
    guards = {name for name, entry in world.entries.items() if entry.guards and entry.enabled is not False}
    found = {
        name
        for name, plugin in starting.items()
        if name in guards or plugin.bars or plugin.settings.on_failure == "closed"
    }
    if any(plugin.manifest is None for plugin in starting.values()):
        known = {name for plugin in plugins.values() for name in (plugin.id, plugin.found.name, *plugin.found.aliases)}
        found |= {*guards, *refusing} - known
    return dict.fromkeys(sorted(found), "it is starting")


def _with_built(world: World, built: Built) -> World:
    """What is built in is always waited for; another may need one that is late, or be moved to a process of its own."""
    running = [plugin for plugin in built.plugins.values() if plugin.running and plugin.source != "builtin"]
    return world.with_code(built.codes).with_guards({plugin.id: plugin.guards for plugin in running})


def _listing(plugins: Mapping[str, LoadedPlugin]) -> dict[str, tuple[str, str | None]]:
    return {name: (plugin.state, plugin.reason) for name, plugin in plugins.items()}


def _touched(
    former: World, world: World, plugins: Mapping[str, LoadedPlugin], before: Mapping[str, LoadedPlugin]
) -> tuple[str, ...]:
    others = {name for name, plugin in plugins.items() if plugin.running and before.get(name) is not plugin}
    gone = {name for name, plugin in before.items() if plugin.running and name not in plugins}
    return tuple(sorted({*world.changed_from(former), *others, *gone}))


def _compared(
    names: Iterable[str],
    former: World,
    world: World,
    before: Mapping[str, LoadedPlugin],
    after: Mapping[str, LoadedPlugin],
) -> list[Touched]:
    """Before the switch: plugins of the former world are still as they were in it."""
    return [
        Touched(
            name,
            former.mark(name),
            world.mark(name),
            tell_differences(Side.of(name, former, before), Side.of(name, world, after)),
        )
        for name in names
    ]
