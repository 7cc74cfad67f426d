"""The `import` statement inside of ring modules.

Their names `core.…` and `plugins.…` exist for them alone: each ring module has an `__import__` of its own, and nothing
of these names enters `sys.modules`, where it could hide an installed package.
"""

from __future__ import annotations

import builtins
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from jackfield.dialects.rings.files import Dotted, Tree, resolve
from jackfield.dialects.rings.study import below_plugins

Load = Callable[[Tree, str], ModuleType]


class _Core(ModuleType):
    """`core`, with what an installed package of that name has beside."""

    def __getattr__(self, name: str) -> Any:
        installed = sys.modules.get("core")
        if installed is None or name.startswith("__"):
            raise AttributeError(f"module 'core' has no attribute {name!r}")
        return getattr(installed, name)


def make_core(names: Mapping[str, ModuleType]) -> ModuleType:
    core = _Core("core")
    core.__dict__.update(names, __path__=[], __all__=list(names))
    return core


class _Package(ModuleType):
    """A package as one module sees it: two versions of a module below it can live side by side."""

    def __init__(self, module: Dotted, find: Callable[[Dotted, str], Any]) -> None:
        super().__init__(".".join(("plugins", *module)))
        self.__dict__.update(__path__=[], _module=module, _find=find)

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["_find"](self.__dict__["_module"], name)


class RingImport:
    """Stands for `__import__` in one module, which is in `package`."""

    def __init__(self, load: Load, tree: Tree, package: Dotted, core: ModuleType) -> None:
        self._load, self._tree, self._package, self._core = load, tree, package, core

    def __call__(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - the names of the built-in one
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        wanted = tuple(fromlist or ())
        if level:
            return self._import_own(self._absolute(name, level), wanted)
        if name == "core" or name.startswith("core."):
            return self._import_core(name.removeprefix("core").removeprefix("."), wanted)
        below = below_plugins(name)
        if below is None or _is_elsewhere(self._tree, below):
            return builtins.__import__(name, globals, locals, wanted, 0)
        return self._import_own(resolve(0, below, ()) or (), wanted)

    def _absolute(self, name: str, level: int) -> Dotted:
        module = resolve(level, name, self._package)
        if module is None:
            raise ImportError("attempted relative import beyond the plugins folder")
        return module

    def _import_core(self, below: str, wanted: tuple[str, ...]) -> Any:
        ours = vars(self._core)
        if below in ours:
            return ours[below] if wanted else self._core
        if below:
            found = builtins.__import__(f"core.{below}", None, None, wanted, 0)
            return found if wanted else self._core
        others = tuple(name for name in wanted if name not in ours and name != "*")
        if others:
            builtins.__import__("core", None, None, others, 0)
        return self._core

    def _import_own(self, module: Dotted, wanted: tuple[str, ...]) -> Any:
        found = self._find(module)
        if not wanted:
            return _Package((), self._attribute)
        if not isinstance(found, _Package):
            return found
        init = self._init_of(module)
        if "*" in wanted and init is not None:
            return init
        for name in wanted:
            if self._exists((*module, name)) and not hasattr(init, name):
                self._find((*module, name))
        return found

    def _exists(self, module: Dotted) -> bool:
        return self._tree.path_of(module) is not None or self._tree.is_package(module)

    def _find(self, module: Dotted) -> ModuleType:
        if not self._exists(module):
            told = ".".join(("plugins", *module))
            raise ModuleNotFoundError(f"No module named {told!r}", name=told)
        path = self._tree.path_of(module)
        found = self._load(self._tree, path) if path is not None else None
        if found is None or self._tree.is_package(module):
            return _Package(module, self._attribute)
        return found

    def _init_of(self, module: Dotted) -> ModuleType | None:
        path = self._tree.path_of(module)
        return self._load(self._tree, path) if path is not None else None

    def _attribute(self, module: Dotted, name: str) -> Any:
        """What a package's `__init__.py` has, else the module below it."""
        init = self._init_of(module)
        if init is not None and hasattr(init, name):
            return getattr(init, name)
        if not self._exists((*module, name)):
            told = ".".join(("plugins", *module))
            raise AttributeError(f"module {told!r} has no attribute {name!r}")
        return self._find((*module, name))


def _is_elsewhere(tree: Tree, below: str) -> bool:
    """Whether another package called `plugins` is installed, and what is imported is not in the plugins folder."""
    module = resolve(0, below, ()) or ()
    if tree.path_of(module) is not None or tree.is_package(module):
        return False
    try:
        spec = importlib.util.find_spec("plugins")
    except ValueError:
        return False
    return spec is not None and spec.origin is not None
