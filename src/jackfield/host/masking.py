"""A plugin's config as it may be shown: its secrets are masked."""

from __future__ import annotations

from typing import Any, Final

from jackfield.host.plugin import LoadedPlugin
from jackfield.settings import conceal
from jackfield.settings.secret import MASK

# Ours, and that of pydantic's own secret types.
MASKS = (MASK, "*" * 10)
ABSENT: Final = object()


def masked_config(plugin: LoadedPlugin) -> dict[str, Any]:
    """What is in effect. Where neither the plugin runs nor its form is known nobody can tell which of its texts are
    secrets: all are masked."""
    known = plugin.running or plugin.ui_schema is not None
    shown: dict[str, Any] = conceal(plugin.config if known else without_texts(plugin.config))
    return shown


def masked_overlay(plugin: LoadedPlugin) -> dict[str, Any]:
    """What the operator has set through the API. A secret that only its type tells is masked as it is in the whole
    config."""
    whole = masked_config(plugin)
    return {key: _mask_as(value, whole.get(key, ABSENT)) for key, value in conceal(dict(plugin.overlay)).items()}


def without_texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_texts(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [without_texts(inner) for inner in value]
    return MASK if isinstance(value, str) else value


def is_masked(value: Any) -> bool:
    """Whether it is one, or a URL with its password masked."""
    return isinstance(value, str) and (value in MASKS or f":{MASK}@" in value)


def holds_mask(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(holds_mask, value.values()))
    if isinstance(value, list):
        return any(map(holds_mask, value))
    return is_masked(value)


def _mask_as(value: Any, shown: Any) -> Any:
    if isinstance(value, dict) and isinstance(shown, dict):
        return {key: _mask_as(inner, shown.get(key, ABSENT)) for key, inner in value.items()}
    if isinstance(value, list) and isinstance(shown, list) and len(value) == len(shown):
        return [_mask_as(inner, beside) for inner, beside in zip(value, shown, strict=True)]
    return shown if is_masked(shown) else value
