"""Values as bytes, and back. A `Codec` is one way to write them; both sides of a conversation have the same.

`Json` is what other languages read best. What JSON has no word for is an object with one key: `{"$date": …}`,
`{"$bytes": …}` (base64), `{"$bigint": …}` (decimal digits, for integers that a JavaScript number cannot hold). An
object of the user's own that looks like one, because its only key begins with `$`, is wrapped as `{"$object": …}`. The
same is in `runtimes/node/codec.mjs`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from jackfield.rpc.messages import Message

DEEPEST = 128
_DATE, _BYTES, _BIGINT, _OBJECT = "$date", "$bytes", "$bigint", "$object"
_LARGEST_NUMBER = 2**53 - 1
_MOST_DIGITS = 1000


class WrongShape(ValueError):
    """A value of another shape than was asked for."""


class Codec(Protocol):
    """Each method raises `ValueError`."""

    def pack(self, value: Any) -> Any:
        """What `encode` takes for the value. Names what cannot be sent."""

    def encode(self, message: Sequence[Any]) -> bytes:
        """A message whose value went through `pack`."""

    def decode(self, body: bytes) -> Message:
        """Leaves its value raw."""

    def unpack(self, raw: msgspec.Raw, into: Any, *, wary: bool) -> Any:
        """The value as it went in, or as the type `into`; raises `WrongShape` where it is none. Who is `wary` is
        answered nothing that `pack` would not take."""


class Json(Codec):
    def pack(self, value: Any) -> Any:
        return pack(value)

    def encode(self, message: Sequence[Any]) -> bytes:
        try:
            return _encode_message(message)
        except (TypeError, UnicodeError, OverflowError) as error:
            raise ValueError(f"cannot be sent: {error}") from error

    def decode(self, body: bytes) -> Message:
        try:
            return _decode_message(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"no message: {error}") from error

    def unpack(self, raw: msgspec.Raw, into: Any, *, wary: bool) -> Any:
        value = decode_value(bytes(raw))
        return value if into is Any else convert(value, into)


_encode_message = msgspec.json.Encoder().encode
_decode_message: Callable[[bytes], Message] = msgspec.json.Decoder(Message).decode
JSON = Json()


def convert(value: Any, into: Any) -> Any:
    """Raises `WrongShape`."""
    try:
        return msgspec.convert(value, into)
    except (msgspec.ValidationError, RecursionError) as error:
        raise WrongShape(f"{error}") from error


def decode_value(body: bytes) -> Any:
    """Raises `ValueError`, also for what is nested too deep."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error
    # Counting brackets is cheap and nearly always enough: what holds few of them is not deep.
    if b'"$' in body or body.count(b"[") + body.count(b"{") > DEEPEST:
        return unpack(value)
    return value


def pack(value: Any) -> Any:
    """The value as plain JSON. Raises `ValueError` naming what cannot be sent."""
    return _pack(value, 0)


def _pack(value: Any, depth: int) -> Any:
    if value is None or value is True or value is False:
        return value
    packer = _PACKERS.get(type(value)) or _packer_of(value)
    return packer(value, depth)


def _packer_of(value: Any) -> Callable[[Any, int], Any]:
    for kind, packer in _KINDS:
        if isinstance(value, kind):
            return packer
    raise ValueError(f"a value of type {type(value).__name__} cannot be sent")


def _same(value: Any, depth: int) -> Any:
    return value


def _pack_text(value: str, depth: int) -> str:
    return str.__str__(value)


def _pack_float(value: float, depth: int) -> float:
    return float(value)


def _pack_int(value: int, depth: int) -> Any:
    value = int(value)
    if -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER:
        return value
    if value.bit_length() > 3 * _MOST_DIGITS:
        raise ValueError("an integer that large cannot be sent")
    return {_BIGINT: str(value)}


def _pack_object(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    if depth >= DEEPEST:
        raise ValueError(f"values are nested deeper than {DEEPEST}")
    packed: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise ValueError(f"a key of type {type(key).__name__} cannot be sent")
        packed[key if type(key) is str else str.__str__(key)] = _pack(item, depth + 1)
    return {_OBJECT: packed} if _looks_tagged(packed) else packed


def _pack_array(value: Any, depth: int) -> list[Any]:
    if depth >= DEEPEST:
        raise ValueError(f"values are nested deeper than {DEEPEST}")
    return [_pack(item, depth + 1) for item in value]


def _pack_bytes(value: Any, depth: int) -> dict[str, str]:
    return {_BYTES: b64encode(value).decode()}


def _pack_date(value: datetime, depth: int) -> dict[str, str]:
    if value.utcoffset() is None:
        raise ValueError("a datetime needs a time zone to be sent")
    return {_DATE: value.isoformat()}


_KINDS: tuple[tuple[Any, Callable[[Any, int], Any]], ...] = (
    (str, _pack_text),
    (int, _pack_int),
    (float, _pack_float),
    (dict, _pack_object),
    ((list, tuple, set, frozenset), _pack_array),
    ((bytes, bytearray, memoryview), _pack_bytes),
    (datetime, _pack_date),
    (Mapping, _pack_object),
)
_PACKERS: dict[type, Callable[[Any, int], Any]] = {
    str: _same,
    float: _same,
    int: _pack_int,
    dict: _pack_object,
    list: _pack_array,
    tuple: _pack_array,
}


def unpack(value: Any) -> Any:
    """The value as it went in. Raises `ValueError` for a tag that says nothing, and for what is nested too deep."""
    return _unpack(value, 0)


def _unpack(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        # A tag and its value are one thing: they add no depth of their own.
        if _looks_tagged(value):
            return _untag(*next(iter(value.items())), depth)
        if depth >= DEEPEST:
            raise ValueError(f"values are nested deeper than {DEEPEST}")
        return {key: _unpack(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        if depth >= DEEPEST:
            raise ValueError(f"values are nested deeper than {DEEPEST}")
        return [_unpack(item, depth + 1) for item in value]
    return value


def _looks_tagged(value: dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value))[:1] == "$"


def _untag(tag: str, value: Any, depth: int) -> Any:
    if tag == _OBJECT and isinstance(value, dict):
        if depth >= DEEPEST:
            raise ValueError(f"values are nested deeper than {DEEPEST}")
        return {key: _unpack(item, depth + 1) for key, item in value.items()}
    revive = _REVIVERS.get(tag)
    if revive is None or not isinstance(value, str):
        raise ValueError(f"the tag {tag[:20]!r} says nothing")
    return revive(value)


def _revive_date(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.utcoffset() is None:
        raise ValueError("a date without a time zone")
    return moment


def _revive_bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


def _revive_integer(text: str) -> int:
    if len(text) > _MOST_DIGITS + 1:
        raise ValueError("an integer of too many digits")
    return int(text)


_REVIVERS: dict[str, Callable[[str], Any]] = {_DATE: _revive_date, _BYTES: _revive_bytes, _BIGINT: _revive_integer}
