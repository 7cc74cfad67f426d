"""Phase `pre_flight`: may this be asked, and in these words."""

from __future__ import annotations

from jackfield.errors import Forbidden
from jackfield.hooks.dispatch import Decision, decide
from jackfield.pipeline.exchange import State


async def admit(state: State) -> Decision | None:
    """The `pre_flight` hooks. Raises `Malformed` and `Refused`."""
    decision = await decide(state.row.pre_flight, state.view, state.trace, state.replace_request)
    state.trace.phase("pre_flight")
    return decision


def check_model(state: State) -> None:
    """Whether the caller may use the model that is asked for now, after all replacements."""
    identity = state.identity
    if identity is not None and identity.models and state.model not in identity.models:
        raise Forbidden(f"this key may not use the model {state.model!r}", param="model")
