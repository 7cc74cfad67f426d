"""How much work one check is: where several parts of a schema lead back to it, each level of a value doubles it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jackfield.services.schema_size import References

MOST_STEPS = 50_000
# A value that is large and not deep takes a step or a few for each of its parts.
STEPS_A_PAIR = 8
MOST_PAIRS = 100_000

_SAME = ("$ref", "$dynamicRef", "not", "if", "then", "else")
_SAME_EACH = ("allOf", "anyOf", "oneOf")
_EVERY = ("additionalProperties", "unevaluatedProperties", "items", "contains", "unevaluatedItems")


class Workload:
    """Of one schema. One without references takes no more than its size for each part of a value."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema, self._references = schema, References(schema)

    def is_bearable(self, value: Any) -> bool:
        if not self._references.any:
            return True
        count = _Count(self._references)
        try:
            steps = count.steps(self._schema, value)
        except (RecursionError, OverflowError):
            return False
        return steps <= max(MOST_STEPS, STEPS_A_PAIR * count.pairs)


class _Count:
    """Each part of the schema is looked at once with each part of the value, however often the check will do so."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._known: dict[tuple[int, int], int] = {}
        self.pairs = 0

    def steps(self, node: Any, value: Any) -> int:
        if not isinstance(node, Mapping):
            return 1
        pair = (id(node), id(value))
        is_new = pair not in self._known
        # Equal scalars may be one object, at many places of the value.
        if is_new or not isinstance(value, Mapping | list):
            self.pairs += 1
            if self.pairs > MOST_PAIRS:
                raise OverflowError
        if is_new:
            self._known[pair] = 0
            self._known[pair] = 1 + sum(self.steps(part, held) for part, held in self._next(node, value))
        return self._known[pair]

    def _next(self, node: Mapping[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
        for key in _SAME:
            if (part := node.get(key)) is not None:
                yield (self._references.find(part) if isinstance(part, str) else part), value
        for key in _SAME_EACH:
            for part in node.get(key) or ():
                yield part, value
        for part in (node.get("dependentSchemas") or {}).values():
            yield part, value
        if isinstance(value, Mapping):
            yield from _named(node, value)
        if isinstance(value, Mapping | list):
            held = list(value.values()) if isinstance(value, Mapping) else value
            parts = [node[key] for key in _EVERY if key in node]
            parts += (node.get("patternProperties") or {}).values()
            yield from ((part, each) for part in parts for each in held)
            yield from zip(node.get("prefixItems") or (), held, strict=False)


def _named(node: Mapping[str, Any], value: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    for name, part in (node.get("properties") or {}).items():
        if name in value:
            yield part, value[name]
