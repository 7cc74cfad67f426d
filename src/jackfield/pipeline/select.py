"""Phase `routing`: which upstreams could serve this, in the order of trying."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import groupby

from jackfield.errors import Forbidden, Malformed, ModelNotFound, Unavailable
from jackfield.hooks.dispatch import Decision, decide
from jackfield.pipeline.admit import check_model
from jackfield.pipeline.exchange import State
from jackfield.sdk.context import Candidate
from jackfield.wire.chat import ChatRequest, EmbeddingsRequest, Request


def select(state: State) -> None:
    """Sets the candidates. Raises `ModelNotFound`, `Unavailable` where no upstream of the model has its provider, or
    `Malformed` where none does this operation."""
    found = state.snapshot.routes.candidates(state.model, state.operation)
    state.candidates = found if len(found) == 1 else by_chance(found)


async def route(state: State) -> Decision | None:
    """The `routing` hooks. Raises `Refused`."""
    return await decide(state.row.routing, state.view, state.trace, lambda value: _replace(state, value))


def by_chance(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Priorities in order; within one priority a random order in which each is first as often as its weight says."""
    ordered: list[Candidate] = []
    for _, group in groupby(candidates, key=lambda candidate: candidate.priority):
        ordered += sorted(group, key=lambda candidate: random.expovariate(candidate.weight))
    return tuple(ordered)


def _replace(state: State, value: Candidate | tuple[Candidate, ...] | Request) -> str | None:
    """Takes what a hook chose, or tells why it cannot be. A request that asks for another model has candidates of its
    own, and must be allowed to."""
    if isinstance(value, ChatRequest | EmbeddingsRequest):
        return _replace_request(state, value)
    chosen = value if isinstance(value, tuple) else (value,)
    unknown = [candidate.upstream for candidate in chosen if candidate.upstream not in state.snapshot.routes.links]
    if unknown:
        return f"routed to the unknown upstream {unknown[0]!r}"
    if not chosen:
        return "left no upstream to try"
    state.candidates = chosen
    return None


def _replace_request(state: State, request: Request) -> str | None:
    before, replaced = state.canonical_request(), state.replaced
    state.replace_request(request)
    if request.model == before.model:
        return None
    try:
        check_model(state)
        select(state)
    except (Forbidden, Malformed, ModelNotFound, Unavailable) as error:
        state.replace_request(before)
        state.replaced = replaced
        return f"routed to the model {request.model!r}: {error.message}"
    return None
