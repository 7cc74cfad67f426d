"""A gateway's folder as an operator would have it: a config file and plugin folders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal

from jackfield.testing.upstream import Upstream

Table = Mapping[str, Any]


def link(
    upstream: Upstream,
    provider: Literal["openai", "anthropic"] = "openai",
    *,
    name: str | None = None,
    models: Any = ("scripted",),
    **fields: Any,
) -> dict[str, Any]:
    """An `[[upstreams]]` table that leads to a scripted upstream."""
    base_url = upstream.openai_url if provider == "openai" else upstream.anthropic_url
    names = list(models) if isinstance(models, tuple) else models
    return {"name": name or provider, "provider": provider, "base_url": base_url, "models": names, **fields}


def write_setup(folder: Path, sections: Mapping[str, Any], plugins: Mapping[str, str]) -> Path:
    """Writes `jackfield.toml` and a folder with this `plugin.py` for each plugin; returns the config file."""
    for name, source in plugins.items():
        place = folder / "plugins" / name
        place.mkdir(parents=True)
        place.joinpath("plugin.py").write_text(dedent(source), encoding="utf-8")
    file = folder / "jackfield.toml"
    file.write_text(write_toml(sections), encoding="utf-8")
    return file


def write_toml(sections: Mapping[str, Any]) -> str:
    """Sections as tables or arrays of tables, everything deeper inline."""
    return "\n".join(_lines(sections)) + "\n"


def _lines(sections: Mapping[str, Any]) -> Iterator[str]:
    for name, section in sections.items():
        tables = [section] if isinstance(section, Mapping) else section
        for table in tables:
            yield f"[{name}]" if isinstance(section, Mapping) else f"[[{name}]]"
            yield from (f"{_key(key)} = {_inline(value)}" for key, value in table.items() if value is not None)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(inner) for inner in value) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value)


def _key(name: str) -> str:
    return json.dumps(name)
