"""The factory dialect: a folder whose `plugin.py` exports `factory`, or an installed package that names one."""

from __future__ import annotations

import importlib.util
import itertools
import re
from collections.abc import Iterable
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jackfield.dialects.base import Blueprint
from jackfield.dialects.factory.folder import ENTRY, collect_with_libraries, is_factory, is_library
from jackfield.dialects.modules import PLUGIN_MODULES, Root
from jackfield.errors import ManifestError
from jackfield.settings import Settings
from jackfield.sources.base import Found

if TYPE_CHECKING:
    from jackfield.dialects.factory.world import FactoryWorld

GROUP = "ccproxy.plugins"
PREFIX = "jackfield_factory"
_serial = itertools.count(1)
_NOT_A_NAME = re.compile(r"\W")


class Code(NamedTuple):
    """Where a plugin's code stands: `module` is its package in the interpreter, `shown` what it calls itself."""

    name: str
    module: str
    shown: str
    root: Path
    shown_root: Path
    entry: str
    attribute: str = "factory"


class Loaded(NamedTuple):
    exported: Any
    code: Code


class FactoryDialect:
    """What its plugins share lasts as long as it does. `settings` are those of the gateway, for what plugins may know
    of them."""

    name = "factory"

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._world: FactoryWorld | None = None
        # The packages of plugins that are loaded, by folder, the newest last.
        self._open: dict[str, list[str]] = {}
        # What each of them has brought from beside itself.
        self._libraries: dict[str, list[str]] = {}

    @property
    def world(self) -> FactoryWorld:
        if self._world is None:
            # Imported here: a gateway without such plugins does not need what they do.
            from jackfield.dialects.factory.world import FactoryWorld, tell_settings

            self._world = FactoryWorld({} if self._settings is None else tell_settings(self._settings))
        return self._world

    @property
    def dropped(self) -> int:
        """Events that its plugins were too slow to be told of."""
        return 0 if self._world is None else self._world.counts.dropped

    def find(self, folder: Path, shown: Path | None = None) -> tuple[Found, ...]:
        """Each sub-folder whose `plugin.py` exports a factory."""
        shown = shown or folder
        return tuple(self._found(entry, shown / entry.name) for entry in sorted(folder.iterdir()) if is_factory(entry))

    def _found(self, folder: Path, shown: Path) -> Found:
        module = _module_name(folder.name)
        code = Code(folder.name, module, f"{GROUP}.{folder.name}", folder, shown, Path(ENTRY).stem)
        return Found(
            name=folder.name,
            source="folder",
            dialect=self.name,
            place=str(shown),
            load=partial(self._load, code),
            contents=partial(collect_with_libraries, folder),
            forget=partial(self._forget, code),
            folder=shown,
            root=folder.parent,
        )

    def find_installed(self, points: Iterable[EntryPoint]) -> tuple[Found, ...]:
        """What the entry points of `GROUP` name. Nothing is imported yet."""
        return tuple(self._found_installed(point) for point in sorted(points, key=lambda point: point.name))

    def _found_installed(self, point: EntryPoint) -> Found:
        module = _module_name(point.name)
        return Found(
            name=point.name,
            source="entry_point",
            dialect=self.name,
            place=point.value,
            load=lambda: self._load(_locate(point, module)),
            forget=partial(self._close, point.name, module),
            version=point.dist.version if point.dist is not None else "",
        )

    def place_of(self, found: Found) -> Path | None:
        """Where the code of one stands, without running any of it; `None` where it is not there."""
        if found.folder is not None:
            return found.folder
        try:
            code = _locate(EntryPoint(found.name, found.place, GROUP), "")
        except ManifestError:
            return None
        if code.root.name != code.shown:
            return code.root / f"{code.entry}.py"
        return code.root.joinpath(*code.entry.split(".")[:-1])

    def read(self, found: Found) -> Blueprint:
        # Imported here, as the world above.
        from jackfield.dialects.factory.adapter import make_kind
        from jackfield.dialects.factory.client import find_library
        from jackfield.dialects.factory.manifest import config_of, read_manifest
        from jackfield.dialects.factory.names.factories import PluginFactory

        # In this thread, and not where requests wait.
        find_library()
        loaded = found.load()
        if not isinstance(loaded, Loaded):
            raise ManifestError("is not a factory plugin", file=found.place)
        try:
            factory = loaded.exported
            if not isinstance(factory, PluginFactory) and callable(factory):
                factory = factory()
            if not isinstance(factory, PluginFactory) and not _behaves(factory):
                told = f"exports a {type(factory).__name__} as `{loaded.code.attribute}`, which is no PluginFactory"
                raise ManifestError(told, file=found.place)
            declared = factory.get_manifest()
            manifest = read_manifest(declared, found.place, signs_in=_signs_in(factory))
            kind = make_kind(factory, declared, config_of(declared, found.place), self.world)
        except BaseException:
            found.forget()
            raise
        return Blueprint(manifest, kind, agent="CCProxy-Plugin", gives_freely=True)

    def _load(self, code: Code) -> Loaded:
        """Runs its code. Raises `ManifestError` where it exports nothing, and whatever the code raises."""
        from jackfield.dialects.factory.imports import FactoryImport

        importing = FactoryImport({code.shown: code.module}, partial(self._find_other, code))
        self._open.setdefault(code.name, []).append(code.module)
        try:
            PLUGIN_MODULES.open(code.module, Root(code.root, code.shown_root, importing=importing))
            module = import_module(f"{code.module}.{code.entry}" if code.entry else code.module)
            exported = module
            for part in code.attribute.split("."):
                exported = getattr(exported, part)
        except BaseException as error:
            self._forget(code)
            if isinstance(error, AttributeError) and error.obj is locals().get("module"):
                told = f"exports no `{code.attribute}`: a factory plugin ends with `factory = MyFactory()`"
                raise ManifestError(told, file=str(code.shown_root / ENTRY)) from error
            raise
        return Loaded(exported, code)

    def _find_other(self, code: Code, folder: str) -> str | None:
        """The package of another plugin that is loaded, or of what lies beside this one."""
        from jackfield.dialects.factory.imports import FactoryImport

        opened = self._open.get(folder)
        if opened:
            return opened[-1]
        place = code.root.parent / folder
        if not code.shown.startswith(GROUP) or not is_library(place):
            return None
        module = f"{code.module}_with_{folder}"
        if not PLUGIN_MODULES.owns(module):
            importing = FactoryImport({f"{GROUP}.{folder}": module}, partial(self._find_other, code))
            PLUGIN_MODULES.open(module, Root(place, code.shown_root.parent / folder, importing=importing))
            self._libraries.setdefault(code.module, []).append(module)
        return module

    def _forget(self, code: Code) -> None:
        self._close(code.name, code.module)
        for module in self._libraries.pop(code.module, ()):
            PLUGIN_MODULES.close(module)

    def _close(self, name: str, module: str) -> None:
        PLUGIN_MODULES.close(module)
        opened = self._open.get(name, [])
        if module in opened:
            opened.remove(module)


def _module_name(name: str) -> str:
    """Each find gives a plugin's modules names of their own, so that two versions of it can live side by side."""
    return f"{PREFIX}_{next(_serial)}_{_NOT_A_NAME.sub('_', name)}"


def _behaves(factory: Any) -> bool:
    """Whether it can do all that is asked of a factory."""
    return all(callable(getattr(factory, name, None)) for name in ("get_manifest", "create_runtime", "create_context"))


def _signs_in(factory: Any) -> bool:
    """Whether it has to do with accounts."""
    from jackfield.dialects.factory.names.factories import AuthFactory

    fields = getattr(factory.get_manifest().config_class, "model_fields", {})
    return (
        isinstance(factory, AuthFactory)
        or bool(getattr(factory, "auth_manager_name", None))
        or "auth_manager" in fields
    )


def _locate(point: EntryPoint, module: str) -> Code:
    """Where the code of an installed plugin stands, without running any of it. Raises `ManifestError`."""
    top, _, below = point.module.partition(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError) as error:
        raise ManifestError(str(error), file=point.value) from error
    if spec is None or (spec.origin is None and not spec.submodule_search_locations):
        raise ManifestError(f"there is no package {top!r}", file=point.value)
    if spec.submodule_search_locations:
        root, entry = Path(next(iter(spec.submodule_search_locations))), below
    else:
        assert spec.origin is not None
        return Code(point.name, module, top, Path(spec.origin).parent, Path(spec.origin).parent, top, _attr(point))
    return Code(point.name, module, top, root, root, entry, _attr(point))


def _attr(point: EntryPoint) -> str:
    return point.attr or "factory"
