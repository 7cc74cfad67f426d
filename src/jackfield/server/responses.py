"""Keeping answers of the Responses API where no upstream does: on the way to `POST /v1/responses`, and at the paths
where clients read them again.

What is kept is what the client was sent, so hooks and tools that have had a part in it are in it. It is durable before
the client is told that it was kept.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from urllib.parse import parse_qs

import msgspec

from jackfield.control.responses import KeptResponses, is_own, name_response
from jackfield.errors import JackfieldError, Malformed, MethodNotAllowed, NotFound, TooLarge
from jackfield.pipeline.answers import Answer
from jackfield.pipeline.exchange import State
from jackfield.pipeline.run import Pipeline
from jackfield.sdk.outcomes import Identity
from jackfield.wire.json import encode, read_flag, wrong
from jackfield.wire.openai_responses.keeping import (
    AnswerEvent,
    Listing,
    Marks,
    Turn,
    begin_turn,
    conversation,
    list_items,
    read_answer,
    read_wishes,
    split_answers,
)

RESPONSES = "/v1/responses"
BELOW = f"{RESPONSES}/"
MOST_LISTED = 100
_ITEMS = "input_items"

Go = Callable[[State], Awaitable[Answer]]


class Keeping(msgspec.Struct, frozen=True):
    """What is to become of one answer. Without an `id` it is not kept."""

    id: str | None
    previous: str | None
    items: bytes
    identity: Identity | None


class ResponseDesk:
    def __init__(self, pipeline: Pipeline, kept: KeptResponses) -> None:
        self._pipeline, self._kept = pipeline, kept

    async def answer(self, state: State, go: Go) -> Answer:
        """The answer that `go` gives, with what came before put in front of the request, and kept where that is asked
        for and no upstream does it."""
        answer = await self._pipeline.receive(state)
        if answer is not None:
            return answer
        try:
            keeping = await self._begin(state)
        except JackfieldError as error:
            return await self._pipeline.refuse(state, error)
        answer = await go(state)
        return answer if keeping is None or answer.head.status != 200 else await self._mark(answer, keeping)

    async def _begin(self, state: State) -> Keeping | None:
        state.peeked()
        wishes = read_wishes(state.body)
        store = self._kept.settings.store_by_default if wishes.store is None else wishes.store
        previous = wishes.previous_response_id
        if previous is None and not store:
            return None
        native = _is_native(state)
        if native and (previous is None or not is_own(previous)):
            return None
        former = [] if previous is None else await self._former(state, previous)
        identifier = name_response()
        turn = begin_turn(state.body, identifier, former, native=native)
        if store and not self._kept.fits(turn.items):
            limit = f"{self._kept.settings.max_mb:g} MB"
            raise TooLarge(f"input: with what came before it is larger than the {limit} that are kept", param="input")
        _ask_for(state, turn)
        return Keeping(identifier if store else None, previous, turn.items, state.identity)

    async def _former(self, state: State, previous: str) -> list[msgspec.Raw]:
        found = await self._kept.find(state.identity, previous, "previous_response_id")
        return conversation(found.items, found.body)

    async def _mark(self, answer: Answer, keeping: Keeping) -> Answer:
        if answer.pieces is not None:
            pieces = self._mark_stream(answer.pieces, keeping)
            return Answer(answer.head, pieces=pieces, release=answer.close)
        fields = read_answer(answer.body)
        if fields is None:
            return answer
        return Answer(answer.head, await self._finish(keeping, fields, encode), release=answer.close)

    async def _mark_stream(self, pieces: AsyncGenerator[bytes, None], keeping: Keeping) -> AsyncGenerator[bytes, None]:
        async with aclosing(pieces):
            async for piece in pieces:
                out = [await self._mark_event(told, keeping) for told in split_answers(piece)]
                yield b"".join(out)

    async def _mark_event(self, told: bytes | AnswerEvent, keeping: Keeping) -> bytes:
        if isinstance(told, bytes):
            return told
        if told.ends:
            return await self._finish(keeping, told.answer, told.with_answer)
        return told.with_answer(_marks(keeping, store=keeping.id is not None).put(told.answer))

    async def _finish(
        self, keeping: Keeping, fields: dict[str, msgspec.Raw], write: Callable[[dict[str, msgspec.Raw]], bytes]
    ) -> bytes:
        """The end of an answer as the client gets it, after it was kept."""
        marked = _marks(keeping, store=keeping.id is not None).put(fields)
        if keeping.id is None or await self._kept.keep(keeping.identity, keeping.id, keeping.items, encode(marked)):
            return write(marked)
        return write(_marks(keeping, store=False).put(fields))

    async def serve(self, state: State, method: str, path: str) -> bytes:
        """What a client asks about an answer that was kept: itself, its end, or what led to it."""
        identifier, _, part = path.removeprefix(BELOW).partition("/")
        if part not in ("", _ITEMS) or not identifier:
            raise NotFound(f"There is nothing at {path[:200]}")
        if method not in methods_of(path):
            raise MethodNotAllowed(f"{method} {path[:200]}: use {' or '.join(methods_of(path))}")
        await self._pipeline.identify(state)
        if method == "DELETE":
            await self._kept.delete(state.identity, identifier)
            return encode({"id": identifier, "object": "response", "deleted": True})
        asked = _Query(state.inbound.query)
        if not part and asked.flag("stream"):
            raise Malformed("stream: an answer that is over is only told whole", param="stream")
        found = await self._kept.find(state.identity, identifier)
        return list_items(found.items, asked.listing()) if part else found.body


def is_kept_path(path: str) -> bool:
    return path.startswith(BELOW)


def methods_of(path: str) -> tuple[str, ...]:
    return ("GET",) if path.endswith(f"/{_ITEMS}") else ("GET", "DELETE")


def _is_native(state: State) -> bool:
    """Whether some upstream of the model speaks this API itself. Where the model cannot be served the request goes on,
    to be told so."""
    routes = state.snapshot.routes
    try:
        candidates = routes.candidates(state.model, state.operation)
    except JackfieldError:
        return True
    return any(routes.links[found.upstream].speaks(state.operation, state.client_format) for found in candidates)


def _ask_for(state: State, turn: Turn) -> None:
    state.replace_inbound(msgspec.structs.replace(state.inbound, body=turn.body))


def _marks(keeping: Keeping, *, store: bool) -> Marks:
    return Marks(keeping.id, keeping.previous, store)


class _Query:
    def __init__(self, query: bytes) -> None:
        self._values = {name: values[-1] for name, values in parse_qs(query.decode("latin-1")).items()}

    def flag(self, name: str) -> bool:
        value = self._values.get(name, "false")
        return read_flag(msgspec.Raw(value.encode()), name)

    def listing(self) -> Listing:
        limit, order = self._values.get("limit", "20"), self._values.get("order", "desc")
        if not (limit.isascii() and limit.isdigit()) or not 1 <= int(limit[:9]) <= MOST_LISTED:
            raise wrong("limit", f"expected a number from 1 to {MOST_LISTED}")
        if order not in ("asc", "desc"):
            raise wrong("order", "expected asc or desc")
        return Listing(int(limit), self._values.get("after"), order == "desc")
