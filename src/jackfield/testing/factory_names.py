"""`ccproxy.…` for the tests of factory plugins, where no package of that name is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType

_APPLICATION = "jackfield.testing.factory_app"
# Only tests have these.
TESTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ccproxy.api.app": ("create_app", "initialize_plugins_startup", "shutdown_plugins"),
        "ccproxy.config": ("Settings",),
        "ccproxy.config.settings": ("Settings",),
    }
)


class _Given(Loader):
    # Of an installed package plugins get what is not offered, and not from here.
    stands_in = True

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        names = TESTS.get(module.__name__, ())
        if names:
            offered = import_module(_APPLICATION)
            module.__dict__.update({name: getattr(offered, name) for name in names})


class FactoryNames(MetaPathFinder):
    """Stands last, so that an installed package comes first."""

    def __init__(self) -> None:
        self._modules: dict[str, ModuleType] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != "ccproxy":
            return None
        # Imported here: most tests have nothing to do with these.
        from jackfield.dialects.factory.names.offered import make_modules, packages

        if fullname not in packages() and fullname not in TESTS:
            return None
        self._modules = self._modules or make_modules()
        module = self._modules.setdefault(fullname, ModuleType(fullname))
        return ModuleSpec(fullname, _Given(module), is_package=True)
