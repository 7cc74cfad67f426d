"""Phase `pre_flight`: may this be asked, and in these words."""

from __future__ import annotations

from jackfield.errors import Forbidden
from jackfield.hooks.dispatch import Decision, Undecided, begin_deciding
from jackfield.pipeline.exchange import State


def admit(state: State) -> Decision | Undecided | None:
    """The `pre_flight` hooks, as far as they go without waiting. Raises `Malformed` and `Refused`."""
    return begin_deciding(state.row.pre_flight, state.view, state.trace, state.replace_request)


def check_model(state: State) -> None:
    """Whether the caller may use the model that is asked for now, after all replacements."""
    identity = state.identity
    if identity is not None and identity.models and state.model not in identity.models:
        raise Forbidden(f"this key may not use the model {state.model!r}", param="model")
