"""The plugins that come with Jackfield: the modules of `jackfield.plugins`, and its packages, which have a manifest."""

from __future__ import annotations

import importlib
import pkgutil
from functools import partial
from pathlib import Path

from jackfield import __version__, plugins
from jackfield.sdk.manifest import MANIFEST_FILE, Manifest, read_manifest
from jackfield.sources.base import Found, tell_nothing


class BuiltinSource:
    def find(self) -> tuple[Found, ...]:
        return tuple(
            _found(module.name, has_manifest=module.ispkg) for module in pkgutil.iter_modules(plugins.__path__)
        )


def _found(name: str, *, has_manifest: bool) -> Found:
    place = f"jackfield.plugins.{name}"
    return Found(
        name=name,
        source="builtin",
        dialect="native",
        place=place,
        load=partial(importlib.import_module, f"{place}.plugin" if has_manifest else place),
        manifest=partial(_read_manifest, name) if has_manifest else tell_nothing,
        version=__version__,
    )


def _read_manifest(name: str) -> Manifest:
    """Without importing the package: one that is not enabled costs nothing."""
    manifest = read_manifest(Path(plugins.__path__[0]) / name / MANIFEST_FILE)
    return manifest.model_copy(update={"version": __version__})
