"""Which plugin sees what: a pure function of the hook table."""

from __future__ import annotations

from typing import Any

from jackfield.hooks.table import BoundHook, HookTable
from jackfield.wire.base import OPERATIONS, Operation


def coverage(table: HookTable) -> list[dict[str, Any]]:
    """One row for each plugin, hook point and operation. `streamed` is `None` where there are no streams; for
    `response_body` it says whether the hook can still change the answer (`edits`) or sees it after it was sent."""
    return [_row(hook, operation) for hook in table.hooks for operation in OPERATIONS]


def _row(hook: BoundHook, operation: Operation) -> dict[str, Any]:
    seen = operation in hook.spec.operations and not (hook.point.name == "response_chunk" and operation != "chat")
    return {
        "plugin": hook.plugin,
        "hook": hook.name,
        "point": hook.point.name,
        "operation": operation,
        "whole": seen and hook.point.name != "response_chunk",
        "streamed": _streamed(hook) if seen and operation == "chat" else None,
    }


def _streamed(hook: BoundHook) -> str:
    if hook.point.name != "response_body":
        return "seen"
    return "edits" if hook.spec.edits else "observes"
