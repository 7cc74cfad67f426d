"""A plugin's own tests: where they are, and how they are run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Literal

from jackfield.errors import ConfigError
from jackfield.runtimes.node import find_node

KIT = "jackfield.testing.fixtures"
PLUGIN = "jackfield.testing.pytest_plugin"
PYTHON_TESTS = ("test_*.py", "*_test.py")
NODE_TESTS = re.compile(r".*[.-](test|spec)\.(js|mjs|cjs|ts|mts)$")
PASSED_OVER = frozenset({"node_modules", "__pycache__", "venv", ".venv"})
# How far above a plugin its project's `tests` may stand: `plugins/marketplace/x.py` beside `tests/test_x.py`.
UPWARDS = 3
# pytest-asyncio says this of every project that leaves the default as it is.
QUIET = 'ignore:The configuration option "asyncio_default_fixture_loop_scope" is unset.'
NO_TESTS = 5
ENDING_S = 900.0


@dataclass(frozen=True)
class OwnTests:
    """`files` are below `folder`, where they are run."""

    runner: Literal["pytest", "node"]
    folder: Path
    files: tuple[Path, ...]

    def command(self, *arguments: str) -> list[str]:
        """Raises `ConfigError` where there is nothing to run them with."""
        names = [str(file.relative_to(self.folder)) for file in self.files]
        if self.runner == "node":
            return [_find_node(self.folder), "--test", *arguments, *names]
        if util.find_spec("pytest") is None:
            raise ConfigError("its tests need pytest: pip install 'jackfield[test]'", file=str(self.folder))
        return [sys.executable, "-m", "pytest", *_loading(), *names, *arguments]

    def run(self, *arguments: str, environ: Mapping[str, str] | None = None, quiet: bool = False) -> int:
        """The exit code. Raises `ConfigError` where the tests do not end."""
        pipe = subprocess.PIPE if quiet else None
        variables = {"PYTHONWARNINGS": QUIET, **os.environ, **(environ or {})}
        try:
            ended = subprocess.run(  # noqa: S603 - the tests of a plugin that is to be tried
                self.command(*arguments),
                cwd=self.folder,
                env=variables,
                stdout=pipe,
                stderr=subprocess.STDOUT if quiet else None,
                timeout=ENDING_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ConfigError(f"its tests did not end within {ENDING_S:g} s", file=str(self.folder)) from error
        return ended.returncode


def _find_node(folder: Path) -> str:
    """The one that the gateway would run the plugin with, else whatever there is. Raises `ConfigError`."""
    try:
        return str(find_node())
    except ConfigError:
        if (node := shutil.which("node")) is not None:
            return node
        raise ConfigError("its tests are JavaScript: pip install 'jackfield[node]'", file=str(folder)) from None


def _loading() -> list[str]:
    """How pytest is told of our fixtures where the package has not told it already."""
    known = any(point.value == PLUGIN for point in metadata.entry_points(group="pytest11"))
    return ["-p", KIT] if known else ["-p", PLUGIN, "-p", KIT]


def find_tests(path: Path) -> OwnTests | None:
    """Those in the plugin's folder, else those of its name in the `tests` of the project around it. Raises
    `ConfigError` where there is no plugin."""
    folder = (path if path.is_dir() else path.parent).resolve()
    if path.is_dir() or _is_alone(path):
        files = tuple(_python_tests(folder))
        if files:
            return OwnTests("pytest", folder, files)
        if files := tuple(file for file in _walk(folder) if NODE_TESTS.match(file.name)):
            return OwnTests("node", folder, files)
    names = {re.sub(r"\W", "_", name) for name in _names_at(path)}
    for above in (folder, *folder.parents)[: UPWARDS + 1]:
        files = tuple(sorted(file for file in above.glob("tests/**/*.py") if _tests(file.stem, names)))
        if files:
            return OwnTests("pytest", above, files)
    return None


def _tests(stem: str, names: Collection[str]) -> bool:
    return any(stem in (f"test_{name}", f"{name}_test") or stem.startswith(f"test_{name}_") for name in names)


def _names_at(path: Path) -> Iterator[str]:
    """What the path and the plugins at it are called."""
    from jackfield.testing.check.ring_files import list_entries
    from jackfield.testing.check.subjects import find_subjects

    yield path.resolve().name if path.is_dir() else _name_of(path)
    for subject in find_subjects(path):
        if subject.dialect != "ring":
            yield subject.name
            continue
        for entry in list_entries(subject.told, subject.entries):
            yield from (entry.name, *entry.aliases)


def _is_alone(file: Path) -> bool:
    """Whether a file is the one a plugin's folder is known by, so that what is beside it is the plugin's."""
    return file.name in ("plugin.py", "jackfield.toml", "manifest.json", "package.json", "plugin.yaml")


def _name_of(file: Path) -> str:
    return file.resolve().parent.name if _is_alone(file) else file.stem


def _python_tests(folder: Path) -> Iterator[Path]:
    files = {file for file in _walk(folder) if any(file.match(pattern) for pattern in PYTHON_TESTS)}
    yield from sorted(files)


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in PASSED_OVER and not name.startswith("."))
        yield from (Path(place) / name for name in sorted(files))
