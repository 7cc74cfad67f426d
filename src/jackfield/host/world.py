"""What is kept of the plugin world: the code that each plugin runs, and what the operator has decided about it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """The archive that a copy was made from: the plugin and its version, the archive's SHA-256, the key that it was
    signed with, and the catalogue that led to it."""

    id: str
    version: str
    sha256: str
    signer: str | None = None
    catalogue: str | None = None


class Code(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sealed copy, and how the plugin was found when it was made. `root` is the plugins folder it stood in."""

    digest: str
    dialect: str
    name: str
    place: str
    root: str
    origin: Origin | None = None


class Hold(msgspec.Struct, frozen=True):
    """A rollback holds the plugin at its code (or keeps it out, where it has none) for as long as the disk still has
    what was rolled back: the code of digest `disk`, or none. `place` is where that stands."""

    place: str
    disk: str | None


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One plugin. `enabled`, `config` and `approved` are the operator's, through the API; `None` and empty where they
    have not spoken. `installed` is code that is on no disk but in the sealed copy, `runtime` where it was installed to
    run. `guards` is whether, when it ran last, something was refused where it failed. `anew` counts how often the
    operator had it started although nothing about it had changed: every worker does so then."""

    code: Code | None = None
    enabled: bool | None = None
    config: dict[str, Any] = {}
    approved: tuple[str, ...] | None = None
    installed: bool = False
    runtime: str | None = None
    hold: Hold | None = None
    guards: bool = False
    anew: int = 0


NOTHING = Entry()


class World(msgspec.Struct, frozen=True):
    """Immutable: `with_entry` and the like make another."""

    entries: Mapping[str, Entry] = {}

    def entry(self, plugin: str) -> Entry:
        return self.entries.get(plugin, NOTHING)

    def with_entry(self, plugin: str, **changes: Any) -> World:
        return World({**self.entries, plugin: msgspec.structs.replace(self.entry(plugin), **changes)})

    def with_code(self, codes: Mapping[str, Code | None]) -> World:
        """With what each plugin runs now; entries that say nothing any more are left out."""
        changed = {**self.entries}
        for plugin in (*codes, *(name for name in self.entries if name not in codes)):
            changed[plugin] = _running(self.entry(plugin), codes.get(plugin))
        return World({name: entry for name, entry in changed.items() if entry != NOTHING})

    def with_anew(self, plugins: Iterable[str]) -> World:
        world = self
        for plugin in plugins:
            world = world.with_entry(plugin, anew=world.entry(plugin).anew + 1)
        return world

    def with_guards(self, guards: Mapping[str, bool]) -> World:
        """With what is known of those now."""
        world = self
        for plugin, is_guard in guards.items():
            if world.entry(plugin).guards != is_guard:
                world = world.with_entry(plugin, guards=is_guard)
        return world

    def digests(self) -> set[str]:
        return {entry.code.digest for entry in self.entries.values() if entry.code is not None}

    def changed_from(self, other: World) -> tuple[str, ...]:
        names = sorted({*self.entries, *other.entries})
        return tuple(name for name in names if self.entry(name) != other.entry(name))

    def mark(self, plugin: str) -> str | None:
        """A digest of the plugin's entry for the audit log; `None` where there is none."""
        entry = self.entries.get(plugin)
        return None if entry is None else hashlib.sha256(msgspec.json.encode(entry, order="sorted")).hexdigest()


def _running(entry: Entry, code: Code | None) -> Entry:
    """What runs from a folder is not installed any more."""
    moved = entry.code is not None and code is not None and entry.code.place != code.place
    return msgspec.structs.replace(entry, code=code, installed=entry.installed and not moved)


def lift(world: World, names: Iterable[str]) -> World:
    """Without what held these plugins at an earlier version."""
    for name in names:
        if world.entry(name).hold is not None:
            world = world.with_entry(name, hold=None)
    return world


def roll_back(now: World, target: World) -> World:
    """The target, holding each plugin whose code differs for as long as the disk has what `now` runs. What was learned
    since stays known."""
    target = World({name: _as_known(entry, now.entry(name)) for name, entry in target.entries.items()})
    entries = dict(target.entries)
    for name in {*now.entries, *target.entries}:
        former, wanted = now.entry(name), target.entry(name)
        if not (former.installed or wanted.installed):
            held = msgspec.structs.replace(wanted, hold=_hold(former, wanted))
            entries.pop(name, None)
            entries |= {name: held} if held != NOTHING else {}
    return World(entries)


def _as_known(entry: Entry, now: Entry) -> Entry:
    return msgspec.structs.replace(entry, guards=now.guards, anew=now.anew)


def _hold(former: Entry, wanted: Entry) -> Hold | None:
    """What is held already stays held against the same: the disk still has what was rolled back first."""
    if former.hold is not None or former.code == wanted.code:
        return former.hold
    code = former.code or wanted.code
    return None if code is None else Hold(code.place, former.code.digest if former.code else None)


def encode(world: World) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(world)
    return built


def decode(body: Mapping[str, Any]) -> World:
    return msgspec.convert(body, World)


def digests_of(bodies: Iterable[Mapping[str, Any]]) -> set[str]:
    return {digest for body in bodies for digest in decode(body).digests()}
