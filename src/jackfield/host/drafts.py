"""Plugins on their way into a world, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from jackfield.dialects.base import Blueprint
from jackfield.errors import ConfigError, JackfieldError
from jackfield.host import loader
from jackfield.host.endings import put_to_rest, stop_all
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.survey import Sighting
from jackfield.host.world import Code, Entry
from jackfield.sdk.events import SYSTEM
from jackfield.sdk.permissions import check_permission
from jackfield.sdk.shared import read_need, read_offer
from jackfield.services.grants import Grant
from jackfield.settings import PluginConfig

# What an operator may choose between, by where a plugin's code runs if nobody chooses.
CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"inprocess": ("inprocess", "isolated"), "isolated": ("inprocess", "isolated")}
)
# Whose code the dialects' own readers must not run.
ELSEWHERE = frozenset({"isolated", "grpc"})


class Draft:
    """One plugin on its way into a world."""

    __slots__ = ("approved", "bars", "blueprint", "entry", "id", "plugin", "settings", "sighting")

    def __init__(self, plugin_id: str, sighting: Sighting, entry: Entry) -> None:
        self.id, self.sighting, self.entry = plugin_id, sighting, entry
        self.settings = PluginConfig()
        self.blueprint: Blueprint | None = None
        self.plugin: LoadedPlugin | None = None
        self.approved: tuple[str, ...] = ()
        self.bars = False

    def choose_runtime(self) -> None:
        """The operator's word, else what it was installed for, else the manifest's. Raises `ConfigError` for one in
        which this plugin cannot run."""
        found, manifest = self.sighting.found, self.sighting.manifest
        given = manifest.runtime if manifest is not None and found.runtime == "inprocess" else found.runtime
        wanted = self.settings.runtime or self.entry.runtime or given
        if wanted not in CHOICES.get(given, (given,)):
            ways = " or ".join(loader.RUNTIMES[name] for name in CHOICES.get(given, (given,)))
            told = f"there is no runtime {wanted!r} for it: this plugin runs in {ways}"
            raise ConfigError(told, field=f"plugins.config.{self.id}.runtime", plugin=self.id)
        if wanted == "isolated" and found.root is None:
            told = "it is installed in the gateway's own interpreter, and cannot run isolated"
            raise ConfigError(told, field=f"plugins.config.{self.id}.runtime", plugin=self.id)
        self.sighting = msgspec.structs.replace(self.sighting, found=msgspec.structs.replace(found, runtime=wanted))


class Built(msgspec.Struct):
    """`fresh` are the plugins that were started for it, in that order, `woken` those that were loaded but disabled.
    `worse` tells, by id, what keeps plugins from running that ran before or are new; `codes` are the copies that it
    runs or would run."""

    plugins: dict[str, LoadedPlugin]
    fresh: list[LoadedPlugin]
    woken: list[LoadedPlugin]
    worse: dict[str, JackfieldError]
    codes: dict[str, Code]

    async def discard(self) -> None:
        """Unloads what was started for a world that is not to be, and puts to rest again what rested."""
        await stop_all(self.fresh)
        for plugin in self.woken:
            await put_to_rest(plugin)


def with_manifest(seen: Sighting, same: LoadedPlugin | None) -> Sighting:
    """One without a manifest file says of itself what it said when its code was read."""
    if seen.manifest is not None or same is None:
        return seen
    return msgspec.structs.replace(seen, manifest=same.manifest)


def gives_way(seen: Sighting) -> bool:
    """Whether it is a built-in plugin that only an operator's word enables: whatever they have of that id comes before
    it."""
    return seen.found.source == "builtin" and seen.manifest is not None and not seen.manifest.enabled


def ids_of_builtins(sightings: Iterable[Sighting]) -> frozenset[str]:
    """Those that plugins of other dialects must not have."""
    return frozenset(seen.stated_id for seen in sightings if seen.found.source == "builtin" and not gives_way(seen))


async def find_anew(seen: Sighting) -> Sighting:
    """Its code may run in another generation, or have run in one: this start gets modules of its own."""
    if seen.find_again is None:
        return seen
    again = await loader.run_own(seen.find_again)
    return msgspec.structs.replace(seen, found=msgspec.structs.replace(again, runtime=seen.found.runtime))


def mark(place: str, digest: str | None, of: LoadedPlugin | Sighting) -> tuple[str, str | None, str]:
    """What tells a version of a plugin from others."""
    return place, digest, of.found.version


def version_of(plugin: LoadedPlugin) -> tuple[str, str | None, str]:
    return mark(plugin.place, plugin.digest, plugin)


def needs_of(draft: Draft) -> dict[str, Any]:
    manifest = draft.sighting.manifest
    if manifest is None:
        return {}
    return {"requires": manifest.requires, "optional": manifest.optional, "provides": manifest.provides}


def spare_name(name: str, seen: Sighting, plugins: Mapping[str, LoadedPlugin]) -> str:
    """A name to list it under that is nobody else's."""
    return f"{name}@{seen.found.source}:{seen.found.place}" if name in plugins else name


def lacking_service(draft: Draft, plugins: Mapping[str, LoadedPlugin]) -> str | None:
    """A service that it requires and nobody gives, although some plugin declares it."""
    manifest = draft.sighting.manifest
    for need in manifest.requires.services if manifest is not None else ():
        wanted = read_need(need)
        declaring = [
            plugin
            for plugin in plugins.values()
            if plugin.manifest is not None and any(map(wanted.is_met_by, map(read_offer, plugin.manifest.provides)))
        ]
        if not any(plugin.grant is not None and wanted.name in plugin.grant.shared for plugin in declaring):
            names = ", ".join(plugin.id for plugin in declaring)
            return f"requires the service {need!r}, which {names} declares and does not provide"
    return None


def tell_missing(grant: Grant) -> str | None:
    missing = ", ".join(map(repr, grant.shared.missing))
    return f"it declares that it provides {missing}, and does not" if missing else None


def refuse_late_choice(draft: Draft, ran_in: str) -> None:
    """Raises `ConfigError` where the operator chose another runtime by an id that only the code could tell: it has run
    by then."""
    wanted = draft.settings.runtime
    if wanted not in (None, ran_in):
        told = "its code had to run to tell this id: name the plugin's folder in its place, or give it a manifest"
        raise ConfigError(told, field=f"plugins.config.{draft.id}.runtime", plugin=draft.id)


def refuse_reserved(plugin_id: str) -> None:
    """Raises `ConfigError` for the name under which the gateway itself speaks to plugins."""
    if plugin_id == SYSTEM:
        raise ConfigError(f"the id {plugin_id!r} is the gateway's own: give it another name", plugin=plugin_id)


def check_approved(plugin_id: str, word: object) -> None:
    """Raises `ConfigError` for a permission that there is not."""
    try:
        for name in word if isinstance(word, tuple) else ():
            check_permission(name)
    except ValueError as error:
        raise ConfigError(str(error), field=f"plugins.config.{plugin_id}.approve", plugin=plugin_id) from error
