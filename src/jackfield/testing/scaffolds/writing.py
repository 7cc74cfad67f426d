"""Writing a new plugin's folder: whole, or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from jackfield.errors import ConfigError
from jackfield.testing.scaffolds.names import PATTERNS, Names

KINDS = tuple(PATTERNS)
_SUFFIX = ".tmpl"
_WORD = re.compile(r"<<([a-z]+)>>")


def write(kind: str, name: str, into: Path) -> Path:
    """Makes the folder `into/name`, and `into` where it is missing. Raises `ConfigError` naming what is in the way."""
    names = Names.of(kind, name)
    folder = into / name
    _refuse_taken(folder)
    aside = into / f".{name}-{os.getpid()}"
    try:
        into.mkdir(parents=True, exist_ok=True)
        aside.mkdir()
        try:
            _write_files(aside, render(kind, names))
            aside.rename(folder)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    except OSError as error:
        raise ConfigError(f"cannot write the plugin: {error.strerror}", file=str(error.filename or folder)) from error
    return folder


def render(kind: str, names: Names) -> Mapping[str, str]:
    """The text of each file, by its path in the folder."""
    return {
        str(path).replace("MODULE", names.module).removesuffix(_SUFFIX): _fill(text, names.values())
        for path, text in _templates(files(__package__) / kind, PurePosixPath())
    }


def _templates(folder: Traversable, below: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _templates(entry, below / entry.name)
        elif entry.name.endswith(_SUFFIX):
            yield below / entry.name, entry.read_text(encoding="utf-8")


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _WORD.sub(lambda word: values[word[1]], text)


def _refuse_taken(folder: Path) -> None:
    if folder.is_symlink():
        raise ConfigError("is a symbolic link: nothing is written through it", file=str(folder))
    try:
        taken = next(folder.iterdir(), None) if folder.is_dir() else None
    except OSError as error:
        raise ConfigError(f"cannot be looked into: {error.strerror}", file=str(folder)) from error
    if taken is not None:
        raise ConfigError(f"is not empty: it holds {taken.name}", file=str(folder))
    if folder.exists() and not folder.is_dir():
        raise ConfigError("is a file: a folder of that name would be made", file=str(folder))


def _write_files(folder: Path, texts: Mapping[str, str]) -> None:
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
