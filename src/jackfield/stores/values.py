"""Stored values as bytes: JSON, `bytes` and `datetime`, each of which comes back as it was given."""

from __future__ import annotations

import reprlib
from datetime import datetime
from typing import Any

import msgspec

JSON, BYTES, DATETIME = "json", "bytes", "datetime"
_SCALARS = (str, int, float, type(None))


def encode_value(value: Any) -> tuple[str, bytes]:
    """Kind and bytes. Raises `ValueError` naming the place inside `value` that cannot be kept."""
    if isinstance(value, bytes):
        return BYTES, value
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError("value: a datetime needs a time zone to come back as the same instant")
        return DATETIME, value.isoformat().encode()
    return JSON, _encode_json(value)


def decode_value(kind: str, data: bytes) -> Any:
    if kind == BYTES:
        return data
    if kind == DATETIME:
        return datetime.fromisoformat(data.decode())
    return msgspec.json.decode(data)


def is_same(one: Any, other: Any) -> bool:
    """Whether both are the same JSON, bytes or instant. `1`, `1.0` and `True` differ, as they do in JSON; the order of
    an object's keys does not count."""
    if isinstance(one, bytes | datetime) or isinstance(other, bytes | datetime):
        return type(one) is type(other) and bool(one == other)
    return msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")


def _encode_json(value: Any) -> bytes:
    """The encoder takes more than JSON holds, such as sets and dates, and does so silently: only what decodes to the
    same value is taken."""
    try:
        data = msgspec.json.encode(value)
        if msgspec.json.decode(data) == value:
            return data
    except RecursionError as error:
        raise ValueError("value: is nested too deep, or holds itself") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(_fault(value, "value") or f"value: {error}") from error
    raise ValueError(_fault(value, "value") or "value: does not come back from JSON as it is")


def _fault(value: Any, place: str) -> str | None:
    """What is wrong with the first part of `value` that JSON cannot hold."""
    if isinstance(value, dict):
        return _fault_in_object(value, place)
    if isinstance(value, list):
        faults = (_fault(item, f"{place}[{number}]") for number, item in enumerate(value))
        return next(filter(None, faults), None)
    if not isinstance(value, _SCALARS):
        return f"{place}: {type(value).__name__} is not JSON{_HINTS.get(type(value), '')}"
    return _fault_in_scalar(value, place)


_HINTS = {
    tuple: ", a list is",
    set: ", a list is",
    bytes: " (only a whole value may be bytes)",
    datetime: " (only a whole value may be a datetime)",
}


def _fault_in_object(value: dict[Any, Any], place: str) -> str | None:
    for key, item in value.items():
        if not isinstance(key, str):
            return f"{place}: key {reprlib.repr(key)} is not text"
        inner = f"{place}[{reprlib.repr(key)}]"
        if fault := _fault_in_scalar(key, inner) or _fault(item, inner):
            return fault
    return None


def _fault_in_scalar(value: object, place: str) -> str | None:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return f"{place}: {value} is no JSON number"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return f"{place}: {reprlib.repr(value)} is not valid Unicode"
    return None
