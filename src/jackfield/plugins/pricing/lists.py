"""Lists of prices as they are published: the gateway's own form, and the map of models that LiteLLM keeps."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from jackfield.sdk.prices import LongRates, Price, check_price

MILLION = 1_000_000
MOST_MODELS = 20_000
LONGEST_NAME = 200
MOST_TOKENS = 1_000_000_000
# What LiteLLM's map costs per token, and how we call it.
_RATES = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
}
_ABOVE = re.compile(r"input_cost_per_token_above_(\d{1,6})k_tokens")


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many tokens these models write at most in one answer."""

    models: tuple[str, ...]
    max_output: int
    provider: str | None = None


class PriceList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`left_out` is how many entries were not understood."""

    prices: tuple[Price, ...] = ()
    limits: tuple[Limit, ...] = ()
    left_out: int = 0

    @property
    def size(self) -> int:
        return sum(len(price.models) for price in self.prices) + sum(len(limit.models) for limit in self.limits)


def read_list(data: bytes, today: date, *, toml: bool = False) -> PriceList:
    """Of its own form nothing may be wrong; of a map of models what is not understood is left out. Raises `ValueError`
    that says what is wrong, or that nothing is left."""
    told = _decode(data, toml=toml)
    found = _read_own(told) if {"prices", "limits"} & told.keys() else _read_map(told, today)
    if found.size > MOST_MODELS:
        raise ValueError(f"lists {found.size:,} models, more than {MOST_MODELS:,}")
    if not found.size:
        raise ValueError("lists no model whose price or limit is understood")
    return found


def _decode(data: bytes, *, toml: bool) -> dict[str, Any]:
    try:
        told = tomllib.loads(data.decode("utf-8-sig")) if toml else msgspec.json.decode(data)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"is no {'TOML' if toml else 'JSON'}: {error}") from error
    if not isinstance(told, dict):
        raise ValueError("is no list of prices: expected `prices`, or models by name")
    return told


def _read_own(told: dict[str, Any]) -> PriceList:
    try:
        found = msgspec.convert(told, PriceList)
        for price in found.prices:
            check_price(price)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    for limit in found.limits:
        if not limit.models or not 0 < limit.max_output <= MOST_TOKENS:
            raise ValueError(f"limits: {limit.max_output} is no number of tokens, or there is no model")
    return found


def _read_map(told: Mapping[str, Any], today: date) -> PriceList:
    prices: list[Price] = []
    limits: list[Limit] = []
    left_out = 0
    for name, entry in told.items():
        try:
            _check(name, entry)
            prices.extend(_prices(name, entry, today))
            limits.extend(_limits(name, entry))
        except (ValueError, TypeError, msgspec.ValidationError):
            left_out += 1
    return PriceList(tuple(prices), tuple(limits), left_out)


def _check(name: str, entry: Any) -> None:
    """A whole name: what ends in `*` would stand for others, too. Raises `ValueError`."""
    if not isinstance(entry, dict):
        raise ValueError("there is nothing said of it")
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or "*" in name:
        raise ValueError(f"{name!r:.100} is no model")


def _prices(name: str, entry: Mapping[str, Any], today: date) -> Iterator[Price]:
    """Raises what comes of an entry that is none."""
    if entry.get(_RATES["input"]) is None:
        return
    rates: dict[str, Any] = {
        ours: _per_million(entry[theirs]) for ours, theirs in _RATES.items() if entry.get(theirs) is not None
    }
    price = Price(**rates, models=(name,), as_of=today, long=_long(entry))
    check_price(price)
    yield price


def _long(entry: Mapping[str, Any]) -> LongRates | None:
    """Of several the lowest."""
    sizes = [int(found[1]) for key in entry if (found := _ABOVE.fullmatch(key)) and entry[key] is not None]
    if not sizes:
        return None
    behind = f"_above_{min(sizes)}k_tokens"
    # Where nothing is said of a rate it stays as it is below.
    costs = {ours: entry.get(theirs + behind, entry.get(theirs)) for ours, theirs in _RATES.items()}
    return LongRates(
        **{ours: _per_million(cost) for ours, cost in costs.items() if cost is not None}, above=min(sizes) * 1000
    )


def _limits(name: str, entry: Mapping[str, Any]) -> Iterator[Limit]:
    limit = entry.get("max_output_tokens") or entry.get("max_tokens")
    if type(limit) is int and 0 < limit <= MOST_TOKENS:
        yield Limit(models=(name,), max_output=limit)


def _per_million(cost: Any) -> float:
    """Raises `ValueError` or `TypeError` for what is no cost."""
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        raise TypeError("a cost is a number")
    return float(Decimal(str(cost)) * MILLION)
