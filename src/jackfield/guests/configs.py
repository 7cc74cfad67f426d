"""The config of a plugin whose model is somewhere else: what its JSON Schema tells of it.

The schema says early what is wrong, also while the plugin does not run. The last word has the plugin's own model, when
it is loaded: it may convert text, which comes from environment variables, and have validators of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from jackfield.errors import ManifestError
from jackfield.services.schema_size import is_bounded
from jackfield.services.schema_work import Workload

LONGEST_TOLD = 300
# What pydantic shows of its own secret types.
MASKED = "*" * 10


class GuestConfig(BaseModel):
    """`schema_` is set on a class of its own for each plugin."""

    model_config = ConfigDict(extra="allow", frozen=True)

    schema_: ClassVar[Mapping[str, Any]] = {}
    checker: ClassVar[Checker]

    @property
    def values_given(self) -> dict[str, Any]:
        """As the operator wrote them."""
        return dict(self.model_extra or {})

    @classmethod
    def model_validate(cls, obj: Any, **how: Any) -> Self:
        """Raises `ValidationError` that tells the field."""
        made = super().model_validate(obj, **how)
        problems = cls.checker.problems(made.values_given)
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems)
        return made

    def model_dump(self, **how: Any) -> dict[str, Any]:
        """With defaults, as far as the schema tells them, and what it calls a secret masked."""
        shown = {**_defaults(self.schema_), **self.values_given}
        return {name: MASKED if name in _secrets(self.schema_) and value else value for name, value in shown.items()}

    @classmethod
    def model_json_schema(cls, *given: Any, **how: Any) -> dict[str, Any]:
        return dict(cls.schema_)


class Checker:
    """Holds values against a schema. Patterns are matched in linear time, and nothing is fetched: it is a
    stranger's."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raises `ManifestError`."""
        # Imported here: who has no such plugin need not wait for it.
        import jsonschema_rs

        if not is_bounded(schema):
            raise ManifestError("refers to its parts so often that nobody could check it", field="config_schema")
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                dict(schema), pattern_options=jsonschema_rs.RegexOptions(), retriever=_fetch_nothing
            )
        except (jsonschema_rs.ValidationError, ValueError) as error:
            told = str(error).partition("\n")[0][:LONGEST_TOLD]
            raise ManifestError(f"is no JSON Schema: {told}", field="config_schema") from error
        self._workload = Workload(dict(schema))

    def problems(self, values: dict[str, Any]) -> list[InitErrorDetails]:
        if not self._workload.is_bearable(values):
            told = PydanticCustomError("config", "cannot be checked: it is too large for its schema")
            return [InitErrorDetails(type=told, loc=(), input=None)]
        return list(self._find(values))

    def _find(self, values: dict[str, Any]) -> Iterator[InitErrorDetails]:
        for error in self._validator.iter_errors(values):
            # Text may stand for a number or a switch; only the plugin's own model knows.
            if isinstance(error.instance, str) and "pattern" not in error.schema_path:
                continue
            place, told = _locate(error)
            custom = PydanticCustomError("config", "{told}", {"told": told[:LONGEST_TOLD]})
            yield InitErrorDetails(type=custom, loc=place, input=None)


def values_of(config: BaseModel) -> dict[str, Any]:
    """What the operator wrote, for the plugin's own model."""
    if isinstance(config, GuestConfig):
        return config.values_given
    return config.model_dump(mode="json", by_alias=True, exclude_unset=True)


def make_config(plugin: str, schema: Mapping[str, Any]) -> type[GuestConfig]:
    """Raises `ManifestError`."""
    fields = {"schema_": schema, "checker": Checker(schema), "__module__": __name__, "__annotations__": {}}
    return type(f"Config_{plugin}", (GuestConfig,), fields)


def _locate(error: Any) -> tuple[tuple[int | str, ...], str]:
    """Where it is, as pydantic names it: what lacks and what is unknown are places of their own."""
    place = tuple(error.instance_path)
    kind = error.kind
    name = type(kind).__name__
    if name.endswith("AdditionalProperties"):
        return (*place, *kind.unexpected[:1]), "Extra inputs are not permitted"
    if name.endswith("Required"):
        return (*place, kind.property), "Field required"
    return place, error.message


def _defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part["default"] for name, part in _properties(schema).items() if "default" in part}


def _secrets(schema: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(name for name, part in _properties(schema).items() if _is_secret(part))


def _is_secret(part: Mapping[str, Any]) -> bool:
    either = part.get("anyOf")
    inner = [one for one in either if isinstance(one, Mapping)] if isinstance(either, list) else []
    return part.get("writeOnly") is True or any(one.get("writeOnly") is True for one in inner)


def _properties(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found = schema.get("properties")
    properties = found if isinstance(found, Mapping) else {}
    return {name: part for name, part in properties.items() if isinstance(part, Mapping)}


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"a schema may not refer to {uri}")
