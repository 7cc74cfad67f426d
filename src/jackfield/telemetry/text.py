"""Text as strangers give it, made such that it can be encoded wherever it is stored or told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def escape_halves(text: str) -> str:
    """The text with each half character (a lone surrogate, which no encoding has) as its escape: `\\udfff`."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def escape_all_halves(value: Any) -> Any:
    """A JSON value in which every text is whole, at any depth, names included."""
    if isinstance(value, str):
        return escape_halves(value)
    if isinstance(value, Mapping):
        return {escape_all_halves(name): escape_all_halves(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [escape_all_halves(inner) for inner in value]
    return value


def describe_error(error: BaseException) -> str:
    """A stranger's exception in words; its own `__str__` is a stranger's code too."""
    try:
        return escape_halves(f"{type(error).__name__}: {error}")
    except Exception:  # noqa: BLE001 - what it says of itself is only for operators
        return escape_halves(type(error).__name__)
