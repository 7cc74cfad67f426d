"""Several turns' streams as one."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from jackfield.wire.chat import (
    ChatEvent,
    Finish,
    FinishReason,
    OpaqueEvent,
    StreamEnd,
    StreamFailure,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)

# Between the texts of two turns where the format has one text, and no blocks.
GAP = "\n\n"
_LAST = (Finish, UsageReport, StreamEnd, StreamFailure)
_BLOCK = "content_block_"


class Relay:
    """Blocks are numbered on from turn to turn; the calls of the gateway's own tools, and what begins or ends a single
    turn, stay out. `theirs` are the client's own tools, whose calls pass. `gaps` is whether texts need one between."""

    def __init__(self, theirs: frozenset[str], *, gaps: bool) -> None:
        self._theirs, self._gaps = theirs, gaps
        self._started = False
        self._base = self._next = 0
        self._ours: set[int] = set()
        self._said = self._due = False
        self._ending: list[OpaqueEvent] = []

    def begin_turn(self) -> None:
        self._base = self._next
        self._ours.clear()
        self._ending.clear()
        self._due = self._gaps and self._said

    def pass_on(self, events: Iterable[ChatEvent]) -> list[ChatEvent]:
        passed: list[ChatEvent] = []
        for event in events:
            if isinstance(event, OpaqueEvent):
                self._pass_opaque(event, passed)
            elif isinstance(event, ToolCallDelta):
                if self._is_theirs(event):
                    passed.append(self._numbered(event))
            elif isinstance(event, StreamStart):
                if not self._started:
                    passed.append(event)
                self._started = True
            elif not isinstance(event, _LAST):
                self._mind_gap(event, passed)
                passed.append(self._numbered(event) if hasattr(event, "index") else event)
        return passed

    def end(self, reason: FinishReason, stop_sequence: str | None, usage: Usage | None) -> list[ChatEvent]:
        ending: list[ChatEvent] = [*self._ending, Finish(reason=reason, stop_sequence=stop_sequence)]
        if usage is not None:
            ending.append(UsageReport(usage=usage))
        return [*ending, StreamEnd()]

    def _is_theirs(self, event: ToolCallDelta) -> bool:
        if event.name is not None and event.name not in self._theirs:
            self._ours.add(event.index)
        return event.index not in self._ours

    def _mind_gap(self, event: ChatEvent, passed: list[ChatEvent]) -> None:
        if not isinstance(event, TextDelta) or not event.text:
            return
        if self._due:
            passed.append(TextDelta(text=GAP, index=self._base + event.index))
        self._said, self._due = True, False

    def _numbered(self, event: ChatEvent) -> ChatEvent:
        index = self._base + event.index  # type: ignore[union-attr]
        self._next = max(self._next, index + 1)
        return msgspec.structs.replace(event, index=index) if self._base else event

    def _pass_opaque(self, event: OpaqueEvent, passed: list[ChatEvent]) -> None:
        if event.type == "message_delta":
            self._ending.append(event)
        elif not event.type.startswith(_BLOCK):
            passed.append(event)
        else:
            fields = msgspec.json.decode(event.raw, type=dict[str, msgspec.Raw])
            own = msgspec.json.decode(fields.get("index", msgspec.Raw(b"0")), type=int)
            if own not in self._ours:
                self._next = max(self._next, self._base + own + 1)
                fields["index"] = msgspec.Raw(b"%d" % (self._base + own))
                passed.append(msgspec.structs.replace(event, raw=msgspec.Raw(msgspec.json.encode(fields))))
