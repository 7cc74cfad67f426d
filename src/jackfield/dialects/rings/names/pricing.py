"""`core.pricing`: US dollars, from the price table that the gateway reckons with."""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import Protocol

from jackfield.control.prices import PriceTable
from jackfield.wire.chat import Usage

DEFAULT = {"input": 1.0, "output": 3.0}
LONGEST_NAME = 200
SAMPLE = 1_000  # tokens; far below where long requests begin to cost more
NANO = 1_000_000_000
MILLION = 1_000_000

log = logging.getLogger("pricing")
_LAST_PART = re.compile(r"[-:@.,_][^-:@.,_]*$")


class Table(Protocol):
    def cost_nanousd(self, provider: str, model: str, usage: Usage) -> int | None: ...


class Pricing:
    """A model that is in no table costs what the longest beginning of its name costs, or else `DEFAULT`."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._told: set[str] = set()

    def get_pricing(self, model: str) -> dict[str, float]:
        """USD per million tokens: `input`, `output`."""
        name = self._known(model)
        if name is None:
            return dict(DEFAULT)
        return {"input": self._rate(name, Usage(input=SAMPLE)), "output": self._rate(name, Usage(output=SAMPLE))}

    def estimate_cost(self, model: str, input_tokens: int, output_tokens: int) -> float:
        rates = self.get_pricing(model)
        return (input_tokens * rates["input"] + output_tokens * rates["output"]) / MILLION

    def estimate_cost_pre_flight(
        self, model: str, input_tokens: int, ratio: float = 0.5, output_ratio: float | None = None
    ) -> float:
        """Before an answer is there: it is taken to be `ratio` as long as the prompt. `output_ratio` is the same by
        another name."""
        share = ratio if output_ratio is None else output_ratio
        return self.estimate_cost(model, input_tokens, int(input_tokens * share))

    def _rate(self, name: str, usage: Usage) -> float:
        return (self._table.cost_nanousd("", name, usage) or 0) * MILLION / SAMPLE / NANO

    def _known(self, model: str) -> str | None:
        name = str(model)[:LONGEST_NAME]
        while name:
            if self._table.cost_nanousd("", name, Usage()) is not None:
                return name
            name, shorter = _LAST_PART.sub("", name), name
            if name == shorter:
                break
        self._tell(str(model)[:LONGEST_NAME])
        return None

    def _tell(self, model: str) -> None:
        if model not in self._told and len(self._told) < SAMPLE:
            self._told.add(model)
            log.warning("No price is known for model %r: $%s/$%s per MTok are assumed", model, *DEFAULT.values())


@cache
def _built_in() -> Pricing:
    return Pricing(PriceTable.load())


def get_pricing(model: str) -> dict[str, float]:
    return _built_in().get_pricing(model)


def estimate_cost(model: str, input_tokens: int, output_tokens: int) -> float:
    return _built_in().estimate_cost(model, input_tokens, output_tokens)


def estimate_cost_pre_flight(
    model: str, input_tokens: int, ratio: float = 0.5, output_ratio: float | None = None
) -> float:
    return _built_in().estimate_cost_pre_flight(model, input_tokens, ratio, output_ratio)


__all__ = ["estimate_cost", "estimate_cost_pre_flight", "get_pricing"]
