"""The config that a provider is initialized with where nobody gives one, and wrong ones that it should refuse."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from jackfield.dialects.provider.schema import ConfigField, Schema
from jackfield.settings.secret import sounds_secret

LONGEST_SAMPLE = 10_000

_SAMPLES: Mapping[str, Any] = {"int": 1, "float": 1.0, "bool": True}
_NUMBERS = ("int", "float")


def make_config(schema: Schema, given: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What is given, and for what is required besides and has no default something that fits; with the names of
    those."""
    lacking = [field for field in schema if field.required and field.default is None and field.name not in given]
    invented = {field.name: _invent(field) for field in lacking}
    return {**given, **invented}, tuple(invented)


def _invent(field: ConfigField) -> Any:
    rule = field.rule
    if rule.enum:
        return rule.enum[0]
    sample = _SAMPLES.get(field.type, "check")
    if isinstance(sample, str):
        return sample.ljust(min(rule.min_length or 0, LONGEST_SAMPLE), "-")[: rule.max_length]
    if field.type not in _NUMBERS:
        return sample
    number = rule.min if rule.min is not None else min(sample, sample if rule.max is None else rule.max)
    return math.ceil(number) if field.type == "int" else number


def secrets_in(schema: Schema, config: Mapping[str, Any]) -> list[object]:
    sensitive = {field.name for field in schema if field.sensitive}
    return [value for name, value in config.items() if name in sensitive or sounds_secret(name)]


def wrong_configs(schema: Schema, config: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """At most one for each kind of mistake, with what is wrong about it."""
    for field in (field for field in schema if field.required and field.default is None):
        yield f"{field.name} is required", {name: value for name, value in config.items() if name != field.name}
        break
    for field in (field for field in schema if field.type in _NUMBERS):
        yield f"{field.name} is no number", {**config, field.name: "not a number"}
        break
    for field in (field for field in schema if field.rule.max is not None):
        yield f"{field.name} is above its max", {**config, field.name: (field.rule.max or 0) + 1}
        break
