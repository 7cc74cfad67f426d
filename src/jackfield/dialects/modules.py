"""Modules of plugins: each plugin's code under a name of its own in the interpreter, read anew every time.

Python's own loader trusts a cached compilation by time and size; two edits within a second would run the old code.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple


class Root(NamedTuple):
    """Where a plugin's code is read, and where it stands for its author: tracebacks and `__file__` tell the latter.
    Without an `entry` the folder itself is the package, by its `__init__.py` where it has one. `importing` stands for
    `__import__` in its modules."""

    code: Path
    shown: Path
    entry: str = ""
    importing: Callable[..., Any] | None = None


class _SourceLoader(InspectLoader):
    def __init__(self, code: Path, shown: Path, importing: Callable[..., Any] | None) -> None:
        self._code, self.path, self._importing = code, str(shown), importing

    def exec_module(self, module: ModuleType) -> None:
        if self._importing is not None:
            module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._importing}
        super().exec_module(module)

    def get_filename(self, fullname: str) -> str:
        return self.path

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self._code.read_bytes())

    def get_code(self, fullname: str) -> Any:
        return compile(self._code.read_bytes(), self.path, "exec", dont_inherit=True)

    def is_package(self, fullname: str) -> bool:
        return self._code.name == "__init__.py"


class PluginModules(MetaPathFinder):
    """Finds what is below the names that were opened here, and nothing else."""

    def __init__(self) -> None:
        self._roots: dict[str, Root] = {}
        # What was asked for below each name: looking through all modules of the interpreter takes long, and other
        # threads import meanwhile.
        self._found: dict[str, list[str]] = {}

    def open(self, name: str, root: Root) -> ModuleType:
        """Imports the entry module as the package `name`, so that `from . import other` works inside it. Raises what
        the module raises."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        self._roots[name] = root
        try:
            return importlib.import_module(name)
        except BaseException:
            self.close(name)
            raise

    def close(self, name: str) -> None:
        """Removes a plugin's module and its submodules from the interpreter."""
        self._roots.pop(name, None)
        for known in self._found.pop(name, ()):
            sys.modules.pop(known, None)

    def owns(self, name: str) -> bool:
        """Whether a module of this name is a plugin's, and only its own."""
        return name.partition(".")[0] in self._roots

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        name, _, below = fullname.partition(".")
        root = self._roots.get(name)
        if root is None:
            return None
        self._found.setdefault(name, []).append(fullname)
        if not below:
            return _entry_spec(fullname, root)
        place = Path(*below.split("."))
        if (root.code / place / "__init__.py").is_file():
            return _source_spec(fullname, root, place / "__init__.py", package=place)
        if (root.code / place).with_suffix(".py").is_file():
            return _source_spec(fullname, root, place.with_suffix(".py"))
        return _other_spec(fullname, root, place)

    def invalidate_caches(self) -> None:
        """Nothing is cached."""


def _entry_spec(fullname: str, root: Root) -> ModuleSpec | None:
    file = Path(*(root.entry or "__init__").split(".")).with_suffix(".py")
    if not root.entry and not (root.code / file).is_file():
        return _folder_spec(fullname, root, Path())
    return _source_spec(fullname, root, file, package=Path())


def _source_spec(fullname: str, root: Root, file: Path, *, package: Path | None = None) -> ModuleSpec | None:
    loader = _SourceLoader(root.code / file, root.shown / file, root.importing)
    spec = importlib.util.spec_from_file_location(fullname, root.shown / file, loader=loader)
    if spec is not None:
        spec.submodule_search_locations = None if package is None else [str(root.shown / package)]
    return spec


def _other_spec(fullname: str, root: Root, place: Path) -> ModuleSpec | None:
    """A compiled extension, or a folder without `__init__.py`."""
    for suffix in EXTENSION_SUFFIXES:
        file = (root.code / place).with_name(place.name + suffix)
        if file.is_file():
            return importlib.util.spec_from_file_location(
                fullname, file, loader=ExtensionFileLoader(fullname, str(file))
            )
    return _folder_spec(fullname, root, place) if (root.code / place).is_dir() else None


def _folder_spec(fullname: str, root: Root, place: Path) -> ModuleSpec:
    spec = ModuleSpec(fullname, None, is_package=True)
    spec.submodule_search_locations = [str(root.shown / place)]
    return spec


PLUGIN_MODULES = PluginModules()
