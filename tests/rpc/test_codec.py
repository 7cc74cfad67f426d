"""Values come out as they went in, in each codec; what would be lost in silence is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.rpc.binary import MOST_VALUES, MessagePack
from jackfield.rpc.codec import DEEPEST, Codec, Json, WrongShape
from jackfield.rpc.messages import ANSWER, Answer

CODECS: list[Codec] = [Json(), MessagePack()]
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


@pytest.fixture(params=CODECS, ids=["json", "msgpack"])
def codec(request: pytest.FixtureRequest) -> Codec:
    found: Codec = request.param
    return found


def sent(codec: Codec, value: Any, into: Any = Any) -> Any:
    message = codec.decode(codec.encode([ANSWER, 1, codec.pack(value)]))
    assert isinstance(message, Answer)
    return codec.unpack(message.value, into, wary=True)


def received(codec: Codec, body: bytes, into: Any = Any) -> Any:
    return codec.unpack(msgspec.Raw(body), into, wary=True)


@given(VALUES)
def test_what_goes_in_comes_out(value: Any) -> None:
    for codec in CODECS:
        assert sent(codec, value) == value


def test_an_instant_in_another_zone_is_the_same_instant(codec: Codec) -> None:
    moment = datetime(2025, 5, 4, 3, 2, 1, 987654, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert sent(codec, moment) == moment


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
def test_what_only_looks_like_a_tag_is_what_it_was(codec: Codec, value: Any) -> None:
    assert sent(codec, value) == value


class Words(str):
    __slots__ = ()


def test_what_there_is_no_word_for_but_a_like_one_arrives_as_that(codec: Codec) -> None:
    assert sent(codec, (1, 2)) == [1, 2]
    assert sent(codec, frozenset({1})) == [1]
    assert sent(codec, MappingProxyType({"a": 1})) == {"a": 1}
    assert sent(codec, bytearray(b"x")) == b"x"
    assert sent(codec, {Words("a"): Words("b"), "big": 2**70}) == {"a": "b", "big": 2**70}


def test_what_is_no_number_is_nothing_in_json() -> None:
    assert sent(Json(), float("nan")) is None


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
def test_what_cannot_be_sent_is_named(codec: Codec, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sent(codec, {"a": [value]})


def nested(depth: int, shell: str) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if shell == "list" else {"a": value}
    return value


@pytest.mark.parametrize("shell", ["list", "dict"])
def test_values_may_be_nested_so_deep_and_no_deeper(codec: Codec, shell: str) -> None:
    assert sent(codec, nested(DEEPEST, shell)) == nested(DEEPEST, shell)
    with pytest.raises(ValueError, match="nested deeper than 128"):
        codec.pack(nested(DEEPEST + 1, shell))


def test_what_holds_itself_is_refused(codec: Codec) -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="nested deeper"):
        codec.pack(value)


class City(msgspec.Struct):
    name: str
    founded: int = 0
    more: Any = None


def test_a_value_is_read_as_what_it_is_wanted_as(codec: Codec) -> None:
    assert sent(codec, {"name": "Oslo", "founded": 1040}, City) == City("Oslo", 1040)
    assert sent(codec, [{"name": "Oslo"}], list[City]) == [City("Oslo")]


def test_what_is_not_what_was_wanted_is_told_apart(codec: Codec) -> None:
    for value in ({"name": 5}, [1], None, {"name": "Oslo", "founded": "old"}):
        with pytest.raises(WrongShape):
            sent(codec, value, City)


def test_structs_go_as_their_fields_at_any_place() -> None:
    codec = MessagePack()
    city = City("Oslo", more=MappingProxyType({"at": datetime(2025, 1, 1, tzinfo=UTC)}))
    plain = {"name": "Oslo", "founded": 0, "more": {"at": datetime(2025, 1, 1, tzinfo=UTC)}}
    assert sent(codec, city) == plain
    assert sent(codec, {"cities": [city, (city,)]}) == {"cities": [plain, [plain]]}


def test_what_is_nested_too_deep_in_a_struct_is_refused() -> None:
    codec = MessagePack()
    for depth in (DEEPEST, 100_000):
        with pytest.raises(ValueError, match=r"."):
            codec.pack(City("Oslo", more=nested(depth, "list")))
    deep = b"\x82\xa4name\xa4Oslo\xa4more" + b"\x91" * 100_000 + b"\x01"
    with pytest.raises(ValueError, match="recursion"):
        received(codec, deep, City)


def test_what_looks_deep_and_is_not_passes() -> None:
    """What begins a list in MessagePack is in the middle of letters beyond ASCII, too."""
    value = {"text": "ü" * 1000, "many": [[number] for number in range(1000)]}
    for codec in CODECS:
        assert sent(codec, value) == value
    assert sent(MessagePack(), City("ü" * 1000, more=value)) == {"name": "ü" * 1000, "founded": 0, "more": value}


def hostile_json() -> Iterator[bytes]:
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


def hostile_msgpack() -> Iterator[bytes]:
    yield b""
    yield b"\xc1"
    yield b"\x92\x01"
    yield b"\xa1\xff"
    yield b"\xdd\xff\xff\xff\xff"
    yield b"\xdf\xff\xff\xff\xff"
    yield b"\xc6\xff\xff\xff\xff"
    yield b"\x91" * 100_000 + b"\x01"
    yield b"\x91" * 200 + b"\x01"
    # Keys that are no text.
    yield b"\x81\x01\x01"
    yield b"\x81\xc4\x01a\x01"
    yield b"\x81\x91\x01\x01"
    yield b"\x81\xc0\x01"
    # A map in a map as its key; a moment that there is not; kinds that nobody knows.
    yield b"\x81\x80\x01"
    yield b"\xc7\x0c\xff" + b"\xff" * 12
    yield b"\xd4\x05\x01"
    yield b"\xc7\x00\x01"
    yield b"\xc8\x02\x00\x01" + b"\x7f" * 512


HOSTILE = [(CODECS[0], body) for body in hostile_json()] + [(CODECS[1], body) for body in hostile_msgpack()]


@pytest.mark.parametrize(("codec", "body"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_stranger_makes_up_is_refused_as_a_value(codec: Codec, body: bytes) -> None:
    for into in (Any, dict[str, int]):
        with pytest.raises(ValueError, match=r"."):
            received(codec, body, into)


PIECES = [b"\x80", b"\x90", b"\xa1a", b"\xc0", b"\xd9\x01a", b"\xcb" + bytes(8) + b"\xc0", b"\xc4\x00"]


@pytest.mark.parametrize("piece", PIECES)
def test_many_small_values_are_refused_before_they_take_memory(piece: bytes) -> None:
    number = max(2 * 1024 * 1024 // len(piece), MOST_VALUES + 1)
    body = b"\xdd" + number.to_bytes(4, "big") + piece * number
    for into in (Any, list[Any]):
        with pytest.raises(ValueError, match=f"more than {MOST_VALUES:,} values"):
            received(MessagePack(), body, into)


def test_who_would_send_them_is_told() -> None:
    with pytest.raises(ValueError, match=f"more than {MOST_VALUES:,} values"):
        sent(MessagePack(), ["many"] * (MOST_VALUES + 1))


LARGE_TEXT, LARGE_DATA = "怀ü," * 400_000, bytes(range(256)) * 10_000
EMBEDDINGS = [{"index": number, "embedding": [number / 3] * 1536} for number in range(400)]


@pytest.mark.parametrize(
    "value",
    [
        [LARGE_TEXT, LARGE_DATA, {"a" * 40: [1.5, 300, -7, None, "x" * 300, 2**40]}, datetime(2025, 1, 1, tzinfo=UTC)],
        [LARGE_TEXT, -(2**70), list(range(200_000)), dict.fromkeys(map(str, range(2000)), 0.5)],
        EMBEDDINGS,
    ],
    ids=["large", "many", "embeddings"],
)
def test_few_large_values_pass_whatever_their_bytes_look_like(value: Any) -> None:
    assert sent(MessagePack(), value) == value


@settings(max_examples=25, deadline=None)
@given(st.lists(VALUES, max_size=3))
def test_values_are_counted_to_the_last_byte(values: list[Any]) -> None:
    """What is counted wrongly would end in the middle of the large text that comes last, or beyond it."""
    codec = MessagePack()
    assert sent(codec, [values, LARGE_TEXT]) == [values, LARGE_TEXT]


@given(st.binary(max_size=60))
def test_no_bytes_do_any_harm(body: bytes) -> None:
    for codec in CODECS:
        for read in (codec.decode, lambda body, codec=codec: received(codec, body)):
            try:
                read(body)
            except ValueError:
                continue
