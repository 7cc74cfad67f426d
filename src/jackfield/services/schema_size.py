"""How much work a schema is: references that double at each step make a check of hours out of a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

MOST_NODES = 500_000
_REFERENCES = ("$ref", "$dynamicRef")
_ANCHORS = ("$anchor", "$dynamicAnchor")


def is_bounded(schema: Mapping[str, Any]) -> bool:
    """Whether it stays small with every reference replaced by what it refers to. One that leads back to itself, as in
    the schema of a tree, counts once: how often it is followed is up to the value. What cannot be followed here, a
    part with an id of its own or a name given twice, is as good as endless."""
    try:
        parts = tuple(_parts(schema))
        names = [part[key] for part in parts for key in _ANCHORS if isinstance(part.get(key), str)]
        if len(set(names)) != len(names) or any(isinstance(part.get("$id"), str) for part in parts[1:]):
            return False
        return _Measure(References(schema)).size(schema) <= MOST_NODES
    except RecursionError:
        return False


class References:
    """Where those of a bounded schema lead. `any` is whether there are some."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        parts = tuple(_parts(root))
        self.any = any(key in part for part in parts for key in _REFERENCES)
        self._named = {part[key]: part for part in parts for key in _ANCHORS if isinstance(part.get(key), str)}

    def find(self, reference: str) -> Any:
        """What leads out of the schema, or nowhere, is refused by whoever builds from it."""
        fragment = unquote(reference.partition("#")[2])
        if fragment and not fragment.startswith("/"):
            return self._named.get(fragment)
        node: Any = self._root
        for step in fragment.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list):
                node = node[int(step)] if step.isdecimal() and int(step) < len(node) else None
            else:
                node = node.get(step) if isinstance(node, Mapping) else None
        return node


class _Measure:
    def __init__(self, references: References) -> None:
        self._references = references
        self._known: dict[str, int] = {}

    def size(self, node: Any) -> int:
        if not isinstance(node, Mapping):
            return 1 + sum(map(self.size, node)) if isinstance(node, list) else 1
        referred = (node[key] for key in _REFERENCES if isinstance(node.get(key), str))
        return 1 + sum(map(self.size, node.values())) + sum(map(self._size_of_referred, referred))

    def _size_of_referred(self, reference: str) -> int:
        if reference not in self._known:
            self._known[reference] = 0
            self._known[reference] = self.size(self._references.find(reference))
        return self._known[reference]


def _parts(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
    inner = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    for each in inner:
        yield from _parts(each)
