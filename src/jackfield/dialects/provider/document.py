"""The text of a manifest as plain data: YAML or JSON that strangers wrote."""

from __future__ import annotations

import json
from typing import Any

import yaml

# Composing recurses in C, without a bound of its own.
DEEPEST = 32
MOST_EVENTS = 20_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Unreadable(ValueError):
    """`line` is where, as far as that is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message, self.line = message, line


class WrittenNumber(float):
    """A number that remembers how it was written: `version: 1.10` is no 1.1."""

    text: str


class _PlainLoader(_Loader):  # type: ignore[misc]
    """Dates stay the texts that they are in JSON."""


def _construct_float(loader: Any, node: yaml.ScalarNode) -> float:
    number = WrittenNumber(loader.construct_yaml_float(node))
    number.text = str(node.value)
    return number


_PlainLoader.add_constructor("tag:yaml.org,2002:float", _construct_float)
_PlainLoader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))


def parse_json(text: str) -> Any:
    """Raises `Unreadable`."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise Unreadable(f"is not JSON: {error.msg}", error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is not JSON: {error}") from error


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no value")


def parse_yaml(text: str) -> Any:
    """Raises `Unreadable`; for tags that are no plain data, keys that stand twice, and aliases too."""
    try:
        _refuse_wild(text)
        loader = _PlainLoader(text)
        try:
            node = loader.get_single_node()
            _settle_keys(node)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = ", ".join(str(part) for part in (error.context, error.problem) if part)
        raise Unreadable(f"is not YAML: {told}", mark.line + 1 if mark is not None else None) from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"is not YAML: {error}") from error


def _refuse_wild(text: str) -> None:
    loader, depth, events = _PlainLoader(text), 0, 0
    try:
        while loader.check_event():
            event = loader.get_event()
            events += 1
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            line = event.start_mark.line + 1
            if isinstance(event, yaml.AliasEvent):
                raise Unreadable("has an alias: write out what it stands for", line)
            if depth > DEEPEST or events > MOST_EVENTS:
                raise Unreadable(f"is nested more than {DEEPEST} deep, or holds more than {MOST_EVENTS:,} values", line)
    finally:
        loader.dispose()


def _settle_keys(node: yaml.Node | None) -> None:
    """A key is a text that stands once, whatever it looks like: `ON` in an environment is no truth."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _settle_keys(item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        if name in seen:
            raise Unreadable(f"{name!r} stands there twice", key.start_mark.line + 1)
        seen.add(name)
        key.tag = "tag:yaml.org,2002:str"
        _settle_keys(value)
