"""What wheels have compiled, as `pyproject.toml` names it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PATTERNS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["jackfield"]["compiled"]
# They find their place, or one another, by how they are imported: a library has neither.
NOT_COMPILED = ("__main__.py", "cli/*.py", "dialects/**/*.py", "runtimes/**/*.py", "guests/*.py", "plugins/**/*.py")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_pattern_names_modules_that_are_there(pattern: str) -> None:
    assert [file for file in (ROOT / "src/jackfield").glob(pattern) if file.name != "__init__.py"]


def test_what_runs_in_other_processes_or_by_its_path_is_never_compiled() -> None:
    package = ROOT / "src/jackfield"
    compiled = {file for pattern in PATTERNS for file in package.glob(pattern)}
    assert compiled.isdisjoint(file for pattern in NOT_COMPILED for file in package.glob(pattern))
