"""Values come out as they went in; what would be lost in silence is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.rpc.codec import DEEPEST, decode_message, encode_message, pack, unpack

KEYS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["$date", "$bytes", "$object", "$", "$x"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.binary(max_size=20)
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def sent(value: Any) -> Any:
    message, tagged = decode_message(encode_message([0, pack(value)]))
    return unpack(message[1]) if tagged else message[1]


@given(VALUES)
def test_what_goes_in_comes_out(value: Any) -> None:
    assert sent(value) == value


def test_an_instant_in_another_zone_is_the_same_instant() -> None:
    moment = datetime(2025, 5, 4, 3, 2, 1, 987654, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert sent(moment) == moment


@pytest.mark.parametrize(
    "value",
    [
        {"$date": "today"},
        {"$object": {"$date": "today"}},
        {"$object": 1},
        [{"$": None}],
        {"$bigint": {"$bytes": b"x"}},
        {"$date": "2025-01-01T00:00:00+00:00"},
    ],
)
def test_what_only_looks_like_a_tag_is_what_it_was(value: Any) -> None:
    assert sent(value) == value


def test_what_json_has_no_word_for_but_a_like_one_arrives_as_that() -> None:
    assert sent((1, 2)) == [1, 2]
    assert sent(frozenset({1})) == [1]
    assert sent(MappingProxyType({"a": 1})) == {"a": 1}
    assert sent(float("nan")) is None
    assert sent(bytearray(b"x")) == b"x"


class Stranger:
    pass


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (datetime(2025, 1, 1), "a datetime needs a time zone"),  # noqa: DTZ001 - what is refused
        ({1: 2}, "a key of type int"),
        (Stranger(), "a value of type Stranger"),
        ("\ud800", "cannot be sent"),
        (10**2000, "an integer that large"),
    ],
)
def test_what_cannot_be_sent_is_named(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sent({"a": [value]})


def nested(depth: int, shell: str) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if shell == "list" else {"a": value}
    return value


@pytest.mark.parametrize("shell", ["list", "dict"])
def test_values_may_be_nested_so_deep_and_no_deeper(shell: str) -> None:
    assert sent(nested(DEEPEST, shell)) == nested(DEEPEST, shell)
    with pytest.raises(ValueError, match="nested deeper than 128"):
        pack(nested(DEEPEST + 1, shell))


def test_what_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="nested deeper"):
        pack(value)


def hostile() -> Iterator[bytes]:
    yield b"["
    yield b"[1,]"
    yield b'"\\ud800"'
    yield b"\xff"
    yield b"[" * 100_000 + b"]" * 100_000
    yield b'{"$date": "yesterday"}'
    yield b'{"$date": "2025-01-01T00:00:00"}'
    yield b'{"$date": 5}'
    yield b'{"$bytes": "!"}'
    yield b'{"$bigint": "1e5"}'
    yield b'{"$bigint": "' + b"9" * 5000 + b'"}'
    yield b'{"$object": [1]}'
    yield b'{"$new": 1}'
    yield b"[" * 200 + b"]" * 200


@pytest.mark.parametrize("body", list(hostile()), ids=range(len(list(hostile()))))
def test_what_a_stranger_makes_up_is_refused_as_a_value(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(decode_message(body)[0])
