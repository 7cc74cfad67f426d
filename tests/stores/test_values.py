"""Values as bytes and back."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.stores.values import decode_value, encode_value, is_same

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
ZONES = st.timezones() | st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int


def there_and_back(value: Any) -> Any:
    return decode_value(*encode_value(value))


@given(JSON)
def test_json_comes_back_with_its_types(value: Any) -> None:
    found = there_and_back(value)
    assert found == value
    assert repr(found) == repr(value)


@given(st.binary())
def test_bytes_come_back(value: bytes) -> None:
    assert there_and_back(value) == value


@given(st.datetimes(timezones=ZONES))
def test_datetimes_come_back_as_the_same_instant_at_the_same_offset(value: datetime) -> None:
    found = there_and_back(value)
    assert found == value.replace(tzinfo=timezone(value.utcoffset() or timedelta()))
    assert (found.utcoffset(), found.microsecond) == (value.utcoffset(), value.microsecond)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (object(), "value: object is not JSON"),
        ({"a": [1, {2}]}, r"value\['a'\]\[1\]: set is not JSON, a list is"),
        ((1, 2), "value: tuple is not JSON, a list is"),
        ({"a": {"b": (1,)}}, r"value\['a'\]\['b'\]: tuple is not JSON"),
        ([b"x"], r"value\[0\]: bytes is not JSON \(only a whole value may be bytes\)"),
        ({"at": datetime.now(UTC)}, r"value\['at'\]: datetime is not JSON \(only a whole value"),
        ({"on": date(2026, 1, 1)}, r"value\['on'\]: date is not JSON"),
        ([0.5, float("nan")], r"value\[1\]: nan is no JSON number"),
        (float("inf"), "value: inf is no JSON number"),
        ({"a": {1: "x"}}, r"value\['a'\]: key 1 is not text"),
        ({"a": "\ud800"}, r"value\['a'\]: '\\ud800' is not valid Unicode"),
        ({"\ud800": 1}, r"is not valid Unicode"),
        (bytearray(b"x"), "value: bytearray is not JSON"),
        (Decimal("1.5"), "value: Decimal is not JSON"),
        (UUID(int=1), "value: UUID is not JSON"),
        (Point(1), "value: Point is not JSON"),
        ([Colour.RED], r"value\[0\]: Colour is not JSON"),
        (datetime(2026, 1, 1), "value: a datetime needs a time zone"),  # noqa: DTZ001 - the fault that is shown
    ],
)
def test_what_would_not_come_back_is_refused_by_its_place(value: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        encode_value(value)


def test_what_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested too deep, or holds itself"):
        encode_value(endless)


def test_children_of_json_types_are_taken_for_what_they_hold() -> None:
    assert there_and_back(OrderedDict(a=1)) == {"a": 1}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1, 2], [2, 1], False),
        (1, True, False),
        (1, 1.0, False),
        (0, None, False),
        ("x", b"x", False),
        (b"x", b"x", True),
        (datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), datetime(2026, 1, 1, tzinfo=UTC), True),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00", False),
    ],
)
def test_values_are_compared_as_json_bytes_and_instants(one: Any, other: Any, same: bool) -> None:
    assert is_same(one, other) is same
    assert is_same(other, one) is same
