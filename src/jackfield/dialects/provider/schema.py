"""`config_schema` of a provider: what its config may be, and what is wrong with one."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from jackfield.dialects.provider.problems import Problem, Reader, kind_of, plain

TYPES = ("string", "int", "bool", "float")
LONGEST_PATTERN = 1_000
MOST_FIELDS = 200
# What `[plugins.config.<id>]` means for every plugin, and so never reaches one.
RESERVED = frozenset(("enabled", "priority", "timeout_ms", "on_failure", "runtime", "approve"))

_OTHER_NAMES = {"str": "string", "integer": "int", "boolean": "bool", "number": "float", "double": "float"}
_JSON_TYPES = {"string": "string", "int": "integer", "bool": "boolean", "float": "number"}
_WANTED = {"string": "a string", "int": "a whole number", "bool": "true or false", "float": "a number"}


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Lengths are in characters; bounds belong to the range; `pattern` may match anywhere unless it is anchored."""

    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    min: float | None = None
    max: float | None = None
    enum: tuple[Any, ...] = ()


NO_RULE = Rule()


class ConfigField(msgspec.Struct, frozen=True, kw_only=True):
    """One setting of a provider. `default` is `None` where there is none."""

    name: str
    type: str = "string"
    required: bool = False
    description: str = ""
    default: Any = None
    sensitive: bool = False
    rule: Rule = NO_RULE


Schema = tuple[ConfigField, ...]


def read_schema(items: Sequence[Any], path: str, problems: list[Problem]) -> Schema:
    """What can be understood of it; all else becomes a problem."""
    if len(items) > MOST_FIELDS:
        problems.append(Problem(path, f"has more than {MOST_FIELDS} fields"))
    fields: dict[str, ConfigField] = {}
    for index, item in enumerate(items[:MOST_FIELDS]):
        place = f"{path}.{index}"
        field = _read_field(item, place, problems)
        if field is None:
            continue
        if field.name in fields:
            problems.append(Problem(f"{place}.name", f"{field.name!r} is there twice"))
        fields.setdefault(field.name, field)
    return tuple(fields.values())


def _read_field(item: Any, path: str, problems: list[Problem]) -> ConfigField | None:
    reader = Reader(item, path, problems)
    name = reader.text("name")
    field = ConfigField(
        name=name,
        type=_read_type(reader),
        required=bool(reader.flag("required")),
        description=reader.text("description"),
        default=plain(reader.take("default")),
        sensitive=bool(reader.flag("sensitive")),
        rule=_read_rule(reader.take("validation"), f"{path}.validation", problems),
    )
    reader.finish()
    if not isinstance(item, Mapping):
        return None
    if not name:
        reader.wrong("name", "is required")
        return None
    if name in RESERVED:
        reader.wrong("name", f"{name!r} is a key of the gateway's own: it never reaches the plugin", warning=True)
    if field.default is not None:
        for message in _violations(field.default, field):
            reader.wrong("default", message, warning=True)
    return field


def _read_type(reader: Reader) -> str:
    stated = reader.text("type", "string").lower()
    known = _OTHER_NAMES.get(stated, stated)
    if known not in TYPES:
        reader.wrong("type", f"{stated!r} is none of {', '.join(TYPES)}: its values are not checked", warning=True)
    return known


def _read_rule(given: Any, path: str, problems: list[Problem]) -> Rule:
    if given is None:
        return NO_RULE
    reader = Reader(given, path, problems)
    rule = Rule(
        # Nought means that there is none, as it does where such a field is left out.
        min_length=reader.whole("min_length", None, 0, 10**9) or None,
        max_length=reader.whole("max_length", None, 0, 10**9) or None,
        pattern=_read_pattern(reader),
        min=reader.number("min"),
        max=reader.number("max"),
        enum=tuple(plain(reader.items("enum"))),
    )
    reader.finish()
    return rule


def _read_pattern(reader: Reader) -> str | None:
    pattern = reader.text("pattern")
    if not pattern:
        return None
    try:
        if len(pattern) > LONGEST_PATTERN:
            raise re.error(f"longer than {LONGEST_PATTERN} characters")
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        reader.wrong("pattern", f"is no regular expression: {error}")
        return None
    return pattern


def check_config(config: Mapping[str, Any], schema: Schema) -> tuple[dict[str, Any], list[Problem]]:
    """The config with defaults filled in, and all that is wrong with it. A key that the schema does not have is passed
    on, and warned of. No message holds a sensitive value."""
    values, problems = dict(config), list(_strange_keys(config, schema))
    for field in schema:
        if field.name not in values:
            if field.default is not None:
                values[field.name] = field.default
            elif field.required:
                problems.append(Problem(field.name, "is required"))
                continue
            else:
                continue
        problems += [Problem(field.name, message) for message in _violations(values[field.name], field)]
        if field.type == "int" and isinstance(values[field.name], float) and _is_whole(values[field.name]):
            values[field.name] = int(values[field.name])
    return values, problems


def _strange_keys(config: Mapping[str, Any], schema: Schema) -> Iterator[Problem]:
    known = [field.name for field in schema]
    for key in config:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield Problem(key, f"is not in the plugin's config_schema{hint}", warning=True)


def _violations(value: Any, field: ConfigField) -> Iterator[str]:
    if field.type in TYPES and not _is_of(value, field.type):
        yield f"must be {_WANTED[field.type]}, not {_shown(value, field)}"
        return
    rule = field.rule
    if rule.enum and not any(_same(value, allowed) for allowed in rule.enum):
        yield f"must be one of {', '.join(map(str, rule.enum))}, not {_shown(value, field)}"
    if isinstance(value, str):
        yield from _text_violations(value, rule)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if rule.min is not None and value < rule.min:
            yield f"must be at least {rule.min:g}, not {_shown(value, field)}"
        if rule.max is not None and value > rule.max:
            yield f"must be at most {rule.max:g}, not {_shown(value, field)}"


def _text_violations(value: str, rule: Rule) -> Iterator[str]:
    if rule.min_length is not None and len(value) < rule.min_length:
        yield f"must have at least {rule.min_length} characters, not {len(value)}"
    if rule.max_length is not None and len(value) > rule.max_length:
        yield f"must have at most {rule.max_length} characters, not {len(value)}"
    if rule.pattern is not None and re.search(rule.pattern, value) is None:
        yield f"must match {rule.pattern}"


def _is_of(value: Any, type_: str) -> bool:
    if type_ == "string":
        return isinstance(value, str)
    if type_ == "bool":
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return type_ == "float" or isinstance(value, int) or _is_whole(value)


def _is_whole(value: float) -> bool:
    return math.isfinite(value) and value == math.floor(value)


def _same(value: Any, allowed: Any) -> bool:
    """By value: 1 is 1.0, and true is neither."""
    return isinstance(value, bool) is isinstance(allowed, bool) and bool(value == allowed)


def _shown(value: Any, field: ConfigField) -> str:
    if field.sensitive or value is None or isinstance(value, dict | list):
        return kind_of(value)
    return f"{value!r:.100}"


def form_of(schema: Schema) -> dict[str, Any]:
    """The schema as JSON Schema, which forms are made of."""
    return {
        "type": "object",
        "properties": {field.name: _describe(field) for field in schema},
        "required": [field.name for field in schema if field.required and field.default is None],
        "additionalProperties": True,
    }


def _describe(field: ConfigField) -> dict[str, Any]:
    rule = field.rule
    told = {
        "type": _JSON_TYPES.get(field.type),
        "description": field.description or None,
        "default": field.default,
        "minLength": rule.min_length,
        "maxLength": rule.max_length,
        "pattern": rule.pattern,
        "minimum": rule.min,
        "maximum": rule.max,
        "enum": list(rule.enum) or None,
        "writeOnly": True if field.sensitive else None,
        "format": "password" if field.sensitive else None,
    }
    return {key: value for key, value in told.items() if value is not None}
