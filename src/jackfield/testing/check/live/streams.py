"""What a streamed completion must be: server-sent events, lines of JSON, or the whole answer after all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from jackfield.errors import UpstreamBroken
from jackfield.testing.check.live.shapes import (
    FINISH_REASONS,
    judge_completion,
    judge_error,
    judge_success,
    judge_usage,
)
from jackfield.testing.check.live.talk import Answer
from jackfield.testing.check.live.verdicts import Fault, doubtful, wrong
from jackfield.wire.sse import EventReader

_DONE = b"[DONE]"
_KINDS = ("text/event-stream", "application/x-ndjson", "application/json")


def judge_stream(answer: Answer) -> Iterator[Fault]:
    if answer.silence or not answer.succeeded:
        yield from judge_success(answer)
    elif answer.kind == "application/json":
        yield doubtful("answered in one piece: streaming is declared, and clients wait for the whole")
        yield from judge_completion(answer)
    elif answer.kind not in _KINDS:
        yield wrong(f"the content type {answer.kind!r} is none of {', '.join(_KINDS)}")
    else:
        yield from _judge_frames(*_split(answer))


def _split(answer: Answer) -> tuple[list[bytes], str]:
    """The data of each frame, and what cannot be read."""
    if answer.kind == "application/x-ndjson":
        return [line for line in answer.body.splitlines() if line.strip()], ""
    reader = EventReader()
    try:
        events = reader.feed(answer.body)
    except UpstreamBroken as error:
        return [], error.message
    rest = reader.finish()
    return [event.data for event in events if event.data], "ends in the middle of an event" if rest.strip() else ""


def _judge_frames(frames: list[bytes], unreadable: str) -> Iterator[Fault]:
    if unreadable:
        yield wrong(unreadable)
    ended = _DONE in frames
    chunks = list[dict[str, Any]]()
    for index, frame in enumerate(frame for frame in frames if frame.strip() != _DONE):
        chunk = _decode(frame)
        if chunk is None:
            yield wrong(f"frame {index} is not an object of JSON")
        elif "choices" not in chunk and "code" in chunk:
            yield wrong(f"frame {index} is an error: {chunk['code']}: {chunk.get('message', '')}")
            yield from judge_error(chunk)
            return
        else:
            chunks.append(chunk)
    yield from _judge_chunks(chunks, ended)


def _decode(frame: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _judge_chunks(chunks: list[dict[str, Any]], ended: bool) -> Iterator[Fault]:
    choices = [choice for chunk in chunks for choice in chunk.get("choices") or () if isinstance(choice, dict)]
    if not choices:
        yield wrong("there are no choices in any frame")
        return
    deltas = [choice.get("delta") for choice in choices]
    if not all(isinstance(delta, dict) for delta in deltas):
        yield wrong("a choice has no delta: chunks have delta where whole answers have message")
    elif not any(delta.get("content") or delta.get("tool_calls") for delta in deltas if isinstance(delta, dict)):
        yield doubtful("there is no content in any frame")
    reasons = [choice.get("finish_reason") for choice in choices if choice.get("finish_reason") is not None]
    if not any(reason in FINISH_REASONS for reason in reasons):
        yield doubtful("no frame has a finish_reason: hosts cannot tell a whole stream from a broken one")
    if not ended and not any(chunk.get("done") is True for chunk in chunks):
        yield doubtful("ends without [DONE] and without done: true")
    usage = next((chunk["usage"] for chunk in reversed(chunks) if chunk.get("usage")), None)
    yield from judge_usage(usage)
