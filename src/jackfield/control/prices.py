"""What tokens cost. Prices are data: the package's `prices.toml`, and files of the operator that take
precedence."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

import msgspec

from jackfield.errors import ConfigError
from jackfield.sdk.prices import Price, Rates, Shelf, check_price, find_listed
from jackfield.settings.lines import find_lines
from jackfield.wire.chat import Usage

BUILT_IN = Path(__file__).parent / "prices.toml"
# Rates are whole picodollars a token: USD per million tokens with six decimals.
PICO = 1_000_000
PICO_PER_NANO = 1000
CACHED_LOOKUPS = 4096


class _Tariff(msgspec.Struct, frozen=True):
    """Rates in picodollars a token, ready to multiply."""

    input: int
    output: int
    cached: int
    write: int
    above: int = 0
    long: _Tariff | None = None

    def cost_nanousd(self, usage: Usage) -> int:
        if self.long is not None and usage.input > self.above:
            return self.long.cost_nanousd(usage)
        plain = max(0, usage.input - usage.cached - usage.cache_write)
        picodollars = (
            plain * self.input
            + usage.cached * self.cached
            + usage.cache_write * self.write
            + usage.output * self.output
        )
        return (picodollars + PICO_PER_NANO // 2) // PICO_PER_NANO


class PriceTable:
    """`lists` are all prices, those that take precedence first."""

    def __init__(self, shelves: Sequence[Sequence[Price]]) -> None:
        self.lists = tuple(map(tuple, shelves))
        self._shelves = [Shelf(prices) for prices in shelves]
        self._tariffs: dict[tuple[str, str], _Tariff | None] = {}

    @classmethod
    def load(cls, *files: Path) -> Self:
        """The built-in prices, overridden by `files`; of several, the later ones win."""
        return cls([*(read_prices(file) for file in reversed(files)), _built_in()])

    def cost_nanousd(self, provider: str, model: str, usage: Usage) -> int | None:
        """`None` where no price is known."""
        key = (provider, model)
        try:
            tariff = self._tariffs[key]
        except KeyError:
            tariff = self._remember(key)
        return None if tariff is None else tariff.cost_nanousd(usage)

    def _remember(self, key: tuple[str, str]) -> _Tariff | None:
        if len(self._tariffs) >= CACHED_LOOKUPS:
            self._tariffs.clear()
        price = find_listed(self._shelves, *key)
        self._tariffs[key] = tariff = None if price is None else _tariff(price)
        return tariff


def _tariff(price: Price) -> _Tariff:
    long = price.long
    return _Tariff(*_pico(price), above=long.above if long else 0, long=_Tariff(*_pico(long)) if long else None)


def _pico(rates: Rates) -> tuple[int, int, int, int]:
    cached = rates.input if rates.cached_input is None else rates.cached_input
    write = rates.input if rates.cache_write is None else rates.cache_write
    return (
        round(rates.input * PICO),
        round(rates.output * PICO),
        round(cached * PICO),
        round(write * PICO),
    )


@cache
def _built_in() -> tuple[Price, ...]:
    return tuple(read_prices(BUILT_IN))


def read_prices(file: Path) -> list[Price]:
    """Raises `ConfigError` with file, line and field for the first thing that is wrong."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        data = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(file)) from error
    except ValueError as error:
        raise ConfigError(f"is not TOML: {error}", file=str(file)) from error
    lines = find_lines(text.replace("\r\n", "\n"))
    for name in data:
        if name != "prices":
            raise ConfigError(
                "unknown key: prices are [[prices]] tables",
                file=str(file),
                line=lines.get((name,)),
                field=name,
            )
    entries = data.get("prices", [])
    if not isinstance(entries, list):
        raise ConfigError("expected [[prices]] tables", file=str(file), line=lines.get(("prices",)))
    return [_read_price(file, lines, index, entry) for index, entry in enumerate(entries)]


def _read_price(file: Path, lines: dict[tuple[str | int, ...], int], index: int, entry: Any) -> Price:
    try:
        price = msgspec.convert(entry, type=Price)
        check_price(price)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        steps = _steps(reason, place.strip(".`"))
        at: tuple[str | int, ...] = ("prices", index, *steps)
        line = next(lines[at[:end]] for end in range(len(at), 0, -1) if at[:end] in lines)
        field = f"prices[{index}]" + "".join(f".{step}" for step in steps)
        raise ConfigError(reason, file=str(file), line=line, field=field) from error
    return price


def _steps(reason: str, place: str) -> tuple[str, ...]:
    """The field as a path. For an unknown one the place is its table, and the reason names it."""
    steps = tuple(step for step in place.split(".") if step)
    if reason.startswith("Object contains unknown field"):
        return (*steps, reason.split("`")[1])
    return tuple(step.partition("[")[0] for step in steps)
