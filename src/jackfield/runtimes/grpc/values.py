"""The open values of `jackfield.plugin.v1`: JSON, as `rpc.codec` writes what JSON has no word for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from jackfield.rpc.codec import decode_value, pack
from jackfield.runtimes.grpc.generated import plugin_pb2 as pb

MOST = 16 * 1024 * 1024
_encode = msgspec.json.encode


def write(value: Any) -> bytes:
    """`bytes` are JSON already. Raises `ValueError`."""
    if value is None:
        return b""
    return _bound(value) if isinstance(value, bytes) else write_plain(value)


def _bound(data: bytes) -> bytes:
    if len(data) > MOST:
        raise ValueError(f"a message of {len(data):,} bytes; at most {MOST:,} are passed on")
    return data


def write_plain(value: Any) -> bytes:
    """Also of bytes, which are a value here. Raises `ValueError`."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value, builtin_types=(bytes, datetime))
    try:
        return _bound(_encode(pack(value)))
    except (TypeError, UnicodeError, OverflowError) as error:
        raise ValueError(f"cannot be sent: {error}") from error


def read(data: bytes) -> Any:
    """Raises `ValueError`."""
    return decode_value(data) if data else None


def present(message: Any, *names: str) -> dict[str, Any]:
    """The optional fields that are set."""
    return {name: getattr(message, name) for name in names if message.HasField(name)}


def given(params: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """What there is of these, and is not `None`."""
    return {name: params[name] for name in names if params.get(name) is not None}


def fields_of(params: Any) -> Mapping[str, Any]:
    """What a struct or a mapping holds, by name."""
    if params is None:
        return {}
    if isinstance(params, msgspec.Struct):
        return {name: getattr(params, name) for name in params.__struct_fields__}
    found: Mapping[str, Any] = params
    return found


def write_headers(headers: Iterable[tuple[str, str]]) -> list[pb.Header]:
    return [pb.Header(name=name, value=value) for name, value in headers]


def read_headers(headers: Iterable[pb.Header]) -> list[list[str]]:
    return [[header.name, header.value] for header in headers]


def write_time(moment: datetime) -> float:
    return moment.timestamp()


def read_time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
