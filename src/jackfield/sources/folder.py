"""Plugins in folders: each sub-folder of a plugins folder that holds `jackfield.toml` or `plugin.py`."""

from __future__ import annotations

import importlib.util
import itertools
import re
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

from jackfield.errors import ConfigError, ManifestError
from jackfield.sdk.manifest import MANIFEST_FILE, read_manifest
from jackfield.sources.base import Found

_serial = itertools.count(1)
_NOT_A_NAME = re.compile(r"\W")


class FolderSource:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self) -> tuple[Found, ...]:
        """Raises `ConfigError` where the folder itself cannot be read."""
        try:
            entries = sorted(self._folder.iterdir())
        except OSError as error:
            raise ConfigError(f"cannot read the plugins folder: {error.strerror}", file=str(self._folder)) from error
        return tuple(_found(entry) for entry in entries if is_plugin(entry))


def _found(folder: Path) -> Found:
    """Each find gives the module a name of its own, so that two versions of a plugin can live side by side."""
    module = f"jackfield_plugin_{next(_serial)}_{_NOT_A_NAME.sub('_', folder.name)}"
    return Found(
        name=folder.name,
        source="folder",
        place=str(folder),
        folder=folder,
        load=partial(load_folder, folder, module),
        forget=partial(forget, module),
    )


def is_plugin(folder: Path) -> bool:
    """Whether it says so; a folder that cannot be looked into is taken for one, so that it is listed as failed."""
    if folder.name.startswith((".", "_")):
        return False
    try:
        return (folder / MANIFEST_FILE).is_file() or (folder / "plugin.py").is_file()
    except OSError:
        return True


def load_folder(folder: Path, module: str) -> ModuleType:
    """Imports the folder's entry module as a package of its own, so that `from . import other` works inside it.

    Raises `ManifestError` where the manifest or the entry file is wrong, and whatever the module raises.
    """
    manifest = folder / MANIFEST_FILE
    entry = read_manifest(manifest).entry.partition(":")[0] if manifest.is_file() else "plugin"
    file = folder.joinpath(*entry.split(".")).with_suffix(".py")
    if not file.is_file():
        raise ManifestError(f"there is no {file.name} in the folder", file=str(manifest), field="entry")
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ManifestError("leads out of the plugin's folder", file=str(file))
    return _import(module, file, folder)


def _import(name: str, file: Path, folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[str(folder)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        forget(name)
        raise
    return module


def forget(name: str) -> None:
    """Removes a plugin's module and its submodules from the interpreter."""
    for known in [known for known in sys.modules if known == name or known.startswith(name + ".")]:
        del sys.modules[known]
