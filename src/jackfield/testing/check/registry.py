"""Plugins by id: those that come with Jackfield, those in plugins folders, those in installed packages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from jackfield import plugins
from jackfield.errors import ConfigError
from jackfield.sdk.manifest import MANIFEST_FILE
from jackfield.sources.entry_points import GROUP
from jackfield.testing.check.report import check_subject
from jackfield.testing.check.subjects import Subject, find_subjects


def find_by_id(name: str, folders: Iterable[Path]) -> list[Subject]:
    """A folder wins over an installed package, as in a gateway. Raises `ConfigError` naming the closest."""
    known: dict[str, Subject] = dict(_own())
    known |= dict(_installed())
    known |= dict(_in_folders(folders))
    if name in known:
        return [known[name]]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"the nearest is {close[0]!r}" if close else f"known are {', '.join(sorted(known))}"
    raise ConfigError(f"there is no file, folder or plugin {name!r}; {hint}")


def _own() -> Iterator[tuple[str, Subject]]:
    for place in plugins.__path__:
        for entry in sorted(Path(place).iterdir()):
            if entry.suffix == ".py" and not entry.name.startswith("_"):
                yield entry.stem, Subject(dialect="native", entry=entry, own=True)
            elif (manifest := entry / MANIFEST_FILE).is_file():
                file = entry / "plugin.py"
                yield entry.name, Subject(dialect="native", entry=file, folder=entry, manifest=manifest, own=True)


def _installed() -> Iterator[tuple[str, Subject]]:
    for point in entry_points(group=GROUP):
        if (file := _file_of(point)) is not None:
            yield point.name, Subject(dialect="native", entry=file, installed=True)


def _file_of(point: EntryPoint) -> Path | None:
    """Found without importing anything; `None` where the package is not laid out as files."""
    if point.dist is None:
        return None
    module = point.module.replace(".", "/")
    places = (Path(str(point.dist.locate_file(f"{module}{end}"))) for end in (".py", "/__init__.py"))
    return next((place for place in places if place.is_file()), None)


def _in_folders(folders: Iterable[Path]) -> Iterator[tuple[str, Subject]]:
    """By the ids that they state; a ring manifest is looked over as a whole."""
    for folder in folders:
        for subject in _subjects_in(folder):
            yield subject.name, subject
            yield from ((stated.id, subject) for stated in check_subject(subject, run=False).ids)


def _subjects_in(folder: Path) -> list[Subject]:
    try:
        return find_subjects(folder)
    except ConfigError:
        return []
