"""The order in which hooks run at one point: a pure function of what they declare."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from jackfield.errors import ManifestError


class Ordered(Protocol):
    @property
    def plugin(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def before(self) -> tuple[str, ...]: ...
    @property
    def after(self) -> tuple[str, ...]: ...


H = TypeVar("H", bound=Ordered)


def in_order(hooks: Iterable[H]) -> tuple[H, ...]:
    """By `priority` ascending, then plugin and name; `before` and `after` (plugin ids) win over priority.

    Raises `ManifestError` that names the plugins of a cycle. Names of plugins that are not here are no constraint.
    """
    items = sorted(hooks, key=lambda item: (item.priority, item.plugin, item.name))
    followers, waiting_for = _constraints(items)
    ready = [rank for rank in range(len(items)) if not waiting_for[rank]]
    heapq.heapify(ready)
    placed: list[H] = []
    while ready:
        rank = heapq.heappop(ready)
        placed.append(items[rank])
        for follower in followers[rank]:
            waiting_for[follower].discard(rank)
            if not waiting_for[follower]:
                heapq.heappush(ready, follower)
    if len(placed) < len(items):
        raise ManifestError(_cycle(items, waiting_for))
    return tuple(placed)


def _constraints(items: Sequence[H]) -> tuple[list[set[int]], list[set[int]]]:
    """For each rank: the ranks that must come later, and the ranks it still waits for."""
    of_plugin: dict[str, list[int]] = {}
    for rank, item in enumerate(items):
        of_plugin.setdefault(item.plugin, []).append(rank)
    followers: list[set[int]] = [set() for _ in items]
    waiting_for: list[set[int]] = [set() for _ in items]

    def follows(first: int, second: int) -> None:
        if first != second:
            followers[first].add(second)
            waiting_for[second].add(first)

    for rank, item in enumerate(items):
        for name in item.before:
            for other in of_plugin.get(name, ()):
                follows(rank, other)
        for name in item.after:
            for other in of_plugin.get(name, ()):
                follows(other, rank)
    return followers, waiting_for


def _cycle(items: Sequence[H], waiting_for: Sequence[set[int]]) -> str:
    """Walks back from any hook that still waits; the walk must meet itself, and from there on it is the cycle."""
    rank = next(rank for rank, waits in enumerate(waiting_for) if waits)
    path: list[int] = []
    while rank not in path:
        path.append(rank)
        rank = min(waiting_for[rank])
    names = [items[step].plugin for step in [*path[path.index(rank) :], rank]]
    return "hooks wait for each other: " + " after ".join(names)
