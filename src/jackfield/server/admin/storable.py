"""Which JSON values can be kept and told again as they are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from jackfield.errors import Unprocessable

DEEPEST = 50
SMALLEST, LARGEST = -(2**63), 2**64 - 1


def check_storable(values: Mapping[str, Any]) -> None:
    """Raises `Unprocessable` naming the first that cannot: JSON as it is read here allows more than JSON is."""
    for path, problem in _problems(values, ""):
        shown = path.encode("utf-8", "backslashreplace").decode()[:200]
        raise Unprocessable(f"{shown}: {problem}", param=shown)


def _problems(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    if depth > DEEPEST:
        yield path, f"is nested deeper than {DEEPEST} levels"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            below = f"{path}.{key}" if path else key
            yield from _problems_of_text(key, below)
            yield from _problems(inner, below, depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _problems(inner, f"{path}.{index}", depth + 1)
    else:
        yield from _problems_of_one(value, path)


def _problems_of_one(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield from _problems_of_text(value, path)
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, "is not a finite number"
    elif isinstance(value, int) and not SMALLEST <= value <= LARGEST:
        yield path, "is a whole number of more than 64 bits"


def _problems_of_text(text: str, path: str) -> Iterator[tuple[str, str]]:
    if any("\ud800" <= character <= "\udfff" for character in text):
        yield path, "holds half a character (a lone surrogate)"
    elif "\x00" in text:
        yield path, "holds a NUL, which not every store takes"
