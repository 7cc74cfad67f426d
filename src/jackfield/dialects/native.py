"""The native dialect: a folder with `jackfield.toml` or `plugin.py`, or an installed module, with one `Plugin`
subclass."""

from __future__ import annotations

import inspect
import itertools
import re
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from jackfield.dialects.base import Blueprint
from jackfield.dialects.contents import collect
from jackfield.dialects.factory.folder import is_factory
from jackfield.dialects.modules import PLUGIN_MODULES, Root
from jackfield.errors import ManifestError
from jackfield.sdk.manifest import MANIFEST_FILE, Manifest, read_manifest
from jackfield.sdk.plugin import Plugin, id_of
from jackfield.sources.base import Found

_serial = itertools.count(1)
# Manifests of other dialects.
_OTHERS = ("plugin.yaml", "plugin.yml", "plugin.json", "manifest.json")
_NOT_A_NAME = re.compile(r"\W")


class NativeDialect:
    name = "native"

    def find(self, folder: Path, shown: Path | None = None) -> tuple[Found, ...]:
        """Each sub-folder that holds `jackfield.toml` or `plugin.py`."""
        shown = shown or folder
        return tuple(self._found(entry, shown / entry.name) for entry in sorted(folder.iterdir()) if is_plugin(entry))

    def _found(self, folder: Path, shown: Path) -> Found:
        """Each find gives the module a name of its own, so that two versions of a plugin can live side by side."""
        module = f"jackfield_plugin_{next(_serial)}_{_NOT_A_NAME.sub('_', folder.name)}"
        return Found(
            name=folder.name,
            source="folder",
            dialect=self.name,
            place=str(shown),
            load=partial(load_folder, folder, shown, module),
            manifest=partial(_manifest_file, folder, shown),
            contents=partial(collect, folder),
            forget=partial(PLUGIN_MODULES.close, module),
            folder=shown,
            root=folder.parent,
        )

    def read(self, found: Found) -> Blueprint:
        loaded = found.load()
        if not isinstance(loaded, type | ModuleType):
            raise ManifestError(f"leads to {loaded!r:.80}, which is neither a module nor a class", file=found.place)
        kind = loaded if isinstance(loaded, type) else _only_plugin(found, loaded)
        if not issubclass(kind, Plugin):
            raise ManifestError(f"{kind.__qualname__} is not a subclass of jackfield.sdk.Plugin", file=found.place)
        return Blueprint(_manifest(found, kind), kind)


def is_plugin(folder: Path) -> bool:
    """Whether it says so; a folder that cannot be looked into is taken for one, so that it is listed as failed. A
    `plugin.py` beside another dialect's manifest is not ours to run: it may be a whole server."""
    if folder.name.startswith((".", "_")):
        return False
    try:
        if (folder / MANIFEST_FILE).is_file():
            return True
        if any((folder / name).is_file() for name in _OTHERS):
            return False
        return (folder / "plugin.py").is_file() and not is_factory(folder)
    except OSError:
        return True


def load_folder(folder: Path, shown: Path, module: str) -> ModuleType:
    """Imports the folder's entry module as a package of its own.

    Raises `ManifestError` where the manifest or the entry file is wrong, and whatever the module raises.
    """
    manifest = _manifest_file(folder, shown)
    entry = manifest.entry.partition(":")[0] if manifest is not None else "plugin"
    file = folder.joinpath(*entry.split(".")).with_suffix(".py")
    if not file.is_file():
        raise ManifestError(f"there is no {file.name} in the folder", file=str(shown / MANIFEST_FILE), field="entry")
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ManifestError("leads out of the plugin's folder", file=str(shown / file.relative_to(folder)))
    return PLUGIN_MODULES.open(module, Root(folder, shown, entry))


def _manifest_file(folder: Path, shown: Path) -> Manifest | None:
    """`None` where there is no manifest. Raises `ManifestError`."""
    file = folder / MANIFEST_FILE
    try:
        return read_manifest(file, shown / MANIFEST_FILE) if file.is_file() else None
    except OSError as error:
        raise ManifestError(str(error), file=str(shown / MANIFEST_FILE)) from error


def _only_plugin(found: Found, module: ModuleType) -> type[Plugin[Any]]:
    wanted = _named_class(found)
    kinds = [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Plugin) and kind.__module__ == module.__name__
    ]
    if wanted is not None:
        kinds = [kind for kind in kinds if kind.__name__ == wanted]
    if len(kinds) == 1:
        return kinds[0]
    if not kinds:
        missing = wanted or "subclass of jackfield.sdk.Plugin"
        raise ManifestError(f"there is no {missing} in it", file=module.__file__, field="entry")
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise ManifestError(f"several plugins in one module ({names}): name one", file=module.__file__, field="entry")


def _named_class(found: Found) -> str | None:
    manifest = found.manifest()
    return None if manifest is None else manifest.entry.partition(":")[2] or None


def _manifest(found: Found, kind: type[Plugin[Any]]) -> Manifest:
    """The manifest file, or where there is none what the class says."""
    stated = found.manifest()
    if stated is not None:
        return stated
    try:
        return Manifest(
            id=id_of(kind), version=kind.version, description=kind.description, permissions=tuple(kind.permissions)
        )
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ManifestError(
            f"class {kind.__name__}: {error.errors()[0]['msg']}", file=found.place, field=field
        ) from error
