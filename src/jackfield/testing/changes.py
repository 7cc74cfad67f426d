"""What differs between two values, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

LONGEST = 120
ABSENT = object()


@dataclass(frozen=True)
class Change:
    """What a hook was given and what it put in its place."""

    before: Any
    after: Any

    def lines(self) -> list[str]:
        """Such as `messages[0].parts[0].text: 'hello' -> 'HELLO'`; `-` and `+` for what is gone and what is new."""
        return list(_differ("", plain(self.before), plain(self.after)))


def plain(value: Any) -> Any:
    """As JSON has it; bytes that are JSON are decoded, other bytes are text."""
    if isinstance(value, bytes | msgspec.Raw):
        return _read(bytes(value))
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): plain(inner) for key, inner in value.items()}
    if _are_headers(value):
        return {name.decode("latin-1"): text.decode("latin-1") for name, text in value}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    return value


def _read(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError):
        return data.decode("utf-8", "replace")


def _are_headers(value: Any) -> bool:
    pairs = isinstance(value, tuple) and bool(value)
    return pairs and all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], bytes) for pair in value)


def _differ(path: str, before: Any, after: Any) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            inner = f"{path}.{key}" if path else key
            yield from _differ(inner, before.get(key, ABSENT), after.get(key, ABSENT))
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            pair = [side[index] if index < len(side) else ABSENT for side in (before, after)]
            yield from _differ(f"{path}[{index}]", *pair)
    else:
        yield _tell(path, before, after)


def _tell(path: str, before: Any, after: Any) -> str:
    if before is ABSENT:
        return f"+ {path}: {shorten(after)}"
    if after is ABSENT:
        return f"- {path}: {shorten(before)}"
    return f"{path}: {shorten(before)} -> {shorten(after)}" if path else f"{shorten(before)} -> {shorten(after)}"


def shorten(value: Any) -> str:
    told = repr(value)
    return told if len(told) <= LONGEST else told[: LONGEST - 1] + "…"
