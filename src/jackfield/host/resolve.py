"""The order in which plugins start, or why one cannot: a pure function of what they need and provide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from jackfield.sdk.manifest import Needs
from jackfield.sdk.shared import read_need, read_offer


class Node(msgspec.Struct, frozen=True):
    """One plugin that is to start."""

    id: str
    requires: Needs = Needs()
    optional: Needs = Needs()
    provides: tuple[str, ...] = ()


class Resolved(msgspec.Struct, frozen=True):
    """`order` is the start order of those that can start; `needs` are, by id, those of them that must run before it;
    `refused` tells for the others why they cannot."""

    order: tuple[str, ...]
    needs: Mapping[str, frozenset[str]]
    refused: Mapping[str, str]


def resolve(nodes: Iterable[Node]) -> Resolved:
    """What is needed starts first; else the given order stays. An optional need that would close a circle is left
    out."""
    waiting = {node.id: node for node in nodes}
    refused: dict[str, str] = {}
    _refuse_lacking(waiting, refused)
    while (circle := _circle(waiting)) is not None:
        path = " needs ".join((*circle, circle[0]))
        for name in circle:
            refused[name] = f"waits for itself: {path}"
            del waiting[name]
        _refuse_lacking(waiting, refused)
    needs = {name: frozenset(_required(node, waiting)) for name, node in waiting.items()}
    return Resolved(_order(waiting, needs), needs, refused)


def _refuse_lacking(waiting: dict[str, Node], refused: dict[str, str]) -> None:
    """Takes out what lacks something, and then what lacked that."""
    while lacking := {name: lacks for name, node in waiting.items() if (lacks := tuple(_lacks(node, waiting)))}:
        for name, lacks in lacking.items():
            refused[name] = _tell_lacks(lacks, waiting, refused)
            del waiting[name]


def _lacks(node: Node, waiting: Mapping[str, Node]) -> Iterator[tuple[str, str]]:
    yield from (("plugin", plugin) for plugin in node.requires.plugins if plugin not in waiting)
    for service in node.requires.services:
        if not any(_provides(other, service) for other in waiting.values() if other.id != node.id):
            yield "service", service


def _tell_lacks(lacks: Sequence[tuple[str, str]], waiting: Mapping[str, Node], refused: Mapping[str, str]) -> str:
    """All of them, and why the first is not there: the reasons of all would double with each plugin on the way."""
    (kind, wanted), *more = lacks
    because = f": {refused[wanted]}" if kind == "plugin" and wanted in refused else _others(wanted, waiting)
    further = "".join(f"; requires the {kind} {wanted!r} too" for kind, wanted in more)
    return f"requires the {kind} {wanted!r}, which does not run{because}{further}"


def _provides(node: Node, service: str) -> bool:
    wanted = read_need(service)
    return any(wanted.is_met_by(read_offer(offer)) for offer in node.provides)


def _others(service: str, waiting: Mapping[str, Node]) -> str:
    """What there is of that name in versions that do not do."""
    name = service.partition(" ")[0]
    found = [
        f"{node.id} provides {offer}"
        for node in waiting.values()
        for offer in node.provides
        if read_offer(offer).name == name
    ]
    return f": {', '.join(found)}" if found else ""


def _required(node: Node, waiting: Mapping[str, Node]) -> Iterator[str]:
    return _wanted(node.id, node.requires, waiting)


def _wanted(own: str, needs: Needs, waiting: Mapping[str, Node]) -> Iterator[str]:
    yield from (name for name in needs.plugins if name in waiting)
    for service in needs.services:
        yield from (name for name, node in waiting.items() if _provides(node, service) and name != own)


def _circle(waiting: Mapping[str, Node]) -> list[str] | None:
    """Some circle of required needs."""
    done: set[str] = set()
    for start in waiting:
        path: list[str] = []
        found = _walk(start, waiting, path, done)
        if found is not None:
            return found
    return None


def _walk(name: str, waiting: Mapping[str, Node], path: list[str], done: set[str]) -> list[str] | None:
    """Depth first without recursion: a chain of plugins may be longer than the interpreter's stack."""
    stack = [(name, _required(waiting[name], waiting))]
    path.append(name)
    while stack:
        here, needs = stack[-1]
        below = next(needs, None)
        if below is None:
            stack.pop()
            path.pop()
            done.add(here)
        elif below in path:
            return path[path.index(below) :]
        elif below not in done:
            stack.append((below, _required(waiting[below], waiting)))
            path.append(below)
    return None


def _order(waiting: Mapping[str, Node], needs: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """Repeatedly the first whose needs are met; where only optional needs hold all back, the first that requires
    nothing more."""
    left = dict.fromkeys(waiting)
    placed: dict[str, None] = {}
    while left:
        ready = [name for name in left if needs[name] <= placed.keys()]
        name = next((name for name in ready if not _hopes(waiting[name], waiting) & left.keys()), ready[0])
        placed[name] = left.pop(name)
    return tuple(placed)


def _hopes(node: Node, waiting: Mapping[str, Node]) -> set[str]:
    return set(_wanted(node.id, node.optional, waiting)) - {node.id}
