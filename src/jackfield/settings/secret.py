"""Values that must never be shown."""

from __future__ import annotations

import re
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

MASK = "***"

_SECRET_WORDS = re.compile(
    r"^(?!.*_(env|file)$).*(authorization|cookie|passw|secret|credential|private|token$|(^|[-_])key$|api[-_]?key)",
    re.IGNORECASE,
)
# Whole words of a name, in whatever way they are joined. Tokens that are counted are no secret.
_SECRET_WHOLE_WORDS = frozenset(("pass", "passphrase", "tokens", "keys", "auth", "bearer"))
_COUNTING_WORDS = frozenset(
    ("max", "min", "input", "output", "prompt", "completion", "reasoning", "cached", "total", "count", "limit", "per")
)
_NO_SECRET = re.compile(r"_(env|file)$", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/\s]*(?=@)")


class Secret:
    """A text whose `str`, `repr` and JSON are masked; only `reveal()` reads it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.union_schema(
            [
                core_schema.is_instance_schema(cls),
                core_schema.no_info_after_validator_function(cls, core_schema.str_schema(min_length=1)),
            ],
            mode="left_to_right",
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )


class SecretUrl(Secret):
    """A URL that may carry a password: shown whole but for that."""

    __slots__ = ()

    def __str__(self) -> str:
        return mask_passwords(self._value)


def sounds_secret(name: str) -> bool:
    """Whether a key or header of this name is taken to hold a secret wherever settings are shown."""
    return _SECRET_WORDS.search(name) is not None or _has_secret_word(name)


def _has_secret_word(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    told = _SECRET_WHOLE_WORDS.intersection(words)
    if not _COUNTING_WORDS.isdisjoint(words):
        told -= {"tokens"}
    return bool(told or "connection string" in " ".join(words)) and _NO_SECRET.search(name) is None


def mask_passwords(text: str) -> str:
    """The text with the passwords of the URLs in it masked."""
    return _PASSWORD.sub(rf"\1:{MASK}", text) if "://" in text else text


def _names_secret(name: Any) -> bool:
    """Whether this is the first of a header's name and value."""
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    return isinstance(text, str) and _SECRET_WORDS.search(text) is not None


def conceal(value: Any, name: str = "") -> Any:
    """A JSON value with secrets masked, at any depth, by type, by the name of the key that holds them, and in URLs."""
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, dict):
        return {key: conceal(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        if len(value) == 2 and _names_secret(value[0]):
            return [value[0], MASK]
        return [conceal(inner, name) for inner in value]
    if isinstance(value, str | bytes) and sounds_secret(name):
        return MASK
    return mask_passwords(value) if isinstance(value, str) else value
