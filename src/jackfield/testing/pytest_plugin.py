"""The pytest plugin that comes with the package.

In a folder of ring plugins it finds the names that their guide tells authors to import, for factory plugins theirs, and
where a test asks for `plugin_host` it brings the fixtures for plugins' tests. Elsewhere it does nothing."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, FrameType, ModuleType

import pytest

from jackfield.testing.factory_names import FactoryNames

# They import what they need once a test asks for them.
pytest_plugins = ("jackfield.testing.fixtures",)

RING_NAMES = {
    "core.plugin_sdk": "jackfield.dialects.rings.names.plugin_sdk",
    "core.plugin_engine": "jackfield.dialects.rings.names.plugin_engine",
    "core.tokenizer": "jackfield.dialects.rings.names.tokenizer",
    "core.pricing": "jackfield.dialects.rings.names.pricing",
}
FIXTURES = "jackfield.testing.fixtures"
_BELOW = frozenset({"plugin_sdk", "plugin_engine"})
_ASYNCIO = ("asyncio", "pytest_asyncio", "pytest_asyncio.plugin")
_PLUGINS = re.compile(rb"^(?:plugins|[\"']plugins[\"'])\s*:", re.MULTILINE)
_LONGEST_MANIFEST = 256 * 1024
_IMPORTING = ("<frozen importlib", "<frozen zipimport")


class _Mirror(Loader):
    """Fills a module with what another one offers: the same objects under another name."""

    def exec_module(self, module: ModuleType) -> None:
        original = RING_NAMES.get(module.__name__)
        if original is None:
            module.__dict__["__path__"] = []
            return
        offered = import_module(original)
        module.__doc__ = offered.__doc__
        module.__dict__.update({name: value for name, value in vars(offered).items() if not name.startswith("__")})
        module.__dict__["__all__"] = offered.__dict__["__all__"]


class RingNames(MetaPathFinder):
    """Stands last, so that installed packages come first. The package `core` is found only in a folder of ring plugins,
    or for a module that imports one of the ring's names from it."""

    def __init__(self) -> None:
        self.in_folder = False
        self.used = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in RING_NAMES:
            self.used = True
            return ModuleSpec(fullname, _Mirror())
        if fullname == "core" and (self.in_folder or _asks_for_ours(sys._getframe(1))):
            return ModuleSpec(fullname, _Mirror(), is_package=True)
        return None


def _asks_for_ours(frame: FrameType | None) -> bool:
    """Whether the module that is importing does it for one of the ring's names."""
    while frame is not None and frame.f_code.co_filename.startswith(_IMPORTING):
        frame = frame.f_back
    names = frame.f_code.co_names if frame is not None else ()
    return not RING_NAMES.keys().isdisjoint(names) or ("core" in names and not _BELOW.isdisjoint(names))


_FOUND = pytest.StashKey[RingNames]()
_OFFERED = pytest.StashKey[FactoryNames]()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before the first conftest, which may import a plugin."""
    names = early_config.stash[_FOUND] = RingNames()
    sys.meta_path.append(names)
    early_config.stash[_OFFERED] = FactoryNames()
    sys.meta_path.append(early_config.stash[_OFFERED])
    folder = next(filter(_holds_ring_plugins, _candidates(early_config)), None)
    if folder is None:
        return
    names.in_folder = True
    if str(folder) not in map(os.path.abspath, sys.path):
        sys.path.append(str(folder))
    if not _runs_coroutines(early_config):
        early_config.addinivalue_line("markers", "asyncio: run this coroutine in an event loop")


def pytest_unconfigure(config: pytest.Config) -> None:
    for names in (config.stash.get(_FOUND, None), config.stash.get(_OFFERED, None)):
        if names in sys.meta_path:
            sys.meta_path.remove(names)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    code = getattr(obj, "__code__", None)
    if isinstance(code, CodeType) and "plugin_host" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        collector.config.pluginmanager.import_plugin(FIXTURES)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a coroutine that is marked for pytest-asyncio where that is not installed."""
    names = pyfuncitem.config.stash.get(_FOUND, None)
    if names is None or not (names.in_folder or names.used) or _runs_coroutines(pyfuncitem.config):
        return None
    if not inspect.iscoroutinefunction(pyfuncitem.obj) or pyfuncitem.get_closest_marker("asyncio") is None:
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


def _runs_coroutines(config: pytest.Config) -> bool:
    return any(map(config.pluginmanager.hasplugin, _ASYNCIO))


def _candidates(config: pytest.Config) -> Iterator[Path]:
    """Where a `plugins` folder may stand: tests are run from beside it, or from their own folder."""
    for folder in (config.invocation_params.dir, config.rootpath):
        yield folder
        yield folder.parent


def _holds_ring_plugins(folder: Path) -> bool:
    try:
        with (folder / "plugins" / "manifest.yaml").open("rb") as manifest:
            return _PLUGINS.search(manifest.read(_LONGEST_MANIFEST)) is not None
    except OSError:
        return False
