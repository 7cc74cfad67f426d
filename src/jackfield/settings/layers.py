"""Defaults < file < environment < command line: the layers merged, with the source of every value kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from jackfield.settings.lines import Path as FieldPath
from jackfield.settings.public_key import PREFIX

_PATHS = (("store", "data_dir"), ("plugins", "dirs"), ("usage", "prices"))
_SECRET_PATHS = ("file",)
_CATALOGUE_PATHS = ("path", "key")
_UPSTREAM_PATHS = ("api_key_file", "tls_ca_file")


class Source(msgspec.Struct, frozen=True):
    """Where a value was given; `folder` is what its relative paths start from."""

    text: str
    folder: Path
    file: str | None = None
    line: int | None = None


class Layers:
    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self._sources: dict[FieldPath, Source] = {}

    def add_file(self, data: dict[str, Any], lines: Mapping[FieldPath, int], file: Path) -> None:
        self.data = data
        for path in nodes(data):
            line = _nearest_line(lines, path)
            where = f"{file}:{line}" if line else str(file)
            self._sources[path] = Source(where, file.parent.absolute(), str(file), line)

    def add(self, path: FieldPath, value: Any, source: Source) -> None:
        """A table is merged key by key; anything else takes the place of what was there."""
        if isinstance(value, Mapping) and value:
            for key, inner in value.items():
                self.add((*path, str(key)), inner, source)
            return
        for known in [known for known in self._sources if known[: len(path)] == path]:
            del self._sources[known]
        table = self.data
        for key in path[:-1]:
            inner = table.get(str(key))
            table[str(key)] = table = dict(inner) if isinstance(inner, dict) else {}
        table[str(path[-1])] = value
        self._sources[path] = source

    def source_of(self, path: FieldPath) -> Source | None:
        for end in range(len(path), 0, -1):
            if path[:end] in self._sources:
                return self._sources[path[:end]]
        return None

    def given(self) -> dict[FieldPath, str]:
        """The source of every value that is not a default, in words."""
        found = {path: self.source_of(path) for path in nodes(self.data)}
        return {path: source.text for path, source in found.items() if source}

    def resolve_paths(self) -> None:
        """Relative paths start from the config file's folder, or from the current one if given elsewhere."""
        for section, name in _PATHS:
            table = self.data.get(section)
            if isinstance(table, dict) and name in table:
                table[name] = self._absolute((section, name), table[name])
        self._resolve_install(self.data.get("install"))
        upstreams, secrets = self.data.get("upstreams"), self.data.get("secrets")
        for index, upstream in enumerate(upstreams if isinstance(upstreams, list) else ()):
            self._resolve_all(("upstreams", index), upstream, _UPSTREAM_PATHS)
        for key, secret in secrets.items() if isinstance(secrets, dict) else ():
            self._resolve_all(("secrets", key), secret, _SECRET_PATHS)

    def _resolve_install(self, install: Any) -> None:
        if not isinstance(install, dict):
            return
        keys, catalogues = install.get("trusted_keys"), install.get("catalogues")
        if isinstance(keys, dict):
            self._resolve_all(("install", "trusted_keys"), keys, tuple(keys))
        for index, catalogue in enumerate(catalogues if isinstance(catalogues, list) else ()):
            self._resolve_all(("install", "catalogues", index), catalogue, _CATALOGUE_PATHS)

    def _resolve_all(self, path: FieldPath, table: Any, names: tuple[str, ...]) -> None:
        for name in names:
            if isinstance(table, dict) and name in table:
                table[name] = self._absolute((*path, name), table[name])

    def _absolute(self, path: FieldPath, value: Any) -> Any:
        if isinstance(value, list):
            return [self._absolute((*path, index), item) for index, item in enumerate(value)]
        source = self.source_of(path)
        if not isinstance(value, str) or source is None or value.startswith(PREFIX):
            return value
        return str(source.folder / Path(value).expanduser())


def nodes(value: Any, path: FieldPath = ()) -> Iterator[FieldPath]:
    """The path of every table, list and value inside."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from nodes(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from nodes(inner, (*path, index))


def _nearest_line(lines: Mapping[FieldPath, int], path: FieldPath) -> int | None:
    return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), None)
