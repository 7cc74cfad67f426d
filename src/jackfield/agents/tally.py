"""What a run has come to: its turns, what they said, used and cost, and why it was stopped, if it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from jackfield.agents.bounds import CALLS, REPEATS, Bounds, Stop
from jackfield.agents.events import ToolUse
from jackfield.agents.history import plain
from jackfield.pipeline.exchange import State
from jackfield.wire.chat import (
    ChatResponse,
    Choice,
    FinishReason,
    Message,
    Part,
    Text,
    ToolCall,
    Usage,
)

_NOTHING_SAID = Choice(message=Message(role="assistant", parts=()))


class Tally:
    """`said` has the parts of every turn, without the calls of the gateway's own tools."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._made: Counter[tuple[str, str]] = Counter()
        self._calls = 0
        self.turns = 0
        self.usage: Usage | None = None
        self.cost_usd: float | None = None
        self.stopped: Stop | None = None
        self.used: list[ToolUse] = []
        self.said: list[tuple[Part, ...]] = []
        self._formats: list[str] = []
        self.last: ChatResponse | None = None
        self.dropped: frozenset[str] = frozenset()
        self._uncounted = self._unpriced = False

    @property
    def choice(self) -> Choice:
        """The last turn's."""
        return self.last.choices[0] if self.last is not None and self.last.choices else _NOTHING_SAID

    @property
    def finish_reason(self) -> FinishReason:
        return "length" if self.stopped is not None else self.choice.finish_reason or "stop"

    @property
    def output(self) -> str:
        """What was said last; of a run that was stopped perhaps an earlier turn's."""
        texts = ("".join(part.text for part in parts if isinstance(part, Text)) for parts in reversed(self.said))
        return next(filter(None, texts), "") if self.stopped is not None else next(texts, "")

    def add(self, response: ChatResponse, state: State, theirs: frozenset[str]) -> None:
        self.turns += 1
        self.last = response
        self._count(state)
        self.dropped |= state.dropped
        parts = self.choice.message.parts
        kept = tuple(part for part in parts if not isinstance(part, ToolCall) or part.name in theirs)
        self.said.append(kept)
        self._formats.append(response.format)

    def _count(self, state: State) -> None:
        if state.usage is not None:
            self.usage = add_usage(self.usage, state.usage)
        if state.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + state.cost_usd
        self._uncounted |= state.usage is None and not state.answer_cached
        self._unpriced |= state.cost_usd is None and not state.answer_cached

    def use(self, used: Sequence[ToolUse]) -> None:
        self.used += used

    def stop(self, reason: Stop) -> None:
        self.stopped = self.stopped or reason

    def may_call(self, calls: Sequence[ToolCall]) -> bool:
        """Whether these may still be run; if not, the run is stopped."""
        self._calls += len(calls)
        self._made.update({(call.name, call.arguments) for call in calls})
        reason = self._why_not()
        if reason is not None:
            self.stop(reason)
        return self.stopped is None

    @property
    def _used(self) -> int:
        return 0 if self.usage is None else self.usage.total

    def _why_not(self) -> Stop | None:
        bounds = self._bounds
        if self.turns >= bounds.turns:
            return "turns"
        if bounds.tokens is not None and (self._uncounted or self._used >= bounds.tokens):
            return "tokens"
        if bounds.usd is not None and (self._unpriced or (self.cost_usd or 0.0) >= bounds.usd):
            return "money"
        if self._calls > CALLS:
            return "calls"
        return "repeats" if max(self._made.values()) > REPEATS else None

    def whole(self, gap: str) -> ChatResponse:
        """All turns as one answer, in the form of the last one's; `gap` is put between their texts."""
        parts: list[Part] = []
        last = self.last or ChatResponse(id="", model="", choices=())
        for said, spoken_in in zip(self.said, self._formats, strict=True):
            if gap and _speaks(parts) and _speaks(said):
                parts.append(Text(text=gap))
            parts += said if spoken_in == last.format else map(plain, said)
        message = replace(self.choice.message, parts=tuple(parts))
        choice = replace(self.choice, message=message, finish_reason=self.finish_reason, index=0)
        return replace(last, choices=(choice,), usage=self.usage)


def _speaks(parts: Sequence[Part]) -> bool:
    return any(isinstance(part, Text) and part.text for part in parts)


def add_usage(before: Usage | None, more: Usage) -> Usage:
    if before is None:
        return more
    return Usage(**{name: getattr(before, name) + getattr(more, name) for name in Usage.__struct_fields__})
