"""What tokens cost: prices as they are listed, and how the one for a model is found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Generic, Protocol, TypeVar

import msgspec

Dollars = float


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD per million tokens. Cached input and cache writes cost as much as input where nothing else is
    said."""

    input: Dollars
    output: Dollars = 0.0
    cached_input: Dollars | None = None
    cache_write: Dollars | None = None


class LongRates(Rates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates for the whole of a request that reads more than `above` tokens."""

    above: int


class Price(Rates, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`models` are names, or beginnings of names that end in `*`; without `provider` they count for every
    provider."""

    models: tuple[str, ...]
    as_of: date
    provider: str | None = None
    long: LongRates | None = None


class Listed(Protocol):
    """What is said of some models: whole names, or beginnings that end in `*`; without `provider`, of every
    provider's."""

    @property
    def models(self) -> tuple[str, ...]: ...
    @property
    def provider(self) -> str | None: ...


L = TypeVar("L", bound=Listed)


class Shelf(Generic[L]):
    """What one list says. The closest wins: a whole name before a beginning, a longer beginning before
    a shorter, one for this provider before one for all."""

    def __init__(self, entries: Iterable[L]) -> None:
        self._whole: dict[tuple[str | None, str], L] = {}
        self._beginnings: list[tuple[str | None, str, L]] = []
        for entry in entries:
            for model in entry.models:
                self._place(entry, model.lower())
        self._beginnings.sort(key=lambda place: (-len(place[1]), place[0] is None))

    def _place(self, entry: L, model: str) -> None:
        if model.endswith("*"):
            self._beginnings.append((entry.provider, model[:-1], entry))
        else:
            self._whole[entry.provider, model] = entry

    def find(self, provider: str | None, model: str) -> L | None:
        found = self._whole.get((provider, model)) or self._whole.get((None, model))
        if found is not None:
            return found
        for of_provider, beginning, entry in self._beginnings:
            if of_provider in (None, provider) and model.startswith(beginning):
                return entry
        return None


def find_listed(shelves: Sequence[Shelf[L]], provider: str | None, model: str) -> L | None:
    """The first shelf that has it. A name is looked up as it stands, then without what stands before its last slash
    (`meta-llama/…`)."""
    model = model.lower()
    for shelf in shelves:
        for name in dict.fromkeys((model, model.rpartition("/")[2])):
            if found := shelf.find(provider, name):
                return found
    return None


def check_price(price: Price) -> None:
    """What the types do not say. Raises `msgspec.ValidationError` naming the place."""
    if not price.models or not all(price.models):
        raise msgspec.ValidationError("expected at least one model name - at `$.models`")
    for place, rates in (("", price), ("long.", price.long)):
        for name in ("input", "output", "cached_input", "cache_write"):
            value = getattr(rates, name, None)
            if value is not None and not 0 <= value < 1_000_000:
                raise msgspec.ValidationError(f"expected USD per million tokens, not {value} - at `$.{place}{name}`")
