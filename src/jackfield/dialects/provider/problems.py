"""What is wrong with what a provider's author wrote, or what its operator configured: all of it, not only the first."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Problem(NamedTuple):
    """A `warning` keeps nothing from running. `field` is the path to it, such as `metadata.config_schema.0.type`."""

    field: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def join_problems(problems: Iterable[Problem]) -> str:
    return "; ".join(str(one) for one in problems)


class Reader:
    """Takes the fields out of one object that a stranger wrote, and notes each that is not what it should be.

    Keys are snake case; the same words in lower case without underscores are taken too, as some writers of manifests
    make them. What nobody took is told by `finish`.
    """

    def __init__(self, data: Any, path: str, problems: list[Problem]) -> None:
        self.path, self.problems = path, problems
        given: Mapping[Any, Any] = data if isinstance(data, Mapping) else {}
        if not isinstance(data, Mapping):
            self.wrong("", f"must be an object, not {kind_of(data)}")
        self._given = {str(key): value for key, value in given.items()}
        self._spelled = {_squeeze(key): key for key in self._given}
        self._taken: dict[str, str] = {}

    def wrong(self, key: str, message: str, *, warning: bool = False) -> None:
        self.problems.append(Problem(".".join(part for part in (self.path, key) if part), message, warning))

    def take(self, key: str) -> Any:
        """The value, or `None` where there is none."""
        spelled = key if key in self._given else self._spelled.get(_squeeze(key), key)
        self._taken[key] = spelled
        return self._given.get(spelled)

    def text(self, key: str, default: str = "") -> str:
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, dict | list):
            self.wrong(key, f"must be a string, not {kind_of(value)}")
            return default
        return spell(value).strip()

    def flag(self, key: str, *, default: bool | None = False) -> bool | None:
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.wrong(key, f"must be true or false, not {kind_of(value)}")
            return default
        return value

    def whole(self, key: str, default: int | None, least: int, most: int) -> int | None:
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            self.wrong(key, f"must be a whole number, not {kind_of(value)}")
            return default
        if not least <= value <= most:
            self.wrong(key, f"must be from {least:,} to {most:,}, not {value:g}")
            return default
        return int(value)

    def number(self, key: str) -> float | None:
        value = self.take(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(key, f"must be a number, not {kind_of(value)}")
            return None
        return float(value)

    def items(self, key: str) -> list[Any]:
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(key, f"must be a list, not {kind_of(value)}")
            return []
        return value

    def table(self, key: str) -> dict[str, Any]:
        value = self.take(key)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.wrong(key, f"must be an object, not {kind_of(value)}")
            return {}
        return {str(name): inner for name, inner in value.items()}

    def finish(self) -> None:
        """Warns of keys that nobody knows, with the nearest one that somebody does."""
        for key in self._given:
            if key in self._taken.values():
                continue
            near = difflib.get_close_matches(key.lower(), self._taken, n=1)
            self.wrong(key, "unknown key" + (f"; did you mean {near[0]!r}?" if near else ""), warning=True)


def _squeeze(key: str) -> str:
    return key.replace("_", "").lower()


def kind_of(value: Any) -> str:
    """What JSON calls it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list | tuple) else "an object"


def plain(value: Any) -> Any:
    """A value without what it remembers of how it was written."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return float(value) if isinstance(value, float) else value


def spell(value: Any) -> str:
    """A scalar as its author wrote it, as far as that can be told."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(getattr(value, "text", value))
