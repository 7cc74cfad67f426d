"""The `response_chunk` hooks of one stream: each hook is a stage with its own held-back text."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any

import msgspec

from jackfield.hooks.dispatch import Tally, Unfinished, begin, refusal
from jackfield.hooks.table import BoundHook, Hooks
from jackfield.pipeline.exchange import State
from jackfield.sdk.context import Exchange
from jackfield.sdk.outcomes import Drop, Outcome, Reject, Replace
from jackfield.wire.chat import ChatEvent, TextDelta

Events = tuple[ChatEvent, ...]


class Stage:
    """One hook. With `hold`, text is shown together with what was held back before, and its last `hold` characters stay
    back until more text or another kind of event comes."""

    __slots__ = (
        "_behind",
        "_held",
        "_hold",
        "_look_behind",
        "_state",
        "exchange",
        "hook",
        "plain",
        "tally",
        "trace",
    )

    def __init__(self, hook: BoundHook, state: State, exchange: Exchange) -> None:
        self.trace, self.tally = state.trace, Tally(hook, state.trace)
        self.hook, self._state, self.exchange = hook, state, exchange
        self._hold, self._look_behind = hook.spec.hold, hook.spec.look_behind
        self._held: dict[int, TextDelta] = {}
        self._behind = ""
        # Neither holds back nor looks back: each event can be shown by itself, and this is on every event's way.
        self.plain = not (self._hold or self._look_behind)

    async def take(self, events: Events) -> Events:
        """What goes on for these events: the very same tuple where nothing changed."""
        out: list[ChatEvent] | None = None
        for place, event in enumerate(events):
            shown = await (self._take_held(event) if self._hold else self._show(event))
            if out is None and shown is not None:
                out = list(events[:place])
            if out is not None:
                out += (event,) if shown is None else shown
        passed = events if out is None else tuple(out)
        if self._look_behind:
            self._remember(passed)
        return passed

    async def _take_held(self, event: ChatEvent) -> Events:
        if not isinstance(event, TextDelta):
            shown = await self._show(event)
            return (*self._release_all(), *((event,) if shown is None else shown))
        held = self._held.pop(event.choice, None)
        if held is not None:
            event = msgspec.structs.replace(event, text=held.text + event.text)
        shown = await self._show(event)
        return self._keep_back((event,) if shown is None else shown)

    async def _show(self, event: ChatEvent) -> Events | None:
        """What the hook makes of one event; `None` where it leaves it as it is."""
        self._state.behind = self._behind
        outcome = begin(self.hook, self.exchange, self.trace, self.tally, event)
        if type(outcome) is Unfinished:
            outcome = await outcome.finish()
        return None if outcome is None else self.apply(outcome)

    def count(self) -> None:
        self.tally.count()

    def apply(self, outcome: object) -> Events:
        if isinstance(outcome, Drop):
            return ()
        if isinstance(outcome, Reject):
            raise refusal(outcome, self.hook.plugin)
        assert isinstance(outcome, Replace)
        value = outcome.value
        return value if isinstance(value, tuple) else (value,)

    def _keep_back(self, events: Events) -> Events:
        """Holds back the end of the last text."""
        if events and isinstance(last := events[-1], TextDelta):
            cut = max(0, len(last.text) - self._hold)
            self._held[last.choice] = msgspec.structs.replace(last, text=last.text[cut:])
            events = (*events[:-1], msgspec.structs.replace(last, text=last.text[:cut])) if cut else events[:-1]
        return events

    async def end(self, events: Events) -> Events:
        """The events of the stages before and what is held back here: the stream ends without its end."""
        return (*await self.take(events), *self._release_all())

    def _release_all(self) -> Events:
        released = tuple(self._held.values())
        self._held.clear()
        return released

    def _remember(self, events: Iterable[ChatEvent]) -> None:
        text = "".join(event.text for event in events if isinstance(event, TextDelta))
        self._behind = (self._behind + text)[-self._look_behind :]


class Chain:
    """All stages in order."""

    __slots__ = ("_plain", "_stages")

    def __init__(self, hooks: Hooks, state: State) -> None:
        view = state.view
        self._stages = tuple(Stage(hook, state, view) for hook in hooks)
        self._plain = all(stage.plain for stage in self._stages)

    def pass_on(self, events: Events) -> Events | Coroutine[Any, Any, Events]:
        """The events that go on to the client for these, to be awaited only where a hook has more to do than to let
        them pass. Raises `Refused` or a `PluginError` to cut the stream, now or then."""
        if not self._plain or len(events) != 1:
            return self._pass(events)
        event = events[0]
        for stage in self._stages:
            outcome = begin(stage.hook, stage.exchange, stage.trace, stage.tally, event)
            if outcome is not None:
                return self._go_on(self._stages.index(stage), outcome, events)
        return events

    async def _go_on(self, place: int, outcome: Outcome | Unfinished, events: Events) -> Events:
        """From the hook of a plain stage that has answered or waits."""
        answered = await outcome.finish() if type(outcome) is Unfinished else outcome
        if answered is not None:
            events = self._stages[place].apply(answered)
        return await self._pass(events, place + 1)

    async def _pass(self, events: Events, begin: int = 0) -> Events:
        for stage in self._stages[begin:]:
            events = await stage.take(events)
        return events

    def count(self) -> None:
        """Before the stream is waited for: see `Tally`."""
        for stage in self._stages:
            stage.count()

    async def end(self) -> Events:
        """All that is still held back, for a stream that breaks off."""
        events: Events = ()
        for stage in self._stages:
            events = await stage.end(events)
        self.count()
        return events
