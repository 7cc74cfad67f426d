"""A provider's config: checked against the schema in its manifest, `${NAME}` filled in, secrets never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from jackfield.dialects.provider.problems import Problem, join_problems
from jackfield.dialects.provider.schema import ConfigField, Schema, check_config
from jackfield.telemetry.masking import MASK

# The gateway's own variables hold its own secrets.
OWN_PREFIX = "JACKFIELD_"

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class ProviderConfig(BaseModel):
    """Any keys: what the schema does not know is passed on. `fields` is set on a class of its own for each plugin."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    fields: ClassVar[Schema] = ()
    environ: ClassVar[Mapping[str, str]] = os.environ

    _values: dict[str, Any] = PrivateAttr(default_factory=dict)
    _warnings: tuple[Problem, ...] = PrivateAttr(())

    @model_validator(mode="after")
    def _check(self) -> ProviderConfig:
        given, problems = expand(self.model_extra or {}, self.fields, self.environ)
        values, found = check_config(given, self.fields)
        problems += found
        if errors := [one for one in problems if not one.warning]:
            raise PydanticCustomError("provider_config", "config_invalid: {told}", {"told": join_problems(errors)})
        self._values, self._warnings = values, tuple(one for one in problems if one.warning)
        return self

    @model_serializer(mode="plain")
    def _show(self) -> dict[str, Any]:
        """As it was written, with defaults; what is sensitive is masked."""
        hidden = {field.name for field in self.fields if field.sensitive}
        written = {**self._values, **(self.model_extra or {})}
        return {name: MASK if name in hidden and value is not None else value for name, value in written.items()}

    @property
    def values(self) -> dict[str, Any]:
        """What the plugin gets."""
        return dict(self._values)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return self._warnings

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that nobody else may see."""
        hidden = [field.name for field in self.fields if field.sensitive]
        return tuple(value for name in hidden if isinstance(value := self._values.get(name), str) and value)


def config_for(schema: Schema, environ: Mapping[str, str] | None = None) -> type[ProviderConfig]:
    body = {"fields": schema, "environ": os.environ if environ is None else environ, "__module__": __name__}
    return type("ProviderConfig", (ProviderConfig,), body)


def expand(
    config: Mapping[str, Any], schema: Schema, environ: Mapping[str, str]
) -> tuple[dict[str, Any], list[Problem]]:
    """With `${NAME}` in texts filled in; one that was nothing else becomes what the schema wants there."""
    known = {field.name: field for field in schema}
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for name, value in config.items():
        filled = _fill(value, name, environ, problems)
        values[name] = _convert(filled, known.get(name)) if filled != value else value
    return values, problems


def _fill(value: Any, path: str, environ: Mapping[str, str], problems: list[Problem]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(inner, f"{path}.{key}", environ, problems) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_fill(inner, f"{path}.{index}", environ, problems) for index, inner in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value

    def find(match: re.Match[str]) -> str:
        name = match[1]
        if name.startswith(OWN_PREFIX):
            problems.append(Problem(path, f"{name} is the gateway's own, and for no plugin"))
        elif name not in environ:
            problems.append(Problem(path, f"the environment variable {name} is not set"))
        else:
            return environ[name]
        return match[0]

    return _VARIABLE.sub(find, value)


def _convert(value: Any, field: ConfigField | None) -> Any:
    """An environment holds only texts."""
    if field is None or not isinstance(value, str):
        return value
    try:
        if field.type == "int":
            return int(value)
        if field.type == "float":
            return float(value)
    except ValueError:
        return value
    if field.type == "bool" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value
