"""The data of an event: JSON values and datetimes, copied so that nobody holds what another may change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

LARGEST_EMITTED = 64 * 1024
DEEPEST_DATA = 100


class CopiedData:
    """`size` is about what it takes in memory, in characters."""

    __slots__ = ("size", "value")

    def __init__(self, data: Mapping[str, Any]) -> None:
        """Raises `ValueError` naming the place of what is no JSON."""
        if not isinstance(data, Mapping):
            raise ValueError(f"data: is an object, not {type(data).__name__}")
        self.size = 0
        self.value: dict[str, Any] = self._copy_object(data, "data", 0)

    def _copy(self, value: Any, place: str, depth: int) -> Any:
        self.size += 8
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, str):
            self.size += len(value)
            return _plain_text(value, place)
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError(f"{place}: {value} is no JSON number")
            return value
        if isinstance(value, datetime):
            if value.utcoffset() is None:
                raise ValueError(f"{place}: a datetime needs a time zone")
            return value
        return self._copy_nested(value, place, depth)

    def _copy_nested(self, value: Any, place: str, depth: int) -> Any:
        if depth >= DEEPEST_DATA:
            raise ValueError("data: is nested too deep, or holds itself")
        if isinstance(value, Mapping):
            return self._copy_object(value, place, depth)
        if isinstance(value, list | tuple):
            return [self._copy(item, f"{place}[{number}]", depth + 1) for number, item in enumerate(value)]
        raise ValueError(f"{place}: {type(value).__name__} is not JSON")

    def _copy_object(self, value: Mapping[Any, Any], place: str, depth: int) -> dict[str, Any]:
        copied = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{place}: the key {key!r:.100} is not text")
            self.size += len(key)
            copied[_plain_text(key, place)] = self._copy(item, f"{place}.{key:.100}", depth + 1)
        return copied


def _plain_text(text: str, place: str) -> str:
    """Also of a subclass, such as a member of an enumeration."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{place}: {text!r:.100} is not valid Unicode") from None
    return text if type(text) is str else str.__str__(text)


def copy_emitted(data: Mapping[str, Any]) -> CopiedData:
    """What a plugin emits. Raises `ValueError` also where it is too large."""
    copied = CopiedData(data)
    if copied.size > 2 * LARGEST_EMITTED or len(_encoded(copied.value)) > LARGEST_EMITTED:
        raise ValueError(f"data: an event's data has at most {LARGEST_EMITTED // 1024} KB")
    return copied


def _encoded(data: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(data)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"data: {error}") from error
