"""Phase `routing`: which upstreams could serve this, in the order of trying."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import groupby

from jackfield.errors import Malformed
from jackfield.hooks.dispatch import decide
from jackfield.host.routes import UpstreamLink
from jackfield.pipeline.exchange import State
from jackfield.sdk.context import Candidate
from jackfield.wire.base import Operation


async def select(state: State) -> None:
    """Sets the candidates. Raises `ModelNotFound`, or `Malformed` where no upstream of the model does this
    operation."""
    found = state.snapshot.routes.candidates(state.model)
    links = state.snapshot.routes.links
    if state.operation != "chat":
        found = tuple(candidate for candidate in found if serves(links[candidate.upstream], state.operation))
        if not found:
            raise Malformed(f"the model {state.model!r} does not offer {state.operation}", param="model")
    state.candidates = found if len(found) == 1 else by_chance(found)
    if state.row.routing:
        await decide(state.row.routing, state.view, state.trace, lambda value: _replace(state, value))
    state.trace.phase("routing")


def serves(link: UpstreamLink, operation: Operation) -> bool:
    """Tokens can always be counted: where an upstream does not, the gateway estimates."""
    if operation == "count_tokens":
        return True
    return link.formats is None or operation in link.formats


def by_chance(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Priorities in order; within one priority a random order in which each is first as often as its weight says."""
    ordered: list[Candidate] = []
    for _, group in groupby(candidates, key=lambda candidate: candidate.priority):
        ordered += sorted(group, key=lambda candidate: random.expovariate(candidate.weight))
    return tuple(ordered)


def _replace(state: State, value: Candidate | tuple[Candidate, ...]) -> str | None:
    """Takes what a hook chose, or tells why it cannot be."""
    chosen = value if isinstance(value, tuple) else (value,)
    unknown = [candidate.upstream for candidate in chosen if candidate.upstream not in state.snapshot.routes.links]
    if unknown:
        return f"routed to the unknown upstream {unknown[0]!r}"
    if not chosen:
        return "left no upstream to try"
    state.candidates = chosen
    return None
