"""The form of a ring plugin's config: its `ui_schema` as a model that checks what an operator enters."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, NotRequired

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError
from typing_extensions import TypedDict

from jackfield.dialects.rings.problems import EntryProblem, name_closest

Values = Mapping[str, Any]
Number = int | float


class Item(BaseModel):
    """One field of a form. `string` is another word for `text`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: Annotated[str, Field(min_length=1)]
    type: Literal["text", "number", "boolean", "select", "textarea", "array", "string"]
    label: str | None = None
    description: str | None = None
    default: Any = None
    min: Number | None = None
    max: Number | None = None
    step: Number | None = None
    options: list[Any] | None = None
    placeholder: str | None = None


def check_items(items: Sequence[Item], config: Values) -> None:
    """Whether the form holds together, and the manifest's own values fit it. Raises `EntryProblem`."""
    seen: set[str] = set()
    for index, item in enumerate(items):
        place = ("ui_schema", index)
        if item.key in seen:
            raise EntryProblem(f"there is a field {item.key!r} already", (*place, "key"))
        seen.add(item.key)
        if item.type == "select" and not item.options:
            raise EntryProblem("a select has options", (*place, "options"))
        if item.min is not None and item.max is not None and item.min > item.max:
            raise EntryProblem(f"is greater than max, {item.max:g}", (*place, "min"))
        _check_own(item, item.default, (*place, "default"))
        _check_own(item, config.get(item.key), ("config", item.key))


def _check_own(item: Item, value: Any, path: tuple[str | int, ...]) -> None:
    try:
        if value is not None:
            check_value(item, value)
    except ValueError as error:
        raise EntryProblem(str(error), path) from error


def check_value(item: Item, value: Any) -> None:
    """Raises `ValueError` with what was expected."""
    _CHECKS[item.type](item, value)


def _check_text(item: Item, value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError(f"expected a text, not {_shown(value)}")


def _check_number(item: Item, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected a number, not {_shown(value)}")
    if item.min is not None and value < item.min:
        raise ValueError(f"must be at least {item.min:g}, not {_shown(value)}")
    if item.max is not None and value > item.max:
        raise ValueError(f"must be at most {item.max:g}, not {_shown(value)}")


def _check_boolean(item: Item, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, not {_shown(value)}")


def _check_select(item: Item, value: Any) -> None:
    choices = _choices(item)
    if not any(type(choice) is type(value) and choice == value for choice in choices):
        raise ValueError(f"must be one of {', '.join(map(_shown, choices))}, not {_shown(value)}")


def _check_array(item: Item, value: Any) -> None:
    if not isinstance(value, list):
        raise ValueError(f"expected a list, not {_shown(value)}")
    for number, element in enumerate(value, 1):
        if not isinstance(element, str | int | float) or isinstance(element, bool):
            raise ValueError(f"expected texts or numbers: entry {number} is {_shown(element)}")
        if item.options:
            _check_select(item, element)


_CHECKS: Mapping[str, Callable[[Item, Any], None]] = {
    "text": _check_text,
    "string": _check_text,
    "textarea": _check_text,
    "number": _check_number,
    "boolean": _check_boolean,
    "select": _check_select,
    "array": _check_array,
}


def _choices(item: Item) -> list[Any]:
    """An option is a value, or a mapping with `value` and a label."""
    return [option.get("value") if isinstance(option, dict) else option for option in item.options or ()]


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:60]}…"


def merge_defaults(items: Sequence[Item], config: Values) -> dict[str, Any]:
    """What a plugin gets where the operator says nothing. What neither the form nor the manifest gives a value is
    absent, so that the plugin's own default counts."""
    stated = {item.key: item.default for item in items if "default" in item.model_fields_set}
    return copy.deepcopy({**stated, **config})


class RingConfig(RootModel[Any]):
    """The parent of all forms. `known` are the keys that may be set; none are where any may be."""

    known: ClassVar[frozenset[str]]
    defaults: ClassVar[Values]

    @model_validator(mode="before")
    @classmethod
    def merge(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        if cls.known:
            _refuse_unknown(given, cls.known)
        return {**copy.deepcopy(dict(cls.defaults)), **given}


def build_model(name: str, items: Sequence[Item], config: Values) -> type[BaseModel]:
    """A model whose dump is the plain dict that the plugin gets. A plugin that declares neither form nor config takes
    any key."""
    defaults = merge_defaults(items, config)
    fields: dict[str, Any] = {item.key: NotRequired[_checked(item, defaults.get(item.key))] for item in items}
    make_shape: Any = TypedDict
    shape = make_shape(f"{name}_config", fields)
    shape.__pydantic_config__ = ConfigDict(extra="allow")
    model: type[RingConfig] = create_model(f"{name}_form", __base__=RingConfig, root=(shape, ...))
    model.known, model.defaults = frozenset({item.key for item in items} | set(config)), defaults
    return model


def _checked(item: Item, default: Any) -> Any:
    def check(value: Any) -> Any:
        try:
            if value is not None or default is not None:
                check_value(item, value)
        except ValueError as error:
            raise PydanticCustomError("wrong_value", "{reason}", {"reason": str(error)}) from error
        return value

    return Annotated[Any, AfterValidator(check), WithJsonSchema(_json_schema(item))]


def _refuse_unknown(given: Values, known: frozenset[str]) -> None:
    wrong = [
        InitErrorDetails(
            type=PydanticCustomError("unknown_key", "unknown key{near}", {"near": name_closest(key, known)}),
            loc=(key,),
            input=given[key],
        )
        for key in given
        if key not in known
    ]
    if wrong:
        raise ValidationError.from_exception_data("config", wrong)


_JSON_TYPES = {"number": "number", "boolean": "boolean", "array": "array", "select": None}


def _json_schema(item: Item) -> dict[str, Any]:
    stated = {
        "type": _JSON_TYPES.get(item.type, "string"),
        "title": item.label,
        "description": item.description,
        "default": item.default,
        "minimum": item.min,
        "maximum": item.max,
        "enum": _choices(item) if item.type == "select" else None,
    }
    return {key: value for key, value in stated.items() if value is not None}
