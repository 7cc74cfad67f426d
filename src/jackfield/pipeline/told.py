"""What plugins are told of conversations: events about messages, and about who sends them.

All of it is done only where a plugin listens; otherwise a request pays for one look at an empty table.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from jackfield.clock import Clock
from jackfield.errors import Malformed, UpstreamError
from jackfield.hooks.caller import caller_of
from jackfield.pipeline.exchange import State
from jackfield.sdk.caller import Caller, acting_for
from jackfield.services.events import EventBus
from jackfield.wire.chat import ChatRequest, ChatResponse, Response, ToolResult, Usage

RECEIVED, SENT = "message:received", "message:sent"
STARTED, ENDED, ACTIVE = "conversation:started", "conversation:ended", "user:active"
TOLD = frozenset({RECEIVED, SENT, STARTED, ENDED, ACTIVE})
MOST_CONVERSATIONS = 10_000
MOST_USERS = 10_000
IDLE_S = 30 * 60.0
AWAY_S = 5 * 60.0


class Conversation(msgspec.Struct):
    """`caller` is who spoke last, at `seen`."""

    caller: Caller
    seen: float


class Told:
    """One worker's. Call `received` when a request is admitted, `sent` when it is settled, `sweep` now and then, `end`
    before the gateway stops."""

    def __init__(self, bus: EventBus, clock: Clock) -> None:
        self._bus, self._clock = bus, clock
        self._listened = bus.listened
        self._conversations: OrderedDict[tuple[str | None, str], Conversation] = OrderedDict()
        self._users: OrderedDict[str, float] = OrderedDict()

    def received(self, state: State) -> None:
        """An exchange whose caller is known, and which the checks let pass."""
        if not self._listened or state.operation != "chat" or self._listened.keys().isdisjoint(TOLD):
            return
        caller = caller_of(state)
        if SENT in self._listened:
            state.told = caller
        with acting_for(caller):
            self._note_user(state, caller)
            self._note_conversation(caller)
            if RECEIVED in self._listened and (content := _said(state)) is not None:
                self._bus.announce(RECEIVED, _message(state, caller, content))

    def sent(self, state: State) -> None:
        """An exchange that has ended."""
        caller = state.told
        if caller is None or state.error is not None or not isinstance(response := _answer(state), ChatResponse):
            return
        content = response.text()
        if not content and state.finish_reason == "tool_calls":
            # The model asks for tools; what it says to the user is still to come.
            return
        with acting_for(caller):
            self._bus.announce(SENT, _message(state, caller, content) | {"usage": _told_usage(state.usage)})

    def sweep(self) -> None:
        """Ends the conversations that have been idle for long."""
        latest = self._clock.monotonic() - IDLE_S
        while self._conversations and next(iter(self._conversations.values())).seen <= latest:
            self._end_oldest()

    def end(self) -> None:
        """Ends all of them."""
        while self._conversations:
            self._end_oldest()

    def _note_user(self, state: State, caller: Caller) -> None:
        if ACTIVE not in self._listened or caller.user is None:
            return
        now = self._clock.monotonic()
        seen = self._users.pop(caller.user, None)
        self._users[caller.user] = now
        if len(self._users) > MOST_USERS:
            self._users.popitem(last=False)
        if seen is None or now - seen >= AWAY_S:
            self._bus.announce(ACTIVE, {"userId": caller.user, "channel": state.route_name})

    def _note_conversation(self, caller: Caller) -> None:
        if caller.conversation is None or not (STARTED in self._listened or ENDED in self._listened):
            return
        self.sweep()
        place = (caller.user, caller.conversation)
        known = self._conversations.pop(place, None)
        self._conversations[place] = Conversation(caller, self._clock.monotonic())
        if known is None:
            self._bus.announce(STARTED, {"conversationId": caller.conversation, "userId": caller.user})
        if len(self._conversations) > MOST_CONVERSATIONS:
            self._end_oldest()

    def _end_oldest(self) -> None:
        _, ended = self._conversations.popitem(last=False)
        caller = ended.caller
        with acting_for(caller):
            self._bus.announce(ENDED, {"conversationId": caller.conversation, "userId": caller.user})


def _said(state: State) -> str | None:
    """What the user says now; `None` where it is no turn of theirs, such as where the client brings what tools gave."""
    try:
        request = state.canonical_request()
    except Malformed:
        return None
    if not isinstance(request, ChatRequest) or not request.messages:
        return None
    last = request.messages[-1]
    if last.role != "user" or all(isinstance(part, ToolResult) for part in last.parts):
        return None
    return last.text()


def _answer(state: State) -> Response | None:
    """What the client was sent; one that cannot be read was passed on all the same."""
    if state.response is not None or state.whole is None:
        return state.response
    whole = state.whole
    if whole.response is not None or whole.format is None:
        return whole.response
    try:
        return whole.format.decode_response(whole.body)
    except UpstreamError:
        return None


def _message(state: State, caller: Caller, content: str) -> dict[str, Any]:
    return {
        "content": content,
        "userId": caller.user,
        "conversationId": caller.conversation,
        "channel": state.route_name,
        "model": state.model,
        "requestId": state.id,
    }


def _told_usage(usage: Usage | None) -> dict[str, int] | None:
    if usage is None:
        return None
    return {"inputTokens": usage.input, "outputTokens": usage.output, "totalTokens": usage.total}
