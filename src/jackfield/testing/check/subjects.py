"""What is to be checked: the plugins of a place, and how each is written, told without running any of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from jackfield.dialects.toolbox.folder import PYTHON, ToolboxFolder
from jackfield.errors import ConfigError, ManifestError
from jackfield.sdk.manifest import MANIFEST_FILE, read_bounded
from jackfield.testing.check.ring_files import find_manifest
from jackfield.testing.check.source import Source

Dialect = Literal["native", "ring", "toolbox", "provider", "factory"]
PROVIDER_FILES = ("plugin.yaml", "plugin.yml", "plugin.json")
# Made by tools, or about the plugin and no part of it.
_PASSED_OVER = frozenset({"__pycache__", "node_modules", "venv", "tests", "test"})


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """`folder` is `None` for a single file. `manifest` is there only where the plugin has one. `entries` are the ids
    that are meant of a ring manifest, all of them where it is empty. `own` marks what comes with Jackfield, `installed`
    what is in an installed package."""

    dialect: Dialect
    entry: Path
    folder: Path | None = None
    manifest: Path | None = None
    entries: frozenset[str] = frozenset()
    own: bool = False
    installed: bool = False

    @property
    def name(self) -> str:
        return self.folder.name if self.folder else self.entry.stem

    @property
    def told(self) -> Path:
        """The file that speaks for the plugin."""
        return self.manifest or self.entry

    def sources(self, suffixes: tuple[str, ...] = (".py",)) -> list[Path]:
        """The files of the plugin, the entry among them; its tests are not."""
        if self.folder is None:
            return [self.entry]
        return sorted(file for file in _files(self.folder) if file.suffix in suffixes)


def find_subjects(place: Path) -> list[Subject]:
    """What every command means by a path: a plugin's folder or one of its files, a folder of plugins, or one with a
    folder `plugins`. Raises `ConfigError` where there is none."""
    if place.is_file():
        return [_of_file(place)]
    if not place.is_dir():
        raise ConfigError("there is no such file or folder", file=str(place))
    try:
        found = _of_place(place.resolve())
    except OSError as error:
        raise ConfigError(f"cannot be looked into: {error.strerror}", file=str(error.filename or place)) from error
    if not found:
        raise ConfigError("there is no plugin in it: neither a manifest nor a plugin.py", file=str(place))
    return found


def _of_file(file: Path) -> Subject:
    known = {MANIFEST_FILE, "plugin.py", "manifest.yaml", "manifest.json", "package.json", *PROVIDER_FILES}
    if file.name in known and (found := _of_folder(file.resolve().parent)):
        return found[0]
    if (listed := find_manifest(file.resolve())) is not None:
        manifest, entries = listed
        return Subject(dialect="ring", entry=manifest, folder=manifest.parent, manifest=manifest, entries=entries)
    if (around := _around(file.resolve())) is not None:
        return around
    if file.suffix != ".py":
        raise ConfigError("is neither a manifest nor a Python file", file=str(file))
    return Subject(dialect="native", entry=file)


def _around(file: Path) -> Subject | None:
    """The plugin in whose folder a file is; of a toolbox in another language Python is no part."""
    found = next(iter(_of_folder(file.parent)), None)
    if found is None or found.dialect == "ring":
        return None
    if found.dialect == "toolbox" and file.suffix == PYTHON:
        toolbox = ToolboxFolder(file.parent, file.parent, found.told.name)
        return found if toolbox.runtime == "inprocess" else None
    return found


def _of_place(place: Path) -> list[Subject]:
    """A plugin, a folder of plugins, or what is laid out with its plugins in a folder `plugins`."""
    found = _of_folder(place)
    if found and found[0].dialect != "ring":
        return found
    if not found and (place / "plugins").is_dir():
        return _of_place(place / "plugins")
    folders = sorted(entry for entry in place.iterdir() if entry.is_dir() and not entry.name.startswith((".", "_")))
    return found + [subject for folder in folders for subject in _of_folder(folder) or _of_folder(folder / "plugins")]


def _of_folder(folder: Path) -> list[Subject]:
    for recognise in (_native_manifest, _rings, _toolbox, _provider, _python):
        if (found := recognise(folder)) is not None:
            return [found]
    return []


def _native_manifest(folder: Path) -> Subject | None:
    """Not the gateway's own config, which has the same name."""
    file = folder / MANIFEST_FILE
    if not file.is_file() or (_is_gateway_config(file) and not (folder / "plugin.py").is_file()):
        return None
    return Subject(dialect="native", entry=folder / "plugin.py", folder=folder, manifest=file)


def _is_gateway_config(file: Path) -> bool:
    try:
        lines = [line.strip() for line in read_bounded(file).splitlines()]
    except ManifestError:
        return False
    return not any(line.replace(" ", "").startswith("id=") for line in lines) and any(
        line.startswith(("[server]", "[store]", "[[upstreams]]", "[plugins")) for line in lines
    )


def _rings(folder: Path) -> Subject | None:
    file = folder / "manifest.yaml"
    return Subject(dialect="ring", entry=file, folder=folder, manifest=file) if file.is_file() else None


def _toolbox(folder: Path) -> Subject | None:
    file = folder / "manifest.json"
    if not file.is_file():
        file = folder / "package.json"
        if not isinstance(_read(file), dict) or "sentinel" not in _read(file):
            return None
    return Subject(dialect="toolbox", entry=file, folder=folder, manifest=file)


def _provider(folder: Path) -> Subject | None:
    for name in PROVIDER_FILES:
        if (folder / name).is_file():
            return Subject(dialect="provider", entry=folder / name, folder=folder, manifest=folder / name)
    return None


def _python(folder: Path) -> Subject | None:
    file = folder / "plugin.py"
    if not file.is_file():
        return None
    return Subject(dialect="factory" if _exports_factory(file) else "native", entry=file, folder=folder)


def _exports_factory(file: Path) -> bool:
    source = Source.read(file)
    if not isinstance(source, Source):
        return False
    from_host = any(origin.startswith("ccproxy.") for origin in source.origins.values())
    return from_host or ("factory" in source.assigned and "jackfield.sdk.Plugin" not in source.origins.values())


def _read(file: Path) -> Any:
    """`None` where it is not JSON, which the manifest's own check tells."""
    try:
        return json.loads(read_bounded(file))
    except (ManifestError, ValueError, RecursionError):
        return None


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _PASSED_OVER and not name.startswith(".")]
        yield from (Path(place, name) for name in files if not name.startswith("."))
