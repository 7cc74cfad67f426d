"""What is kept of a tool call from outside: its usage record, and its place in the metrics."""

from __future__ import annotations

from typing import Protocol

from jackfield.control.records import UsageRecord
from jackfield.errors import ClientGone
from jackfield.pipeline.exchange import State, measure
from jackfield.pipeline.settle import NOBODY, Meter, storable

OPERATION, CLIENT_FORMAT, TOOL_FAILED = "tool", "mcp", "tool_failed"


class Keeper(Protocol):
    def add(self, record: UsageRecord) -> None: ...


class CallRecords:
    """`worker` is the name of this one."""

    def __init__(self, keeper: Keeper, meter: Meter, worker: str) -> None:
        self._keeper, self._meter, self._worker = keeper, meter, worker

    def add(self, state: State, asked: str, tool: str | None, *, failed: bool) -> None:
        """`asked` is the name that the client called, `tool` the same where there is such a tool."""
        if state.client_gone:
            state.status, state.error = 499, state.error or ClientGone("the client took the call back")
        state.trace.phase("tool")
        record = self._record(state, asked, tool)
        if record.error is None and failed:
            record.error = TOOL_FAILED
        self._keeper.add(record)
        self._meter.count(record)

    def _record(self, state: State, asked: str, tool: str | None) -> UsageRecord:
        identity, spent = state.identity or NOBODY, measure(state)
        return UsageRecord(
            state.id,
            state.at,
            namespace=identity.namespace,
            key_id=identity.credential,
            app=identity.app,
            user=storable(identity.user),
            operation=OPERATION,
            route=state.route.name,
            client_format=CLIENT_FORMAT,
            model=storable(asked),
            upstream_model=tool,
            status=state.status,
            error=None if state.error is None else storable(state.error.code),
            plugin=state.decided_by,
            total_ms=spent.total,
            first_byte_ms=spent.first_byte,
            hooks_ms=spent.hooks,
            request_bytes=len(state.inbound.body),
            response_bytes=state.response_bytes,
            worker=self._worker,
        )
