"""What a provider class says of itself, in the words of hosts."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from pydantic import BaseModel

from jackfield.sdk.plugin import Plugin, config_model, id_of
from jackfield.settings.secret import sounds_secret

API_VERSION = "1.0.0"
# What authors may say of a class besides `id`, `version` and `description`.
_WORDS = ("author", "homepage", "license")
_TYPES = {"string": "string", "integer": "int", "number": "float", "boolean": "bool"}
_RULES = {
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
    "minimum": "min",
    "maximum": "max",
    "enum": "enum",
}
_FIRST_PORT, _PORTS = 20_000, 10_000


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model of a provider. `cost_per_mtoken` is in USD for a million tokens, read and written alike; with it
    completions tell what they cost. `capabilities` are the provider's own where none are given."""

    id: str
    name: str = ""
    description: str = ""
    context_window: int | None = None
    max_output_tokens: int | None = None
    cost_per_mtoken: float | None = None
    deprecated: bool = False
    capabilities: Mapping[str, bool] = {}
    metadata: Mapping[str, Any] = {}


def describe(kind: type[Plugin[Any]]) -> dict[str, Any]:
    """The answer of `/metadata`, and the `metadata` of a manifest."""
    name = id_of(kind)
    told = {word: str(getattr(kind, word)) for word in _WORDS if getattr(kind, word, "")}
    return {
        "name": str(getattr(kind, "title", "") or name.replace("_", " ").replace("-", " ").title()),
        "version": kind.version,
        "plugin_api_version": API_VERSION,
        "provider_type": name,
        "description": kind.description or (inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]),
        **told,
        "capabilities": capabilities_of(kind),
        "config_schema": list(_settings(config_model(kind))),
    }


def capabilities_of(kind: type[Plugin[Any]]) -> dict[str, bool]:
    """What its methods tell; `capabilities` of the class adds to that and corrects it."""
    found = {
        "streaming": hasattr(kind, "stream"),
        "function_calling": False,
        "vision": False,
        "embeddings": hasattr(kind, "embed"),
        "fine_tuning": False,
    }
    return found | dict(getattr(kind, "capabilities", {}))


def read_models(given: Iterable[str | Model]) -> tuple[Model, ...]:
    return tuple(Model(id=each) if isinstance(each, str) else each for each in given)


def show_models(models: Iterable[Model], capabilities: Mapping[str, bool]) -> list[dict[str, Any]]:
    return [
        msgspec.to_builtins(model)
        | {"name": model.name or model.id, "capabilities": dict(model.capabilities or capabilities)}
        for model in models
    ]


def port_of(name: str) -> int:
    """Made from the name, so that two providers seldom want the same one."""
    return _FIRST_PORT + zlib.crc32(name.encode()) % _PORTS


def _settings(model: type[BaseModel]) -> Iterator[dict[str, Any]]:
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    for name, written in schema.get("properties", {}).items():
        yield _setting(name, _resolve(written, definitions), name in schema.get("required", ()))


def _resolve(written: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The first of several forms that is more than null, and what a reference leads to."""
    forms = [form for form in written.get("anyOf", ()) if form.get("type") != "null"]
    found = {key: value for key, value in written.items() if key != "anyOf"} | (forms[0] if forms else {})
    if "$ref" in found:
        found = definitions[found["$ref"].rpartition("/")[2]] | found
    return found


def _setting(name: str, form: Mapping[str, Any], required: bool) -> dict[str, Any]:
    kind = str(form.get("type", "string"))
    setting = {
        "name": name,
        "type": _TYPES.get(kind, kind),
        "required": required,
        "description": str(form.get("description", "")),
        "sensitive": _is_sensitive(name, form),
    }
    if form.get("default") is not None:
        setting["default"] = form["default"]
    rules = {ours: form[theirs] for theirs, ours in _RULES.items() if theirs in form}
    if "const" in form:
        rules["enum"] = [form["const"]]
    return setting | ({"validation": rules} if rules else {})


def _is_sensitive(name: str, form: Mapping[str, Any]) -> bool:
    told = form.get("sensitive")
    return bool(told if told is not None else form.get("writeOnly") or sounds_secret(name))
