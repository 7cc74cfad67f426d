"""One plugin's hold on tools: its own, and through the gate those of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from jackfield.sdk.caller import Caller, current_caller
from jackfield.sdk.tools import ToolHandler, ToolReply, ToolSpec
from jackfield.services.allowance import Allowance
from jackfield.services.event_data import CopiedData
from jackfield.services.tool_gate import ToolGate
from jackfield.services.tool_table import ToolDirectory, ToolTable

REGISTER, EXECUTE = "tools:register", "tools:execute"
NOBODY = Caller()

Lend = Callable[[], AbstractContextManager[ToolDirectory]]


class PluginTools:
    """`Tools` for one plugin; `current` lends the directory that serves now, for the time of a call."""

    __slots__ = ("_allowance", "_current", "_gate", "_table")

    def __init__(self, allowance: Allowance, table: ToolTable, gate: ToolGate, current: Lend) -> None:
        self._allowance, self._table, self._gate, self._current = allowance, table, gate, current

    def register(self, spec: ToolSpec, handler: ToolHandler) -> None:
        self._allowance.check(REGISTER)
        self._table.register(spec, handler)

    def unregister(self, name: str) -> None:
        self._allowance.check(REGISTER)
        self._table.unregister(name)

    async def execute(self, name: str, arguments: Mapping[str, Any]) -> ToolReply:
        self._allowance.take(EXECUTE)
        caller = current_caller() or NOBODY
        try:
            # What the caller does to it later changes nothing of what was checked.
            given = CopiedData(arguments).value
        except ValueError as error:
            return ToolReply(success=False, error=f"Invalid input for {name:.200}: {error}")
        own = self._table.get(name)
        with self._current() as tools:
            if own is not None:
                return await self._gate.run_tool(own, given, caller)
            return await self._gate.run(tools, name, given, caller)
