"""Each example is a folder that is whole: it works where it is copied to, and says what it is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jackfield.testing.check import check, find_subjects
from jackfield.testing.own_tests import find_tests
from surroundings import outside

from .folders import EXAMPLES, NAMES, PAGE

WITHIN_S = 60.0
IGNORED = shutil.ignore_patterns("__pycache__")


def test_the_check_finds_nothing_without_running_them() -> None:
    subjects = find_subjects(EXAMPLES)
    report = check([subjects], run=True)
    assert (report.findings, report.ran) == ([], [])
    assert sorted(subject.name for subject in subjects) == NAMES


def test_copied_elsewhere_they_pass_their_own_tests(tmp_path: Path) -> None:
    """As their authors would run them, with nothing of the tests around them; all that are in Python in one process."""
    shutil.copytree(EXAMPLES, tmp_path / "plugins", ignore=IGNORED)
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "no:xdist"]
    ended = subprocess.run(
        command, cwd=tmp_path / "plugins", env=outside(), capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    python = [name for name in NAMES if (own := find_tests(EXAMPLES / name)) is not None and own.runner == "pytest"]
    assert [name for name in python if f"{name}/tests/test_" not in ended.stdout] == []


def test_copied_elsewhere_the_one_in_typescript_passes_its_own(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "weather-ts", tmp_path / "weather-ts", ignore=IGNORED)
    tests = find_tests(tmp_path / "weather-ts")
    assert tests is not None
    assert tests.runner == "node"
    assert tests.run(quiet=True) == 0


@pytest.mark.parametrize("name", NAMES)
def test_each_has_tests_a_page_and_words_for_its_reader(name: str) -> None:
    readme = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 50
    assert find_tests(EXAMPLES / name) is not None or any((EXAMPLES / name).glob("*_test.go"))
    assert f"examples/{name}" in PAGE.read_text(encoding="utf-8")


def test_what_the_manifests_ask_for_is_explained() -> None:
    for subject in find_subjects(EXAMPLES):
        assert subject.folder is not None
        readme = (subject.folder / "README.md").read_text(encoding="utf-8")
        told = subject.told.read_text(encoding="utf-8")
        asked = re.findall(r'"(\w+:\w+)"', told)
        assert asked or subject.dialect == "provider"
        assert [name for name in asked if f"`{name}`" not in readme] == []
