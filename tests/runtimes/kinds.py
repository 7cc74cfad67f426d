"""What each kind of session has of the one protocol. All have calls, streams, cancellation, deadlines and an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

Ability = Literal["tells", "asks", "types", "credit"]
Test = TypeVar("Test", bound=Callable[..., Any])

# `tells`: the code tells the host something, in order with its answers. `asks`: it asks the host. `types`: values are
# more than JSON. `credit`: a stream stops after a number of items, and not when what lies between is full.
EVERYTHING: frozenset[Ability] = frozenset({"tells", "asks", "types", "credit"})
KINDS: dict[str, frozenset[Ability]] = {
    "inprocess": EVERYTHING,
    "node": EVERYTHING,
    "isolated": EVERYTHING,
    "http": frozenset(),
    "grpc": frozenset({"tells", "asks", "types"}),
}


def needs(*abilities: Ability) -> Callable[[Test], Test]:
    """Marks a test that is for those kinds alone which have these."""

    def mark(test: Test) -> Test:
        test.needs = frozenset(abilities)  # type: ignore[attr-defined]
        return test

    return mark


def kinds_for(test: Callable[..., Any]) -> list[str]:
    needed = getattr(test, "needs", frozenset())
    return [kind for kind, has in KINDS.items() if needed <= has]
