"""What a change has made of one plugin, in words for the audit log: no secret is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from jackfield.host.masking import ABSENT, holds_mask, masked_overlay, without_texts
from jackfield.host.plugin import LoadedPlugin
from jackfield.host.world import NOTHING, Entry, World
from jackfield.settings import conceal
from jackfield.telemetry.text import escape_halves

LONGEST_VALUE = 200


class Side(NamedTuple):
    """A plugin before a change, or after it: what is kept of it, and how it is listed, if it is."""

    entry: Entry
    plugin: LoadedPlugin | None

    @classmethod
    def of(cls, name: str, world: World, plugins: Mapping[str, LoadedPlugin]) -> Side:
        return cls(world.entry(name), plugins.get(name))

    @property
    def is_known(self) -> bool:
        return self.plugin is not None or self.entry != NOTHING

    @property
    def digest(self) -> str | None:
        return None if self.entry.code is None else self.entry.code.digest

    @property
    def approved(self) -> frozenset[str]:
        listed = self.plugin.approved if self.plugin is not None else ()
        return frozenset((*listed, *(self.entry.approved or ())))

    @property
    def overlay(self) -> Mapping[str, Any]:
        if self.plugin is not None:
            return masked_overlay(self.plugin)
        shown: dict[str, Any] = conceal(without_texts(dict(self.entry.config)))
        return shown


def tell_differences(before: Side, after: Side) -> tuple[str, ...]:
    """One line for each thing that is another than before."""
    told = (*_code(before, after), *_permissions(before, after), *_config(before, after))
    if not told and before.plugin is not after.plugin:
        told = ("started anew",)
    return tuple(map(escape_halves, told))


def _code(before: Side, after: Side) -> Iterator[str]:
    if after.plugin is None:
        yield "removed"
        return
    version, former = after.plugin.version, before.plugin
    if not before.is_known:
        yield f"added, version {version}"
    elif former is not None and former.version != version:
        yield f"version {former.version} -> {version}"
    elif before.digest != after.digest:
        yield f"other code, version {version}"
    if after.entry.installed != before.entry.installed:
        yield "installed as a copy" if after.entry.installed else "no longer installed as a copy"
    if (after.entry.hold is None) != (before.entry.hold is None):
        yield "no longer held back" if after.entry.hold is None else "held back against what is on disk"
    yield from _state(former.state if former is not None else None, after.plugin.state)


def _state(before: str | None, after: str) -> Iterator[str]:
    if before == after:
        return
    if after in ("disabled", "failed"):
        yield after
    elif before == "disabled":
        yield "enabled"
    elif before is not None:
        yield f"{before} -> {after}"


def _permissions(before: Side, after: Side) -> Iterator[str]:
    """One that fails before it is known what it asks for has lost nothing by that."""
    if after.plugin is not None and not after.plugin.asked and after.plugin.state == "failed":
        return
    for word, names in (("added", after.approved - before.approved), ("removed", before.approved - after.approved)):
        if names:
            yield f"permissions {word}: {', '.join(sorted(names))}"


def _config(before: Side, after: Side) -> Iterator[str]:
    former, now = before.entry.config, after.entry.config
    shown_before, shown_after = before.overlay, after.overlay
    for key in sorted({*former, *now}):
        if former.get(key, ABSENT) != now.get(key, ABSENT):
            yield f"config.{key}: {_tell_value(shown_before.get(key, ABSENT), shown_after.get(key, ABSENT))}"


def _tell_value(before: Any, after: Any) -> str:
    if after is ABSENT:
        return "no longer set"
    if holds_mask(before) or holds_mask(after):
        return "set" if before is ABSENT else "changed"
    return f"set to {_written(after)}" if before is ABSENT else f"{_written(before)} -> {_written(after)}"


def _written(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
