"""The native dialect: one `Plugin` subclass."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from jackfield.dialects.base import Blueprint
from jackfield.errors import ManifestError
from jackfield.sdk.manifest import MANIFEST_FILE, Manifest, read_manifest
from jackfield.sdk.plugin import Plugin, id_of
from jackfield.sources.base import Found


class NativeDialect:
    name = "native"

    def read(self, found: Found, loaded: ModuleType | type) -> Blueprint | None:
        if not isinstance(loaded, type | ModuleType):
            raise ManifestError(f"leads to {loaded!r:.80}, which is neither a module nor a class", file=found.place)
        kind = loaded if isinstance(loaded, type) else _only_plugin(found, loaded)
        if not issubclass(kind, Plugin):
            raise ManifestError(f"{kind.__qualname__} is not a subclass of jackfield.sdk.Plugin", file=found.place)
        return Blueprint(_manifest(found, kind), kind, self.name)


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
    manifest = found.folder / MANIFEST_FILE if found.folder else None
    if manifest is None or not manifest.is_file():
        return None
    return read_manifest(manifest).entry.partition(":")[2] or None


def _manifest(found: Found, kind: type[Plugin[Any]]) -> Manifest:
    """The manifest file, or where there is none what the class says."""
    if found.folder is not None and (found.folder / MANIFEST_FILE).is_file():
        return read_manifest(found.folder / MANIFEST_FILE)
    try:
        return Manifest(id=id_of(kind), version=kind.version, description=kind.description)
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ManifestError(
            f"class {kind.__name__}: {error.errors()[0]['msg']}", file=found.place, field=field
        ) from error
