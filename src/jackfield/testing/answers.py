"""What a scripted upstream can be told to answer: replies, refusals, and every way of breaking HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jackfield.testing.replies import Reply, call_tools
from jackfield.testing.turn import Turn, frame_chunk
from jackfield.wire.chat import FinishReason, Usage

HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Welcome to the wifi</body></html>"
FILLER = b'{"choices": [' + b" " * 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to one request. `play` does it, `label` names it in failures.

    Where an answer breaks off, `events` counts whole events of a stream, or eighths of the body where no
    stream was asked for. Without `reply` the reply is derived from the request.
    """

    label: str
    play: Callable[[Turn], Awaitable[None]]

    @classmethod
    def reply(cls, reply: Reply | None = None) -> Answer:
        return cls("reply", lambda turn: turn.reply(reply))

    @classmethod
    def text(
        cls,
        text: str,
        *,
        thinking: str | None = None,
        finish: FinishReason = "stop",
        usage: Usage | None = None,
    ) -> Answer:
        return cls.reply(Reply(text=text, thinking=thinking, finish=finish, usage=usage))

    @classmethod
    def tool_calls(cls, *calls: tuple[str, Mapping[str, Any]], text: str = "", usage: Usage | None = None) -> Answer:
        """Calls of tools by name with their arguments, several of them in parallel."""
        return cls.reply(Reply(text=text, tool_calls=call_tools(*calls), finish="tool_calls", usage=usage))

    @classmethod
    def refusal(cls, text: str) -> Answer:
        return cls.reply(Reply(refusal=text, finish="refusal"))

    @classmethod
    def status(
        cls,
        status: int,
        *,
        message: str = "scripted refusal",
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """An error in the form of the API; `retry_after` in seconds."""
        extra = dict(headers or {}) | ({} if retry_after is None else {"retry-after": f"{retry_after:g}"})

        async def play(turn: Turn) -> None:
            await turn.send(status, turn.speech.failure(status, message), headers=extra.items())

        return cls(f"status {status}", play)

    @classmethod
    def body(cls, body: bytes, *, status: int = 200, content_type: str = "application/json") -> Answer:
        return cls("body", lambda turn: turn.send(status, body, content_type=content_type))

    @classmethod
    def html(cls, status: int = 200) -> Answer:
        return cls.body(HTML, status=status, content_type="text/html; charset=utf-8")

    @classmethod
    def error_in_body(cls, message: str = "scripted failure") -> Answer:
        """Status 200 and an error object where the completion should be."""
        return cls("error in body", lambda turn: turn.send(200, turn.speech.failure(500, message)))

    @classmethod
    def slow_first_byte(cls, seconds: float, reply: Reply | None = None) -> Answer:
        async def play(turn: Turn) -> None:
            await asyncio.sleep(seconds)
            await turn.reply(reply)

        return cls("slow first byte", play)

    @classmethod
    def hang_before_head(cls) -> Answer:
        return cls("hang before head", lambda turn: turn.hang())

    @classmethod
    def hang_after(cls, events: int = 1, reply: Reply | None = None) -> Answer:
        async def play(turn: Turn) -> None:
            await _start(turn, events, reply)
            await turn.hang()

        return cls(f"hang after {events}", play)

    @classmethod
    def held(cls, release: asyncio.Event, *, events: int = 1, reply: Reply | None = None) -> Answer:
        """Begins the answer and completes it once `release` is set."""

        async def play(turn: Turn) -> None:
            await _start(turn, events, reply)
            await release.wait()
            await turn.send_pieces(turn.pieces(reply)[events:])
            await turn.end()

        return cls(f"held after {events}", play)

    @classmethod
    def reset(cls) -> Answer:
        """A TCP reset instead of an answer."""

        async def play(turn: Turn) -> None:
            turn.connection.reset()

        return cls("reset", play)

    @classmethod
    def reset_after(cls, events: int, reply: Reply | None = None) -> Answer:
        async def play(turn: Turn) -> None:
            await _start(turn, events, reply)
            turn.connection.reset()

        return cls(f"reset after {events}", play)

    @classmethod
    def close_after(cls, events: int, reply: Reply | None = None) -> Answer:
        """An orderly close in the middle of the body."""

        async def play(turn: Turn) -> None:
            await _start(turn, events, reply)
            turn.connection.close()

        return cls(f"close after {events}", play)

    @classmethod
    def half_event(cls, events: int = 1, reply: Reply | None = None) -> Answer:
        """Closes in the middle of the event after `events` whole ones."""

        async def play(turn: Turn) -> None:
            await _start(turn, events, reply)
            piece = turn.pieces(reply)[events]
            await turn.send_pieces([piece[: len(piece) // 2]])
            turn.connection.close()

        return cls("half event", play)

    @classmethod
    def without_end(cls, reply: Reply | None = None) -> Answer:
        """A well-framed stream that lacks `[DONE]` or `message_stop`."""

        async def play(turn: Turn) -> None:
            await _start(turn, None, reply)
            if turn.asked.stream:
                await turn.connection.write(frame_chunk(b""))

        return cls("without end", play)

    @classmethod
    def error_event(
        cls,
        events: int = 1,
        message: str = "Overloaded",
        reply: Reply | None = None,
        *,
        release: asyncio.Event | None = None,
    ) -> Answer:
        """An error inside the stream, once `release` is set where one is given; then it ends well-framed. What arrives
        together with the error may be taken for an answer that never began."""

        async def play(turn: Turn) -> None:
            await _start(turn, events, reply)
            if release is not None:
                await release.wait()
            await turn.send_pieces([turn.speech.failure_event(message)])
            await turn.connection.write(frame_chunk(b""))

        return cls("error event", play)

    @classmethod
    def wrong_length(cls, difference: int, reply: Reply | None = None) -> Answer:
        """Declares `difference` bytes more than it sends, or fewer, and closes."""

        async def play(turn: Turn) -> None:
            body = turn.whole(reply)
            await turn.send(200, body, length=len(body) + difference)
            turn.connection.close()

        return cls(f"length {difference:+}", play)

    @classmethod
    def endless(cls) -> Answer:
        """A body, or an event of a stream, that never ends."""

        async def play(turn: Turn) -> None:
            if turn.asked.stream:
                await turn.begin()
                await turn.send_pieces([b"data: "])
            else:
                await turn.send(200, b"", length=2**40)
            while not turn.connection.closed.done():
                await turn.send_pieces([FILLER])

        return cls("endless", play)

    @classmethod
    def garbage(cls, data: bytes = b"\x16\x03\x01 this is not HTTP\r\n\r\n") -> Answer:
        """Bytes instead of HTTP, then a close."""

        async def play(turn: Turn) -> None:
            await turn.connection.write(data)
            turn.connection.close()

        return cls("garbage", play)

    @classmethod
    def chunk_garbage(cls, events: int = 1, reply: Reply | None = None) -> Answer:
        """Chunked framing that breaks down after `events`."""

        async def play(turn: Turn) -> None:
            turn.chunked = True
            await _start(turn, events, reply)
            await turn.connection.write(b"zz\r\nnot a chunk\r\n")
            turn.connection.close()

        return cls("chunk garbage", play)

    @classmethod
    def garbled_events(cls, events: int = 1, reply: Reply | None = None) -> Answer:
        """Well-framed events whose data is not JSON."""

        async def play(turn: Turn) -> None:
            await _start(turn, events, reply)
            await turn.send_pieces([b'data: {"choices": [}\n\n'])
            await turn.end()

        return cls("garbled events", play)


async def _start(turn: Turn, events: int | None, reply: Reply | None) -> None:
    await turn.begin(reply)
    await turn.send_pieces(turn.pieces(reply)[:events])
