"""The hooks of a snapshot, ready to run: for each operation and point a tuple in final order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from jackfield.hooks.guard import PluginGuard
from jackfield.hooks.order import in_order
from jackfield.hooks.watchdog import BLOCKED_NS
from jackfield.sdk.hooks import POINTS, HookPoint, HookSpec, PointName
from jackfield.wire.base import OPERATIONS, Operation


class BoundHook:
    """One hook of one plugin instance with everything settled: order, deadline and policy. A call in less than
    `quick_ns` has neither missed its deadline nor kept the event loop."""

    __slots__ = (
        "after",
        "before",
        "call",
        "closed",
        "deadline_ns",
        "deadline_s",
        "guard",
        "name",
        "plugin",
        "point",
        "priority",
        "quick_ns",
        "spec",
    )

    def __init__(
        self,
        plugin: str,
        spec: HookSpec,
        call: Callable[..., Awaitable[Any]],
        guard: PluginGuard,
        *,
        priority: int,
        timeout_ms: int,
        closed: bool,
    ) -> None:
        self.plugin, self.name, self.spec = plugin, spec.name, spec
        self.point: HookPoint = POINTS[spec.point]
        self.call, self.guard = call, guard
        self.priority, self.closed = priority, closed
        self.deadline_s, self.deadline_ns = timeout_ms / 1000, timeout_ms * 1_000_000
        self.quick_ns = min(BLOCKED_NS, self.deadline_ns)
        self.before, self.after = spec.before, spec.after


Hooks = tuple[BoundHook, ...]
NOBODY: Mapping[str, str | None] = MappingProxyType({})


class HookRow:
    """The hooks that see one operation. `holds` is whether a stream must be held for a hook that edits the whole,
    `collects` whether the whole answer must be known in its canonical form at the end. `barred` names the plugin that
    must see the operation and does not, and says why. `receives` is whether anything of this comes before the caller is
    known."""

    __slots__ = (
        "attempt",
        "auth",
        "background",
        "barred",
        "collects",
        "holds",
        "ingress",
        "pre_flight",
        "receives",
        "response_body",
        "response_chunk",
        "response_head",
        "routing",
    )

    def __init__(self, at: dict[PointName, Hooks], barred: tuple[str, str] | None = None) -> None:
        self.barred = barred
        self.ingress = at["ingress"]
        self.auth = at["auth"]
        self.pre_flight = at["pre_flight"]
        self.routing = at["routing"]
        self.attempt = at["attempt"]
        self.response_head = at["response_head"]
        self.response_chunk = at["response_chunk"]
        self.response_body = at["response_body"]
        self.background = at["background"]
        self.receives = bool(barred or self.ingress or self.auth)
        self.holds = any(hook.spec.edits for hook in self.response_body)
        self.collects = bool(self.response_body) or any(hook.spec.sees_answer for hook in self.background)

    def at(self, point: PointName) -> Hooks:
        found: Hooks = getattr(self, point)
        return found


class HookTable:
    """Immutable. Post points are in reverse, so that the first plugin to see a request is the last to see its
    answer.

    `required` are the plugins that must see every operation, by id, each with the reason why it does not run, if it
    does not. `absent` names one that does not, and says why."""

    __slots__ = ("_rows", "absent", "hooks")

    def __init__(self, hooks: Iterable[BoundHook], required: Mapping[str, str | None] = NOBODY) -> None:
        self.hooks = tuple(hooks)
        self.absent = _absent(required)
        ordered = {name: in_order(hook for hook in self.hooks if hook.spec.point == name) for name in POINTS}
        seen = {operation: _seen_by(operation, ordered) for operation in OPERATIONS}
        self._rows = {name: HookRow(rows, _barred(name, rows, required)) for name, rows in seen.items()}

    def row(self, operation: Operation) -> HookRow:
        return self._rows[operation]


def _seen_by(operation: Operation, ordered: dict[PointName, Hooks]) -> dict[PointName, Hooks]:
    rows: dict[PointName, Hooks] = {}
    for name, hooks in ordered.items():
        seen = tuple(hook for hook in hooks if operation in hook.spec.operations)
        rows[name] = _in_reverse(seen) if POINTS[name].post else seen
    return rows


def _absent(required: Mapping[str, str | None]) -> tuple[str, str] | None:
    lacking = ((plugin, reason) for plugin, reason in required.items() if reason is not None)
    return next(((plugin, f"plugin {plugin} is required and does not run: {why}") for plugin, why in lacking), None)


def _barred(
    operation: Operation, rows: dict[PointName, Hooks], required: Mapping[str, str | None]
) -> tuple[str, str] | None:
    # Only chat is streamed.
    points = rows if operation == "chat" else rows.keys() - {"response_chunk"}
    seeing = {hook.plugin for point in points for hook in rows[point] if not hook.spec.inner}
    if (absent := _absent(required)) is not None:
        return absent
    blind = next((plugin for plugin in required if plugin not in seeing), None)
    return None if blind is None else (blind, f"plugin {blind} is required and has no hook that sees {operation}")


def _in_reverse(hooks: Hooks) -> Hooks:
    """All but those that go forward, which keep their order in the places that they have."""
    forward = iter([hook for hook in hooks if hook.spec.forward])
    return tuple(next(forward) if hook.spec.forward else hook for hook in reversed(hooks))
