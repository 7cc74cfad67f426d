"""Building a world aside: every plugin of the next snapshot, started and checked before any request sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import msgspec
import structlog
from pydantic import ValidationError

from jackfield.clock import Clock
from jackfield.dialects.base import Blueprint, Dialect, Reader
from jackfield.errors import ConfigError, Conflict, JackfieldError
from jackfield.hooks.guard import PluginGuard, PluginStats
from jackfield.host import loader
from jackfield.host.drafts import (
    ELSEWHERE,
    Built,
    Draft,
    check_approved,
    find_anew,
    gives_way,
    ids_of_builtins,
    lacking_service,
    mark,
    needs_of,
    refuse_late_choice,
    refuse_reserved,
    spare_name,
    tell_missing,
    version_of,
    with_manifest,
)
from jackfield.host.late import STARTING, Late, Readings, start_in_order
from jackfield.host.paths import Paths, collect_middleware, collect_paths, refuse_clash
from jackfield.host.plugin import LoadedPlugin, refuses
from jackfield.host.resolve import Node, Resolved, resolve
from jackfield.host.snapshot import shared_by
from jackfield.host.strays import end_strays
from jackfield.host.survey import Sighting
from jackfield.host.world import Entry, World
from jackfield.sdk.permissions import PERMISSIONS
from jackfield.sdk.plugin import Plugin, config_model
from jackfield.services.grants import Asker, Grant, GrantServices
from jackfield.services.shared import SharedDirectory, declared_names
from jackfield.settings import PluginConfig, PluginSettings
from jackfield.sources.base import Form

log = structlog.get_logger("jackfield.host")


class Trouble(msgspec.Struct, frozen=True):
    """What a hook did wrong when it was tried. `closed` is whether requests would be refused for it."""

    hook: str
    told: str
    closed: bool


NOTHING: Mapping[str, LoadedPlugin] = MappingProxyType({})

Probe = Callable[[LoadedPlugin], Awaitable[list[Trouble]]]
NO_READERS: Mapping[str, Reader] = MappingProxyType({})


class Builder:
    """`grant` makes the services of a plugin from what was approved; `probe` tries the hooks of one that was started;
    `readers` read, by runtime, those whose code runs elsewhere."""

    def __init__(
        self,
        dialects: Mapping[str, Dialect],
        settings: PluginSettings,
        grant: GrantServices,
        probe: Probe,
        clock: Clock,
        readers: Mapping[str, Reader] = NO_READERS,
    ) -> None:
        self._dialects, self._settings, self._readers = dialects, settings, readers
        self._grant, self._probe, self._clock = grant, probe, clock
        self.readings = Readings()

    @property
    def required(self) -> tuple[str, ...]:
        """The ids of plugins without which nothing is served."""
        return self._settings.required

    @property
    def refusing(self) -> frozenset[str]:
        """Whose failures refuse by the operator's word, as the operator calls them."""
        return frozenset(name for name, one in self._settings.config.items() if one.on_failure == "closed")

    @property
    def start_patience_s(self) -> float:
        return self._settings.start_patience_s

    async def build(
        self,
        sightings: Iterable[Sighting],
        world: World,
        former: Mapping[str, LoadedPlugin],
        stats: Mapping[str, PluginStats],
        *,
        resting: Mapping[str, LoadedPlugin] = NOTHING,
        forced: Collection[str] | Literal["all"] = (),
        retried: Collection[str] | Literal["all"] = (),
        probed: bool = True,
        patience_s: float | None = None,
    ) -> Built:
        """Starts what is not there yet; of those `resting`, which are loaded but disabled, it enables what is as it
        was. Whatever is wrong with a plugin makes only that plugin `failed`; with `patience_s` one that does not come
        up within it is left `loading`."""
        making = _Making(self, world, former, stats, resting, forced, retried, probed=probed, patience_s=patience_s)
        try:
            await making.run(sightings)
        except BaseException:
            await making.built.discard()
            raise
        return making.built

    def settings_of(self, plugin_id: str, names: Iterable[str], entry: Entry) -> PluginConfig:
        """File, environment and command line under the plugin's id or another of its `names`, and the operator's word
        over them. Raises `ConfigError`."""
        configs = self._settings.config
        given = next((configs[name] for name in (plugin_id, *names) if name in configs), None)
        if given is None and not entry.config and entry.enabled is None:
            return loader.NO_CONFIG
        merged = {**(given.model_dump(exclude_unset=True) if given is not None else {}), **entry.config}
        if entry.enabled is not None:
            merged["enabled"] = entry.enabled
        try:
            return PluginConfig.model_validate(merged)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise ConfigError(first["msg"], field=f"plugins.config.{plugin_id}.{field}", plugin=plugin_id) from error

    def approved(self, draft: Draft) -> tuple[str, ...]:
        """Of what the plugin asks for: all of it where the operator trusts the place it came from, else what they have
        approved."""
        asked = draft.sighting.manifest.permissions if draft.sighting.manifest else ()
        word = draft.settings.approve if draft.settings.approve is not None else self._settings.approve
        check_approved(draft.id, word)
        if word == "auto" and not draft.entry.installed and draft.entry.approved is None:
            return asked
        allowed = {*(word if isinstance(word, tuple) else ()), *(draft.entry.approved or ())}
        return tuple(name for name in asked if name in allowed)

    def grant(self, plugin: LoadedPlugin, blueprint: Blueprint) -> Grant:
        asker = Asker(
            plugin=plugin.id,
            name=plugin.name,
            approved=frozenset(plugin.approved),
            http_hosts=blueprint.manifest.http.hosts,
            agent=blueprint.agent,
            built_in=plugin.source == "builtin",
            provides=None if blueprint.gives_freely else declared_names(blueprint.manifest.provides),
        )
        return self._grant(asker)

    async def probe(self, plugin: LoadedPlugin) -> list[Trouble]:
        return await self._probe(plugin)

    async def read(self, seen: Sighting) -> Blueprint:
        """Raises `ConfigError` where its code may not run here and nothing is there that runs it elsewhere."""
        found = seen.found
        reader = self._readers.get(found.runtime)
        if reader is not None:
            return await self.readings.read(mark(found.place, seen.digest, seen), partial(reader.read, found))
        if found.runtime in ELSEWHERE:
            raise ConfigError(f"nothing here runs plugins in {loader.RUNTIMES[found.runtime]}", file=found.place)
        return await loader.read_blueprint(found, self._dialects)

    def guard(self, plugin_id: str, stats: Mapping[str, PluginStats]) -> PluginGuard:
        return PluginGuard(plugin_id, self._clock, stats.get(plugin_id))


class _Making:
    """One build."""

    def __init__(
        self,
        builder: Builder,
        world: World,
        former: Mapping[str, LoadedPlugin],
        stats: Mapping[str, PluginStats],
        resting: Mapping[str, LoadedPlugin],
        forced: Collection[str] | Literal["all"],
        retried: Collection[str] | Literal["all"],
        *,
        probed: bool,
        patience_s: float | None,
    ) -> None:
        self._resting, self._patience_s = resting, patience_s
        self._retried, self._builtins = retried, frozenset[str]()
        self._builder, self._world, self._former, self._stats = builder, world, former, stats
        self._forced, self._probed = forced, probed
        self._known = {mark(plugin.found.place, plugin.digest, plugin): plugin for plugin in former.values()}
        self._replaced: set[str] = set()
        self.built = Built({}, [], [], {}, {})
        self._shared = SharedDirectory(lambda: shared_by(self.built.plugins))

    async def run(self, sightings: Iterable[Sighting]) -> None:
        every = list(sightings)
        self._builtins = ids_of_builtins(every)
        drafts = [draft for seen in every if (draft := await self._draft(seen)) is not None]
        nodes = [Node(draft.id, **needs_of(draft)) for draft in drafts]
        resolved = resolve(nodes)
        by_id = {draft.id: draft for draft in drafts}
        for name, reason in resolved.refused.items():
            self._fail(by_id[name], Conflict(reason, plugin=name))
        await self._start_in_order(resolved, by_id)
        started = {name: self.built.plugins[name] for name in resolved.order}
        self.built.plugins = started | self.built.plugins

    async def _start_in_order(self, resolved: Resolved, drafts: Mapping[str, Draft]) -> None:
        late = await start_in_order(
            resolved.order,
            resolved.needs,
            lambda name: self._begin(drafts[name], resolved.needs[name]),
            lambda name: drafts[name].sighting.found.runtime != "inprocess",
            self._patience_s,
        )
        for name in late:
            self._fail(drafts[name], Late(STARTING))

    async def _begin(self, draft: Draft, needs: frozenset[str]) -> None:
        lost = next((need for need in needs if not self.built.plugins[need].running), None)
        if lost is not None and self.built.plugins[lost].state in ("discovered", "loading"):
            self._fail(draft, Late(f"it waits for the plugin {lost!r}, which is starting"))
        elif lost is not None:
            self._fail(draft, Conflict(f"requires the plugin {lost!r}, which failed", plugin=draft.id))
        elif (lack := lacking_service(draft, self.built.plugins)) is not None:
            self._fail(draft, Conflict(lack, plugin=draft.id))
        else:
            await self._enliven(draft, anew=bool(needs & self._replaced))

    async def _draft(self, seen: Sighting) -> Draft | None:
        """Names one plugin. The first that has an id keeps it; a later one is listed as failed beside it. `None` where
        it is not to be started."""
        same = self._known.get(mark(seen.found.place, seen.digest, seen))
        name = same.id if same is not None and seen.manifest is None else seen.stated_id
        draft = Draft(name, with_manifest(seen, same), self._world.entry(name))
        try:
            if name in self.built.plugins and gives_way(seen):
                return None
            if name not in self.built.plugins and await self._rests(draft):
                return None
            if seen.problem is not None:
                raise ConfigError(seen.problem)
            refuse_reserved(name)
            if name in self._builtins and seen.found.dialect != "native":
                raise ConfigError(f"the id {name!r} is a built-in plugin's: give it another name")
            if same is not None and seen.manifest is None and self._stays_failed(same):
                self._keep(same, seen)
                return None
            if draft.sighting.manifest is None:
                draft.choose_runtime()
                draft.sighting = await find_anew(draft.sighting)
                draft.blueprint = await self._read_soon(draft)
                draft = self._renamed(draft)
                ran_in = draft.sighting.found.runtime
                refuse_reserved(draft.id)
                if draft.id not in self.built.plugins and await self._rests(draft):
                    draft.sighting.found.forget()
                    return None
                refuse_late_choice(draft, ran_in)
            draft.choose_runtime()
        except (JackfieldError, loader.PluginBroke, Late) as error:
            draft.id = spare_name(draft.id, seen, self.built.plugins)
            self._fail(draft, _as_error(error, draft.id))
            return None
        if (first := self.built.plugins.get(draft.id)) is not None:
            told = f"id {draft.id!r} is taken by {first.place} ({first.source})"
            draft.id = spare_name(draft.id, seen, self.built.plugins)
            self._fail(draft, ConfigError(told, plugin=draft.id), displaced=seen.found.source != "folder")
            return None
        self._list(draft)
        return draft

    async def _read_soon(self, draft: Draft) -> Blueprint:
        """Raises `Late`, and what reading it raises."""
        try:
            async with asyncio.timeout(self._patience_s) as patience:
                return await self._builder.read(draft.sighting)
        except TimeoutError:
            if not patience.expired():
                raise
            raise Late(STARTING) from None

    def _stays_failed(self, former: LoadedPlugin) -> bool:
        """Whether it failed or is starting, and nobody has asked to try again what has not changed: that may take its
        time, each time."""
        asked = self._retried == "all" or former.id in self._retried or self._is_forced(former.id)
        is_anew = self._world.entry(former.id).anew != former.anew
        return former.state in ("failed", "loading") and not asked and not is_anew

    def _is_forced(self, plugin_id: str) -> bool:
        return self._forced == "all" or plugin_id in self._forced

    def _keep(self, former: LoadedPlugin, seen: Sighting) -> None:
        self.built.plugins[former.id] = former
        if seen.code is not None and not former.spare:
            self.built.codes[former.id] = seen.code

    def _renamed(self, draft: Draft) -> Draft:
        assert draft.blueprint is not None
        plugin_id = draft.blueprint.manifest.id
        sighting = msgspec.structs.replace(draft.sighting, manifest=draft.blueprint.manifest)
        renamed = Draft(plugin_id, sighting, self._world.entry(plugin_id))
        renamed.blueprint = draft.blueprint
        return renamed

    async def _rests(self, draft: Draft) -> bool:
        """Whether it is disabled, or waits for an approval; then it is listed as that."""
        found = draft.sighting.found
        draft.settings = self._builder.settings_of(draft.id, (found.name, *found.aliases), draft.entry)
        manifest = draft.sighting.manifest
        draft.approved = self._builder.approved(draft)
        enabled = draft.settings.enabled if draft.settings.enabled is not None else not manifest or manifest.enabled
        with suppress(ConfigError):
            # What is wrong with the choice is told when it is to start.
            draft.choose_runtime()
        if not enabled:
            await self._rest(draft)
            return True
        missing = [name for name in (manifest.permissions if manifest else ()) if name not in draft.approved]
        if not missing:
            return False
        asked = "; ".join(f"{name} ({PERMISSIONS[name]})" for name in missing)
        self._list(draft).move("disabled", f"waits for approval of {asked}")
        former = self._former.get(draft.id)
        if former is not None and former.running:
            self.built.worse[draft.id] = Conflict(f"asks for more than was approved: {asked}", plugin=draft.id)
        return True

    async def _rest(self, draft: Draft) -> None:
        """Lists it as disabled, with the form of its config where that is known. A config that does not fit it may not
        be set; one that was there already waits until it is enabled."""
        plugin = self._list(draft)
        plugin.move("disabled")
        form = draft.sighting.found.form() or self._form_in_memory(plugin)
        if form is None:
            return
        try:
            plugin.show(await loader.check_config(form.model, draft.id, draft.settings), form.ui_schema)
        except (ConfigError, loader.PluginBroke) as error:
            former = self._former.get(draft.id)
            if former is not None and former.settings != draft.settings:
                self.built.worse[draft.id] = error if isinstance(error, JackfieldError) else Conflict(str(error))

    def _form_in_memory(self, plugin: LoadedPlugin) -> Form | None:
        """That of one whose code runs here already, or has run and is kept: none is run for it."""
        for known in (self._resting.get(plugin.id), self._former.get(plugin.id)):
            if known is not None and known.instance is not None and version_of(known) == version_of(plugin):
                return Form(known.ui_schema, config_model(type(known.instance)))
        return None

    def _list(self, draft: Draft) -> LoadedPlugin:
        plugin = LoadedPlugin(
            draft.id, draft.sighting.found, self._builder.guard(draft.id, self._stats), draft.sighting.digest
        )
        plugin.manifest, plugin.settings, plugin.overlay = draft.sighting.manifest, draft.settings, draft.entry.config
        plugin.approved, plugin.anew, plugin.bars = draft.approved, draft.entry.anew, draft.bars
        draft.plugin = self.built.plugins[draft.id] = plugin
        if draft.sighting.code is not None:
            self.built.codes[draft.id] = draft.sighting.code
        return plugin

    async def _enliven(self, draft: Draft, *, anew: bool) -> None:
        """Takes the plugin over from the former world where nothing about it has changed, else starts it."""
        former, plugin = self._former.get(draft.id), draft.plugin
        assert plugin is not None
        resting = self._resting.get(draft.id)
        try:
            if former is not None and not anew and self._is_same(former, plugin):
                self._refuse_clash(former.paths, former)
                self.built.plugins[draft.id] = former
                return
            if resting is not None and not anew and self._rests_as(resting, plugin):
                await find_anew(draft.sighting)  # raises for what was revoked since
                await self._wake(resting, plugin)
                return
            self._replaced.add(draft.id)
            plugin.move("loading")
            await self._start(draft, plugin)
        except (JackfieldError, loader.PluginBroke) as error:
            self._fail(draft, _as_error(error, draft.id))

    def _is_same(self, former: LoadedPlugin, plugin: LoadedPlugin) -> bool:
        stays = former.running or self._stays_failed(former)
        return stays and former.anew == plugin.anew and self._is_alike(former, plugin)

    def _rests_as(self, resting: LoadedPlugin, plugin: LoadedPlugin) -> bool:
        """Whether one that was disabled is still as it is to be now."""
        enabled = {"enabled": plugin.settings.enabled}
        return self._is_alike(resting, plugin, settings=resting.settings.model_copy(update=enabled))

    def _is_alike(self, known: LoadedPlugin, plugin: LoadedPlugin, settings: PluginConfig | None = None) -> bool:
        return (
            not self._is_forced(known.id)
            and known.runtime == plugin.runtime
            and version_of(known) == version_of(plugin)
            and (settings or known.settings) == plugin.settings
            and known.approved == plugin.approved
        )

    async def _wake(self, resting: LoadedPlugin, plugin: LoadedPlugin) -> None:
        assert resting.instance is not None
        self._refuse_clash(resting.paths, resting)
        degraded = await loader.enable(resting.instance, resting.id)
        resting.wake(plugin)
        self.built.plugins[resting.id] = resting
        self.built.woken.append(resting)
        if self._probed:
            degraded = await self._try(resting) or degraded
        resting.move("degraded" if degraded else "active", degraded)

    async def _start(self, draft: Draft, plugin: LoadedPlugin) -> None:
        if draft.blueprint is None:
            plugin.found = (await find_anew(draft.sighting)).found
        blueprint = draft.blueprint or await self._builder.read(
            msgspec.structs.replace(draft.sighting, found=plugin.found)
        )
        plugin.manifest, plugin.aliases = blueprint.manifest, blueprint.aliases
        grant = self._builder.grant(plugin, blueprint)
        grant.shared.join(self._shared)
        prepare = partial(loader.prepare, blueprint, draft.settings, grant.services, plugin.guard, plugin.priority)
        prepared = await loader.run_own(prepare)
        draft.bars = refuses(prepared.hooks)
        try:
            degraded = await self._bring_up(plugin, prepared.instance)
        except BaseException:
            await grant.aclose()
            await end_strays(prepared.instance, plugin.found, draft.id)
            raise
        plugin.take(prepared.instance, prepared.hooks, grant)
        plugin.show(prepared.config, prepared.ui_schema)
        self.built.fresh.append(plugin)
        degraded = degraded or tell_missing(grant)
        if self._probed:
            degraded = await self._try(plugin) or degraded
        plugin.move("degraded" if degraded else "active", degraded)
        log.info(f"Plugin loaded: {plugin.id}", version=plugin.version, source=plugin.source, hooks=len(plugin.hooks))

    async def _bring_up(self, plugin: LoadedPlugin, instance: Plugin[Any]) -> str | None:
        """Why it is degraded, if it is. Whatever this raises, it does not run then."""
        degraded = await loader.start(instance, plugin.id)
        try:
            paths = await loader.run_own(partial(collect_paths, instance, plugin.id, plugin.approved))
            self._refuse_clash(paths, plugin)
            plugin.offer(paths, await loader.run_own(partial(collect_middleware, instance)))
        except BaseException:
            await loader.stop(instance, plugin.id)
            raise
        return degraded

    def _refuse_clash(self, paths: Paths, of: LoadedPlugin) -> None:
        """Raises `Conflict`."""
        refuse_clash(paths, (one.paths for one in self.built.plugins.values() if one.running and one.id != of.id))

    async def _try(self, plugin: LoadedPlugin) -> str | None:
        """What its hooks did wrong. One that would refuse every request is no plugin to change to."""
        troubles = await self._builder.probe(plugin)
        for trouble in troubles:
            if trouble.closed:
                told = f"the hook {trouble.hook} failed when it was tried: {trouble.told}"
                self.built.worse[plugin.id] = Conflict(told, plugin=plugin.id)
        return "; ".join(f"{trouble.hook} failed when it was tried: {trouble.told}" for trouble in troubles) or None

    def _fail(self, draft: Draft, error: JackfieldError | Late, *, displaced: bool = False) -> None:
        """Lists it as failed, or as one that is still starting; that is worse than before unless it had failed before,
        as it is now."""
        plugin = self.built.plugins.get(draft.id)
        if plugin is None or plugin is not draft.plugin or isinstance(error, Late):
            plugin = self._list(draft)
        if isinstance(error, Late):
            plugin.move("loading", str(error))
            return
        plugin.move("failed", str(error))
        plugin.let_go()
        plugin.spare = draft.id != draft.sighting.stated_id and "@" in draft.id
        former = self._former.get(draft.id)
        if not displaced and (
            former is None
            or former.state != "failed"
            or former.digest != plugin.digest
            or former.settings != plugin.settings
        ):
            self.built.worse[draft.id] = error
            log.error("plugin_failed", plugin=plugin.id, place=plugin.place, reason=str(error))


def _as_error(error: JackfieldError | loader.PluginBroke | Late, plugin_id: str) -> JackfieldError | Late:
    return Conflict(str(error), plugin=plugin_id) if isinstance(error, loader.PluginBroke) else error
