"""Values as MessagePack, which Python reads and writes fastest: bytes and moments have words of their own, and structs
are written as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.msgpack import Decoder, Encoder, Ext

from jackfield.rpc.codec import DEEPEST, Codec, WrongShape
from jackfield.rpc.messages import Message

_BIG = 1
_MOST_BYTES = 416
# Of a message that is larger than this the values are counted before it is read.
_LARGE = 1024 * 1024
MOST_VALUES = 250_000
_FLOAT, _FLOAT_SIZE = b"\xcb", 9
# What begins with this byte or a higher one is an array or a map, whose number is that of the values which follow.
_ARRAY = 0xDC
# By first byte: how many bytes of a number follow, and how many others.
_WIDTHS = {
    0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1), 0xCA: (0, 4), 0xCB: (0, 8),
    0xCC: (0, 1), 0xCD: (0, 2), 0xCE: (0, 4), 0xCF: (0, 8), 0xD0: (0, 1), 0xD1: (0, 2), 0xD2: (0, 4), 0xD3: (0, 8),
    0xD4: (0, 2), 0xD5: (0, 3), 0xD6: (0, 5), 0xD7: (0, 9), 0xD8: (0, 17), 0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0),
    0xDC: (2, 0), 0xDD: (4, 0), 0xDE: (2, 0), 0xDF: (4, 0),
}  # fmt: skip
_SIMPLE = frozenset({str, bool, float, bytes, type(None)})
_TOO_DEEP = f"values are nested deeper than {DEEPEST}"
# All bytes but those that a map or an array begins with, which text and numbers hold too.
_NO_SHELLS = bytes(at for at in range(256) if not (0x80 <= at <= 0x9F or 0xDC <= at <= 0xDF))


class MessagePack(Codec):
    """A struct is sent as it is, at any place, and arrives as what its fields are."""

    def pack(self, value: Any) -> Any:
        if isinstance(value, Struct):
            return _pack_struct(value)
        return value if _is_plain(value, 0) else _pack(value, 0)

    def encode(self, message: Sequence[Any]) -> bytes:
        encoded = _encode(message)
        _bound_number(encoded)
        return encoded

    def decode(self, body: bytes) -> Message:
        try:
            return _decode_message(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"no message: {error}") from error

    def unpack(self, raw: Raw, into: Any, *, wary: bool) -> Any:
        if wary:
            _bound_number(raw)
        if into is Any:
            value = _decode(raw)
            if wary:
                _check(value, 0)
            return value
        try:
            return _decoder_for(into).decode(raw)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise WrongShape(f"{error}") from error


def _is_plain(value: Any, depth: int) -> bool:
    """Whether it comes out as it is."""
    kind = type(value)
    if kind in _SIMPLE:
        return True
    if kind is int:
        return bool(-(2**63) <= value < 2**64)
    if kind is datetime:
        return value.utcoffset() is not None
    if depth >= DEEPEST:
        return False
    if kind is dict:
        if not all(type(key) is str for key in value):
            return False
        return _are_plain(value.values(), depth + 1)
    return (kind is list or kind is tuple) and _are_plain(value, depth + 1)


def _are_plain(values: Any, depth: int) -> bool:
    for value in values:  # noqa: SIM110 - as a generator it costs twice as much
        if type(value) not in _SIMPLE and not _is_plain(value, depth):
            return False
    return True


def _pack(value: Any, depth: int) -> Any:
    """The value with what MessagePack has no word for replaced. Raises `ValueError`."""
    if type(value) in _SIMPLE:
        return value
    if isinstance(value, Struct):
        return _pack_struct(value)
    if isinstance(value, int):
        return _pack_integer(int(value))
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, datetime):
        return _pack_moment(value)
    return _pack_nested(value, depth)


def _pack_nested(value: Any, depth: int) -> Any:
    if not isinstance(value, Mapping | list | tuple | set | frozenset):
        raise ValueError(f"a value of type {type(value).__name__} cannot be sent")
    if depth >= DEEPEST:
        raise ValueError(_TOO_DEEP)
    if not isinstance(value, Mapping):
        return [_pack(item, depth + 1) for item in value]
    packed = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise ValueError(f"a key of type {type(key).__name__} cannot be sent")
        packed[str.__str__(key)] = _pack(item, depth + 1)
    return packed


def _pack_moment(value: datetime) -> datetime:
    if value.utcoffset() is None:
        raise ValueError("a datetime needs a time zone to be sent")
    return datetime.fromisoformat(value.isoformat())


def _pack_integer(value: int) -> Any:
    if -(2**63) <= value < 2**64:
        return value
    length = value.bit_length() // 8 + 1
    if length > _MOST_BYTES:
        raise ValueError("an integer that large cannot be sent")
    return Ext(_BIG, value.to_bytes(length, "big", signed=True))


def _pack_struct(value: Struct) -> Raw:
    """What its fields hold may come from strangers: so it is bounded as all else."""
    encoded = _encode(value)
    _bound_depth(encoded)
    return Raw(encoded)


def _encode(value: Any) -> bytes:
    try:
        return _ENCODER.encode(value)
    except (TypeError, UnicodeError, OverflowError, RecursionError) as error:
        raise ValueError(f"cannot be sent: {error}") from error


def _replace(value: Any) -> Any:
    """What stands in a struct and is of no kind that can be sent."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent")


def _bound_depth(encoded: bytes | Raw) -> None:
    """Counting is cheap and nearly always enough: what holds few shells is not deep."""
    if len(bytes(encoded).translate(None, _NO_SHELLS)) > DEEPEST:
        _check(_decode(encoded), 0)


def _bound_number(message: bytes | Raw) -> None:
    """Raises `ValueError` for more values than anybody means to send: each takes many times of its one or two bytes
    when it is read. Arrays of nothing but floats, as embeddings are, count as one."""
    if len(memoryview(message)) <= _LARGE:
        return
    encoded = bytes(message)
    at, end = 0, len(encoded)
    for _ in range(MOST_VALUES):
        if at >= end:
            return
        at = _find_next(encoded, at)
    raise ValueError(f"more than {MOST_VALUES:,} values in one message")


def _find_next(encoded: bytes, at: int) -> int:
    """Where the value that comes next begins: of a map or an array its first."""
    head = encoded[at]
    if 0xA0 <= head <= 0xBF:
        return at + 1 + (head & 0x1F)
    width, rest = _WIDTHS.get(head, (0, 0))
    first = at + 1 + width
    if not width:
        return first + rest
    number = int.from_bytes(encoded[at + 1 : first], "big")
    if head < _ARRAY:
        return first + rest + number
    last = first + _FLOAT_SIZE * number
    are_floats = last <= len(encoded) and encoded[first:last:_FLOAT_SIZE] == _FLOAT * number
    return last if are_floats else first


def _decode(encoded: bytes | Raw) -> Any:
    try:
        return _DECODER.decode(encoded)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"no MessagePack: {error}") from error


def _check(value: Any, depth: int) -> None:
    """Raises `ValueError` for what `pack` would not have let through."""
    kind = type(value)
    if kind is not dict and kind is not list:
        if kind is Ext:
            raise ValueError("a value of no kind that is known")
        return
    if depth >= DEEPEST:
        raise ValueError(_TOO_DEEP)
    items = value
    if kind is dict:
        if not all(type(key) is str for key in value):
            raise ValueError("a key that is no text")
        items = value.values()
    for item in items:
        if type(item) not in _SIMPLE:
            _check(item, depth + 1)


def _read_extension(code: int, data: memoryview) -> Any:
    if code != _BIG or not 0 < len(data) <= _MOST_BYTES:
        raise ValueError("a value of no kind that is known")
    return int.from_bytes(data, "big", signed=True)


@cache
def _decoder_for(into: Any) -> Decoder[Any]:
    return Decoder(into, ext_hook=_read_extension)


_ENCODER = Encoder(enc_hook=_replace)
_DECODER: Decoder[Any] = Decoder(ext_hook=_read_extension)
_decode_message: Callable[[bytes], Message] = Decoder(Message).decode
MSGPACK = MessagePack()
