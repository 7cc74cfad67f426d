"""The modules of ring plugins in the interpreter.

A file is executed once for each version of it and of what it imports: two plugins that import the same one share its
state, and so does a plugin with its unchanged successor. It is let go with the last plugin that uses it.
"""

from __future__ import annotations

import builtins
import itertools
import re
import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from threading import RLock
from types import ModuleType

from jackfield.dialects.rings.files import Code, Tree, Version
from jackfield.dialects.rings.imports import RingImport, make_core

_pools = itertools.count(1)
_NOT_A_NAME = re.compile(r"\W")
DIGITS = 12


class _Source:
    """What tracebacks read the lines from; the file itself may have changed by then."""

    def __init__(self, code: Code) -> None:
        self._data = code.data

    def get_source(self, name: str) -> str:
        return self._data.decode("utf-8", "replace")


class RingModules:
    """`names` are the modules that plugins import as `core.…`."""

    def __init__(self, names: Mapping[str, ModuleType]) -> None:
        self._core = make_core(names)
        self._prefix = f"jackfield_ring_{next(_pools)}"
        self._loaded: dict[Version, ModuleType] = {}
        self._running: set[Version] = set()
        self._held: dict[object, frozenset[Version]] = {}
        self._lock = RLock()

    def hold(self, holder: object, tree: Tree, path: str) -> ModuleType:
        """Executes the file and what it imports, as far as they have not been. Raises what they raise."""
        versions = frozenset(tree.versions[reached] for reached in tree.reach(path))
        with self._lock:
            if self._held.get(holder, versions) != versions:
                self.release(holder)
            self._held[holder] = versions
            try:
                return self.load(tree, path)
            except BaseException:
                self.release(holder)
                raise

    def release(self, holder: object) -> None:
        with self._lock:
            versions = self._held.pop(holder, frozenset())
            for version in versions:
                if not self._is_held(version):
                    module = self._loaded.pop(version, None)
                    if module is not None:
                        sys.modules.pop(module.__name__, None)

    def load(self, tree: Tree, path: str) -> ModuleType:
        """The module of a file; one that is just being executed as it is by then."""
        version = tree.versions[path]
        if version in self._loaded and version not in self._running:
            return self._loaded[version]
        with self._lock:
            for parent in tree.files[path].parents:
                if version not in self._loaded and parent in tree.files:
                    self.load(tree, parent)
            found = self._loaded.get(version)
            if found is None and not self._is_held(version):
                raise ImportError(f"{path} has been unloaded", name=path)
            return found or self._execute(tree, version)

    def _is_held(self, version: Version) -> bool:
        return any(version in versions for versions in self._held.values())

    def _execute(self, tree: Tree, version: Version) -> ModuleType:
        code = tree.files[version.path]
        module = self._make(tree, code, version)
        self._loaded[version] = sys.modules[module.__name__] = module
        self._running.add(version)
        try:
            exec(compile(code.data, str(code.shown), "exec", dont_inherit=True), module.__dict__)  # noqa: S102
        except BaseException:
            self._loaded.pop(version, None)
            sys.modules.pop(module.__name__, None)
            raise
        finally:
            self._running.discard(version)
        return module

    def _make(self, tree: Tree, code: Code, version: Version) -> ModuleType:
        """Its name has no dots, so that `pickle` finds it without importing what would stand before them."""
        stem = _NOT_A_NAME.sub("_", code.path.removesuffix(".py"))
        name = f"{self._prefix}_{version.digest[:DIGITS]}_{stem}"
        module = ModuleType(name)
        loader = _Source(code)
        module.__file__, module.__package__ = str(code.shown), ""
        module.__dict__["__loader__"] = loader
        module.__spec__ = ModuleSpec(name, None, origin=str(code.shown))
        ring_import = RingImport(self.load, tree.within(code.path), code.package, self._core)
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": ring_import}
        return module
