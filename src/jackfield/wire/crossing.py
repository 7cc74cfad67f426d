"""One value on its way into a format: what may come along, and what had no place."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from jackfield.wire.chat import Extra, freeze
from jackfield.wire.json import NULL, Fields, kept_name

Body = dict[str, Any]


class Crossing:
    """`own` says that the value was read from the very format it is written in: its `extra` fields return.

    `spread` names the objects of the format whose fields the canonical form spreads out: what is left of them
    is kept in `extra` under a dotted name, such as `usage.queue_time`.
    """

    __slots__ = ("dropped", "own", "spread")

    def __init__(self, source: str, target: str, spread: frozenset[str] = frozenset()) -> None:
        self.own = source == target
        self.spread = spread
        self.dropped: set[str] = set()

    def drop(self, name: str) -> None:
        self.dropped.add(name)

    def add_extra(self, body: Body, extra: Extra, prefix: str = "") -> None:
        """Puts the fields back where they were, or reports them. A null says nothing that could be lost."""
        for name, raw in extra.items():
            if self.own:
                self._put(body, name, raw)
            elif raw != NULL:
                self.dropped.add(prefix + name)

    def _put(self, body: Body, name: str, raw: Raw) -> None:
        parent, dot, child = name.partition(".")
        if dot and not parent:
            body[child] = raw
        elif dot and parent in self.spread:
            inner = body.setdefault(parent, {})
            if child not in inner:
                self._put(inner, child, raw)
        else:
            body[name] = raw

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.dropped))


def extra_of(fields: Fields, parent: str, rest: Fields) -> Extra:
    """What is left of an object, and of the object `parent` in it."""
    if "." in "".join(fields):
        fields = {kept_name(name): raw for name, raw in fields.items()}
    return freeze(fields | spread_rest(rest, parent))


def spread_rest(rest: Fields, parent: str) -> Fields:
    """What is left of a spread object, under the names that `Crossing.add_extra` understands."""
    return {f"{parent}.{name}": raw for name, raw in rest.items()}
