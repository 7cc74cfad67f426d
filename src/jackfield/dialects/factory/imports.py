"""The `import` statement inside of factory plugins.

`ccproxy.…` exists for them alone: each of their modules has an `__import__` of its own, and nothing of these names
enters `sys.modules`, where it could hide an installed package.
"""

from __future__ import annotations

import builtins
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from jackfield.dialects.factory.names.offered import TOP, make_modules

PLUGINS = f"{TOP}.plugins"
_HTTP = ("httpx", "httpx2")

FindPlugin = Callable[[str], str | None]


class FactoryImport:
    """Stands for `__import__` in the modules of one plugin, which sees `ccproxy` as a tree of its own. `own` are
    the names under which it imports itself, each with the one that the interpreter knows; `find` finds that of another
    plugin's folder."""

    def __init__(self, own: Mapping[str, str], find: FindPlugin) -> None:
        self._modules: Mapping[str, ModuleType] = make_modules()
        self._own, self._find = own, find

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
            return builtins.__import__(name, globals, locals, wanted, level)
        if (inner := self._inner(name)) is not None:
            return self._import_inner(inner, name, wanted)
        if name == TOP or name.startswith(f"{TOP}."):
            return self._import_offered(name, wanted)
        if name.partition(".")[0] == _HTTP[0] and importlib.util.find_spec(_HTTP[0]) is None:
            return builtins.__import__(name.replace(*_HTTP, 1), globals, locals, wanted, 0)
        return builtins.__import__(name, globals, locals, wanted, 0)

    def _inner(self, name: str) -> str | None:
        """Its name in the interpreter, where it is a plugin's own module."""
        for shown, real in self._own.items():
            if name == shown or name.startswith(f"{shown}."):
                return real + name[len(shown) :]
        below = name.removeprefix(f"{PLUGINS}.")
        if below == name or name in self._modules:
            return None
        folder, _, rest = below.partition(".")
        found = self._find(folder)
        return None if found is None else f"{found}.{rest}".rstrip(".")

    def _import_inner(self, inner: str, name: str, wanted: tuple[str, ...]) -> Any:
        module = import_module(inner)
        for one in wanted:
            if one != "*" and not hasattr(module, one):
                _import_below(module, one)
        if wanted:
            return module
        package = sys.modules[inner.partition(".")[0]]
        if not name.startswith(f"{PLUGINS}."):
            return package
        self._modules[PLUGINS].__dict__[name.split(".")[2]] = package
        return self._modules[TOP]

    def _import_offered(self, name: str, wanted: tuple[str, ...]) -> Any:
        module = self._modules.get(name)
        if module is None:
            return self._import_installed(name, wanted)
        for one in wanted:
            below = f"{name}.{one}"
            if one == "*" or hasattr(module, one):
                continue
            if (inner := self._inner(below)) is not None:
                module.__dict__[one] = import_module(inner)
            elif (found := _attribute_installed(name, one)) is not None:
                module.__dict__[one] = found
            else:
                raise ImportError(f"cannot import name {one!r} from {name!r}: the gateway does not have it", name=name)
        return module if wanted else self._modules[TOP]

    def _import_installed(self, name: str, wanted: tuple[str, ...]) -> Any:
        """What we do not have an installed package of that name may have. Raises `ModuleNotFoundError`."""
        try:
            _refuse_absent(name)
            found = builtins.__import__(name, None, None, wanted or ("*",), 0)
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise
            raise ModuleNotFoundError(
                f"No module named {name!r}: {self._tell_what_there_is(name)}", name=name
            ) from None
        return found if wanted else self._modules[TOP]

    def _tell_what_there_is(self, name: str) -> str:
        below = name.removeprefix(f"{PLUGINS}.")
        if below != name:
            return f"there is no folder {below.partition('.')[0]!r} beside this plugin's, and no plugin of that name"
        near = ".".join(name.split(".")[:2])
        known = [one for one in self._modules if one.startswith(f"{near}.")] or [
            one for one in self._modules if one.count(".") == 1
        ]
        return f"of {TOP} the gateway has {', '.join(sorted(known))}"


def _import_below(module: ModuleType, name: str) -> None:
    """A submodule, if there is one: what is missing altogether the import statement itself tells."""
    below = f"{module.__name__}.{name}"
    try:
        import_module(below)
    except ModuleNotFoundError as error:
        if error.name != below:
            raise


def _refuse_absent(name: str) -> None:
    """Raises `ModuleNotFoundError` where there is no package of that name but what stands in for one in tests."""
    spec = importlib.util.find_spec(TOP)
    if spec is None or getattr(spec.loader, "stands_in", False):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _attribute_installed(name: str, one: str) -> Any:
    try:
        _refuse_absent(name)
        return getattr(builtins.__import__(name, None, None, (one,), 0), one, None)
    except ModuleNotFoundError:
        return None
