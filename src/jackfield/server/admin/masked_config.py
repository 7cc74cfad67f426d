"""A plugin's config as it is shown, and read back: secrets are masked, and a mask that comes back means "unchanged"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield.errors import Unprocessable
from jackfield.host.masking import ABSENT, MASKS, holds_mask, is_masked, masked_config
from jackfield.host.plugin import LoadedPlugin
from jackfield.settings import conceal, sounds_secret

# In a schema: what holds fields by name, and what holds values of the field.
_FIELDS = ("properties", "$defs")
_VALUES = ("default", "examples")


def masked_form(plugin: LoadedPlugin) -> Any:
    """Its form, in either shape that a form has; fields that hold a secret show neither default nor examples."""
    return _mask_form(plugin.ui_schema)


def _mask_form(form: Any, name: str = "") -> Any:
    """`name` is that of the field whose schema this is."""
    if isinstance(form, list | tuple):
        return [_mask_form(inner, name) for inner in form]
    if not isinstance(form, Mapping):
        return form
    named = str(form["key"]) if "key" in form else name
    secret = "password" if form.get("format") == "password" or form.get("writeOnly") is True else named
    return {key: _mask_part(key, inner, secret) for key, inner in form.items()}


def _mask_part(key: str, part: Any, name: str) -> Any:
    """`name` is that of the field."""
    if key in _FIELDS and isinstance(part, Mapping):
        return {field: _mask_form(schema, str(field)) for field, schema in part.items()}
    return conceal(part, name) if key in _VALUES else _mask_form(part, name)


def unmask(sent: Mapping[str, Any], plugin: LoadedPlugin) -> dict[str, Any]:
    """`sent` with the values that its masks stand for. One that the operator has not set through the API is left out,
    so that it stays where it was set. Raises `Unprocessable` for a mask that stands for nothing."""
    whole, known, overlay = masked_config(plugin), plugin.settings.model_dump(), plugin.overlay
    meant: dict[str, Any] = {}
    for key, value in sent.items():
        if key not in overlay and holds_mask(value) and value == whole.get(key, ABSENT):
            continue
        filled = _fill(value, whole.get(key, ABSENT), known.get(key, ABSENT), key)
        if filled is not ABSENT:
            meant[key] = filled
    return meant


def _fill(sent: Any, shown: Any, known: Any, path: str) -> Any:
    if isinstance(sent, dict):
        return _fill_table(sent, shown, known, path)
    if isinstance(sent, list):
        return _fill_list(sent, shown, known, path)
    if sent == shown and is_masked(shown):
        return known
    if is_masked(sent) and (is_masked(shown) or (sent in MASKS and _is_secret(path))):
        raise _unknown_mask(path)
    return sent


def _fill_table(sent: dict[str, Any], shown: Any, known: Any, path: str) -> dict[str, Any]:
    shown, known = (value if isinstance(value, dict) else {} for value in (shown, known))
    filled = {
        key: _fill(value, shown.get(key, ABSENT), known.get(key, ABSENT), f"{path}.{key}")
        for key, value in sent.items()
    }
    return {key: value for key, value in filled.items() if value is not ABSENT}


def _fill_list(sent: list[Any], shown: Any, known: Any, path: str) -> list[Any]:
    """An item with a mask must be, mask included, one that is shown: by its place alone a secret could end up beside
    what it does not belong to."""
    pairs = list(zip(shown, known, strict=False)) if isinstance(shown, list) and isinstance(known, list | tuple) else []
    filled = []
    for index, item in enumerate(sent):
        found = next((number for number, (beside, _) in enumerate(pairs) if beside == item), None)
        if not holds_mask(item):
            filled.append(item)
        elif found is not None:
            filled.append(pairs.pop(found)[1])
        elif holds_mask(shown):
            raise _unknown_mask(f"{path}.{index}")
        else:
            filled.append(_fill(item, ABSENT, ABSENT, f"{path}.{index}"))
    return filled


def _is_secret(path: str) -> bool:
    """By the last name on the way to it, over places in lists."""
    return sounds_secret(next((part for part in reversed(path.split(".")) if not part.isdigit()), ""))


def _unknown_mask(path: str) -> Unprocessable:
    return Unprocessable(f"{path}: holds a mask that stands for no value here; send the value itself", param=path)
