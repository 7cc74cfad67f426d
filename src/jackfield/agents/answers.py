"""What an agent answers, whole or as a stream of events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from typing import Any

import msgspec

from jackfield.agents.events import RunEvent, ToolEnded, ToolStarted, describe
from jackfield.agents.heads import whole_head
from jackfield.agents.loop import Run
from jackfield.errors import JackfieldError
from jackfield.pipeline.answers import Answer
from jackfield.wire.chat import RefusalDelta, TextDelta, ThinkingDelta, Usage
from jackfield.wire.sse import write_event


async def write_whole(run: Run, agent: str) -> Answer:
    async with aclosing(run.events()) as events:
        async for _ in events:
            pass
    if run.error is not None:
        return run.answer
    return Answer(whole_head(run), msgspec.json.encode(summary(run, agent)))


async def write_stream(run: Run, agent: str) -> AsyncGenerator[bytes, None]:
    async with aclosing(run.events()) as heard:
        async for events in heard:
            if written := b"".join(_write(events)):
                yield written
    if run.error is not None:
        yield _event("error", _told(run.error))
    else:
        yield _event("done", summary(run, agent))


def _write(events: Iterable[RunEvent]) -> Iterator[bytes]:
    for event in events:
        if isinstance(event, ToolStarted | ToolEnded):
            yield _event(*describe(event))
        elif isinstance(event, TextDelta | RefusalDelta) and event.text:
            yield _event("text", {"text": event.text})
        elif isinstance(event, ThinkingDelta) and event.text:
            yield _event("thinking", {"text": event.text})


def _event(name: str, data: dict[str, Any]) -> bytes:
    return write_event(msgspec.json.encode(data), name)


def _told(error: JackfieldError) -> dict[str, Any]:
    told = {"code": error.code, "message": error.message}
    return told if error.plugin is None else {**told, "plugin": error.plugin}


def summary(run: Run, agent: str) -> dict[str, Any]:
    """`stopped` is why the run ended before its model was done."""
    tally = run.tally
    return {
        "id": run.first.id,
        "agent": agent,
        "model": run.first.model,
        "output": tally.output,
        "tools_used": tally.used,
        "turns": tally.turns,
        "usage": _usage(tally.usage or Usage()),
        "cost_usd": tally.cost_usd,
        "finish_reason": tally.finish_reason,
        "stopped": tally.stopped,
    }


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "total_tokens": usage.total,
        "cached_tokens": usage.cached,
        "reasoning_tokens": usage.reasoning,
    }
