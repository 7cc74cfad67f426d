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
    `Malformed` where none does this operation, or what a field of the request asks for."""
    peek = state.peeked()
    found = state.snapshot.routes.candidates(peek.model, state.operation)
    if peek.bound is not None:
        found = _speaking(state, found)
    state.candidates = found if len(found) == 1 else by_chance(found)


def _speaking(state: State, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Those that speak the client's own format, where a field of the request means nothing to any other."""
    found = tuple(candidate for candidate in candidates if _speaks(state, candidate))
    if not found:
        field = state.peeked().bound
        raise Malformed(
            f"{field}: only an upstream that speaks {state.client_format} itself can do this, and no upstream of "
            f"the model {state.model!r} does",
            param=field,
        )
    return found


def _speaks(state: State, candidate: Candidate) -> bool:
    return state.snapshot.routes.links[candidate.upstream].speaks(state.operation, state.client_format)


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
    bound = state.peeked().bound
    deaf = [candidate.upstream for candidate in chosen if bound is not None and not _speaks(state, candidate)]
    if deaf:
        return f"routed to the upstream {deaf[0]!r}, which can make nothing of the field {bound!r}"
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
