"""The ways in which a service may stream a completion, read as the one that the gateway forwards.

Server-sent events (`data:` lines, to `[DONE]`, to a chunk with `done: true`, or to the end after a finish reason), or
one chunk a line (NDJSON). Named events, comments and numbers are understood and not passed on.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from jackfield.errors import UpstreamBroken
from jackfield.runtimes.http.errors import Fault, ServiceFault, is_fault, read_fault
from jackfield.wire.sse import MAX_EVENT_BYTES, EventReader, pair_events, parse_event, write_event

EVENT_STREAM = "text/event-stream"
LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines"})
JSON = "application/json"
DONE = b"data: [DONE]\n\n"
# Comments and greetings in a row: who sends more says nothing, without end.
MOST_UNHEARD = 10_000

_read_cost = msgspec.json.Decoder(Any).decode
_encode = msgspec.json.Encoder().encode


class FrameReader(Protocol):
    """One stream. Both methods raise `ServiceFault` for an error that the service streams, and `UpstreamBroken`."""

    cost_usd: Any

    @property
    def ended(self) -> bool:
        """Whether the service has said that this was all."""

    def feed(self, data: bytes) -> bytes:
        """Whole server-sent events of what `data` completes."""

    def finish(self) -> bytes:
        """What is left to say when the service has ended."""


def frames_for(content_type: str) -> FrameReader | None:
    """By the kind of the answer; `None` where it is no stream."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == EVENT_STREAM:
        return EventFrames()
    return LineFrames() if kind in LINES else None


class _Frames:
    """What both kinds have in common: chunk by chunk, until one is the last."""

    def __init__(self) -> None:
        self.cost_usd: Any = None
        self._done = self._finished = False
        self._last: dict[str, Any] = {}
        self._unheard = 0

    @property
    def ended(self) -> bool:
        return self._done

    def _count(self, passed: bytes, frames: int) -> bytes:
        self._unheard = 0 if passed else self._unheard + frames
        if self._unheard > MOST_UNHEARD:
            raise UpstreamBroken(f"more than {MOST_UNHEARD:,} frames in a row held nothing of an answer")
        return passed

    def _pass(self, data: bytes) -> bytes:
        """One frame's data as events, whatever it is."""
        data = data.strip()
        if not data or self._done:
            return b""
        if data == b"[DONE]":
            self._done = True
            return DONE
        told = _decode(data)
        if not isinstance(told, dict):
            raise UpstreamBroken(f"the stream holds what is no chunk: {data[:100].decode('utf-8', 'replace')}")
        if is_fault(told) or ("error" in told and "choices" not in told):
            raise ServiceFault(_streamed_fault(told, data))
        return self._pass_chunk(told, data)

    def _pass_chunk(self, told: dict[str, Any], data: bytes) -> bytes:
        usage, choices = told.get("usage"), told.get("choices")
        if isinstance(usage, dict) and "cost_usd" in usage:
            self.cost_usd = usage["cost_usd"]
        done = told.get("done") is True
        if choices is None and usage is None and not done:
            # A greeting, or a word on how it goes: nothing of the answer.
            return b""
        self._note_finish(choices)
        passed = b""
        if choices or usage is not None:
            passed = write_event(_encode({**told, "choices": choices or []}) if not choices or b"\n" in data else data)
            self._last = told
        return passed + self._end() if done else passed

    def _note_finish(self, choices: Any) -> None:
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("finish_reason"):
                self._finished = True

    def _end(self) -> bytes:
        """The end as clients know it. Who said `done` without a finish reason has stopped."""
        self._done = True
        if self._finished:
            return DONE
        head = {name: value for name in ("id", "object", "created", "model") if (value := self._last.get(name))}
        choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
        return write_event(_encode({**head, "choices": [choice]})) + DONE

    def _close(self) -> bytes:
        if self._done:
            return b""
        if not self._finished:
            raise UpstreamBroken("the stream ended without its end mark")
        self._done = True
        return DONE


class EventFrames(_Frames):
    """Server-sent events. What is as it should be is passed on as the bytes it came in."""

    def __init__(self) -> None:
        super().__init__()
        self._reader = EventReader()

    def feed(self, data: bytes) -> bytes:
        pairs = self._reader.split(data)
        return self._count(b"".join([self._pass_event(raw, told) for raw, told in pairs]), len(pairs))

    def _pass_event(self, raw: bytes, data: bytes | None) -> bytes:
        if data is None:
            if raw.startswith(b":") and b"\n" not in raw.rstrip(b"\r\n"):
                return b""
            event = parse_event(raw)
            if event.event == "error" and event.data:
                raise ServiceFault(_streamed_fault(_decode(event.data), event.data))
            return self._pass(event.data)
        if self._done or _says_more(data):
            return self._pass(data)
        return raw

    def finish(self) -> bytes:
        rest = self._reader.finish()
        if not rest.strip():
            return self._close()
        ((raw, data),) = pair_events(rest.rstrip(b"\r\n") + b"\n\n")
        return self._pass_event(raw, data) + self._close()


class LineFrames(_Frames):
    """One chunk a line."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise UpstreamBroken(f"the stream has a line of more than {MAX_EVENT_BYTES} bytes")
        return self._count(b"".join([self._pass(line) for line in lines]), len(lines))

    def finish(self) -> bytes:
        rest, self._rest = self._rest, b""
        return self._pass(rest) + self._close()


def _says_more(data: bytes) -> bool:
    """Whether a frame is more than a chunk in the middle of an answer: what ends it, costs, or fails."""
    return (
        not data.startswith(b"{")
        or b'"choices"' not in data
        or b'"done"' in data
        or b'"usage"' in data
        or (b'"finish_reason"' in data and b'"finish_reason":null' not in data and b'"finish_reason": null' not in data)
    )


def _streamed_fault(told: Any, data: bytes) -> Fault:
    """What a frame says that is an error. Without a code nobody knows whether trying again helps."""
    fault = read_fault(502 if not is_fault(told) else 500, data)
    return msgspec.structs.replace(fault, transient=fault.transient and fault.stated)


def _decode(data: bytes) -> Any:
    try:
        return _read_cost(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
