"""A toolbox plugin's folder: whether it is one, what its manifest says, and where its code begins."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from jackfield.dialects.contents import collect
from jackfield.dialects.toolbox.manifest import DEFAULT_MAIN, MANIFEST, PACKAGE, PART, ToolboxManifest, read
from jackfield.errors import ManifestError
from jackfield.sdk.manifest import LONGEST_MANIFEST, MANIFEST_FILE, Manifest, read_bounded
from jackfield.sources.base import Contents

PYTHON = ".py"
SCRIPTS = (".ts", ".js", ".mts", ".mjs", ".cts", ".cjs")
SUFFIXES = (*SCRIPTS, PYTHON)
# What makes a folder another dialect's, whatever else is in it.
_OTHERS = (MANIFEST_FILE, "plugin.yaml", "plugin.yml")
_PASSED_OVER = "node_modules"


def manifest_file(folder: Path) -> str | None:
    """The name of the file that makes it a toolbox plugin. Raises `OSError`."""
    if any((folder / name).is_file() for name in _OTHERS):
        return None
    if (folder / MANIFEST).is_file():
        return MANIFEST
    return PACKAGE if _is_package(folder / PACKAGE) else None


def _is_package(file: Path) -> bool:
    """By the word alone: one that is no JSON is listed with what is wrong with it."""
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return f'"{PART}"'.encode() in stream.read(LONGEST_MANIFEST)


class ToolboxFolder:
    """`folder` is where it is read, `shown` where it stands for people. `file` is the manifest's name."""

    def __init__(self, folder: Path, shown: Path, file: str) -> None:
        self.folder, self.shown, self.file = folder, shown, file

    @property
    def place(self) -> Path:
        """The manifest as people see it."""
        return self.shown / self.file

    @cached_property
    def manifest(self) -> ToolboxManifest:
        """Raises `ManifestError`."""
        self._check_inside(self.folder, self.folder.parent, "the plugins folder", self.shown)
        self._check_inside(self.folder / self.file, self.folder, "the plugin's folder", self.place)
        return read(read_bounded(self.folder / self.file, self.place), self.file, str(self.place))

    def for_host(self) -> Manifest:
        """Raises `ManifestError`."""
        return self.manifest.for_host()

    def contents(self) -> Contents:
        """All files, installed packages too. Raises `ManifestError`."""
        self._check_inside(self.folder, self.folder.parent, "the plugins folder", self.shown)
        return collect(self.folder, packages=True)

    @property
    def runtime(self) -> str:
        """As far as it can be told of one that is wrong."""
        try:
            return "inprocess" if self.main.suffix == PYTHON else "node"
        except (ManifestError, OSError):
            return "inprocess" if self._has_python() else "node"

    def _has_python(self) -> bool:
        return (self.folder / f"index{PYTHON}").is_file()

    @cached_property
    def main(self) -> Path:
        """The file that its code begins in. Raises `ManifestError`."""
        stated = self.manifest.main
        asked = self.folder / stated
        if not Path(os.path.normpath(asked)).is_relative_to(self.folder):
            raise self._refuse(f"{stated} leads out of the plugin's folder")
        found = next((file for file in self._candidates(asked) if file.is_file()), None)
        if found is None:
            raise self._refuse(f"there is no {stated} in the folder")
        if not found.resolve().is_relative_to(self.folder.resolve()):
            raise self._refuse(f"{stated} leads out of the plugin's folder")
        if found.suffix not in SUFFIXES:
            raise self._refuse(f"{stated} is neither TypeScript nor JavaScript nor Python ({' '.join(SUFFIXES)})")
        return found

    def _candidates(self, asked: Path) -> list[Path]:
        """As it is named, or as Node finds what is named without its ending; what is not named at all may be in any
        language."""
        if self.manifest.main == DEFAULT_MAIN and "main" not in self.manifest.model_fields_set:
            return [self.folder / f"index{suffix}" for suffix in SUFFIXES]
        named = [asked.with_name(asked.name + suffix) for suffix in SUFFIXES]
        return [asked, *named, *(asked / f"index{suffix}" for suffix in SUFFIXES)]

    def _check_inside(self, path: Path, folder: Path, called: str, shown: Path) -> None:
        try:
            inside = path.resolve(strict=True).is_relative_to(folder.resolve())
        except OSError as error:
            raise ManifestError(error.strerror or str(error), file=str(shown)) from error
        except RuntimeError as error:
            raise ManifestError("is a symbolic link that leads to itself", file=str(shown)) from error
        if not inside:
            raise ManifestError(f"leads out of {called}", file=str(shown))

    def _refuse(self, message: str) -> ManifestError:
        return ManifestError(message, file=str(self.place), field="main")


def find_folders(folder: Path, shown: Path) -> list[ToolboxFolder]:
    """One that cannot be looked into is taken for what its manifest would make it, and tells so when it is read."""
    found = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "_")) or entry.name == _PASSED_OVER:
            continue
        try:
            file = manifest_file(entry)
        except OSError:
            continue
        if file is not None:
            found.append(ToolboxFolder(entry, shown / entry.name, file))
    return found
