"""What is known of prices and limits, of several lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

from jackfield.plugins.pricing.lists import LONGEST_NAME, Limit, PriceList
from jackfield.sdk import Usage
from jackfield.sdk.prices import Listed, Price, Rates, Shelf, find_listed

PER_MILLION = Decimal("1e-6")
MOST_KNOWN = 4096
L = TypeVar("L", bound=Listed)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A list, where it is from (`file`, `settings`, `url` or `jackfield`), and when it was read there."""

    origin: str
    list: PriceList
    read_at: float | None = None

    def tell(self, today: date) -> dict[str, Any]:
        """As operators are shown it; ages are in days."""
        days = [(today - price.as_of).days for price in self.list.prices]
        return {
            "origin": self.origin,
            "read_at": self.read_at,
            "prices": len(self.list.prices),
            "limits": len(self.list.limits),
            "left_out": self.list.left_out,
            "newest_days": min(days, default=None),
            "oldest_days": max(days, default=None),
        }


class _Known(Generic[L]):
    """Look-ups are remembered: to find a beginning takes a walk through all of them."""

    def __init__(self, shelves: Sequence[Shelf[L]]) -> None:
        self._shelves, self._found = shelves, dict[tuple[str | None, str], L | None]()

    def find(self, provider: str | None, model: str) -> L | None:
        if len(model) > LONGEST_NAME:
            # What a client calls a model is remembered too: not without bounds.
            return None
        key = (provider, model)
        if key not in self._found:
            if len(self._found) >= MOST_KNOWN:
                self._found.clear()
            self._found[key] = find_listed(self._shelves, provider, model)
        return self._found[key]


class PriceBook:
    """The service `pricing`. Of the lists the first that has a model counts. `provider` is a provider plugin's id;
    without one only what holds for every provider's is found."""

    def __init__(self) -> None:
        self.open(())

    def open(self, sources: Sequence[Source]) -> None:
        """From now on these are the lists, those that take precedence first."""
        self.sources = tuple(sources)
        self._prices = _Known([Shelf(source.list.prices) for source in sources])
        self._limits = _Known([Shelf(source.list.limits) for source in sources])

    def price(self, provider: str | None, model: str) -> Price | None:
        return self._prices.find(provider, model)

    def cost(self, provider: str | None, model: str, usage: Usage) -> Decimal | None:
        """In US dollars, exactly. `None` where no price is known."""
        price = self._prices.find(provider, model)
        if price is None:
            return None
        long = price.long is not None and usage.input > price.long.above
        return _reckon(price.long if long and price.long is not None else price, usage)

    def max_output(self, provider: str | None, model: str) -> int | None:
        """How many tokens the model writes at most; `None` where that is not known."""
        limit: Limit | None = self._limits.find(provider, model)
        return limit.max_output if limit is not None else None


def _reckon(rates: Rates, usage: Usage) -> Decimal:
    plain = max(0, usage.input - usage.cached - usage.cache_write)
    cached = rates.input if rates.cached_input is None else rates.cached_input
    write = rates.input if rates.cache_write is None else rates.cache_write
    parts = ((plain, rates.input), (usage.cached, cached), (usage.cache_write, write), (usage.output, rates.output))
    return sum((tokens * Decimal(str(rate)) for tokens, rate in parts), Decimal(0)) * PER_MILLION
