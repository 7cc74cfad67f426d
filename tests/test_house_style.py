"""The size and naming rules of CONTRIBUTING.md, held against every file of the checkout."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
BENCH = sorted((ROOT / "bench").rglob("*.py"))
EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))
PYTHON = [*SOURCES, *TESTS, *BENCH, *EXAMPLES]
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yml", ".yaml", ".json", ".txt", ".jsonl", ".sse", ".mako", ".ini"}
LOOSE_TEXTS = (
    "Makefile",
    ".ci/run",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "pyproject.toml",
    "mkdocs.yml",
)

MEDIAN_FUNCTION_LINES = 10
FUNCTION_LINES = 60
FILE_LINES = 500

MODULE_NAMES = {"utils", "common", "helpers", "core", "managers"}
CLASS_NAME = re.compile(r"^_*(?:\w*Manager|\w*Impl|Base(?:[A-Z]\w*)?)$")
# Spelled in pieces, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
WORKPLACE = re.compile("|".join(re.escape(f"/{name}/") for name in ("work", "root", "tmp/brief")))
REASONED = re.compile(r"#\s*noqa:\s*BLE001\b\W*\w+")
COMMENTED = re.compile(r"#\s*\w+")
ASSERTING_CALLS = re.compile(r"^(?:assert|raises$|warns$|fail$|deprecated_call$|run_state_machine_as_test$)")

Function = ast.FunctionDef | ast.AsyncFunctionDef


RULED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Call, ast.ExceptHandler)


@pytest.fixture(scope="module", autouse=True)
def forget_all_trees() -> Iterator[None]:
    """They are millions of objects: each collection in the tests that follow would go through them."""
    yield
    for known in (nodes_in, calls_in, asserts_itself):
        known.cache_clear()


@cache
def nodes_in(file: Path) -> tuple[ast.AST, ...]:
    """Of the kinds that there are rules for."""
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    return tuple(node for node in ast.walk(tree) if isinstance(node, RULED))


def place(file: Path, line: int = 0) -> str:
    return f"{file.relative_to(ROOT)}:{line}" if line else str(file.relative_to(ROOT))


def functions_in(file: Path) -> Iterator[Function]:
    return (node for node in nodes_in(file) if isinstance(node, Function))


def lines_of(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def listed(faults: list[str]) -> str:
    return "\n  ".join(["", *faults])


def texts() -> Iterator[Path]:
    for folder in ("src", "tests", "bench", "docs", "examples"):
        for file in sorted((ROOT / folder).rglob("*")):
            hidden = any(part == "__pycache__" or part.startswith(".") for part in file.relative_to(ROOT).parts)
            if file.suffix in TEXT_SUFFIXES and not hidden and "results" not in file.parts:
                yield file
    yield from (file for name in LOOSE_TEXTS if (file := ROOT / name).exists())


def test_the_median_function_fits_in_a_glance() -> None:
    sizes = [lines_of(function) for file in SOURCES for function in functions_in(file)]
    assert statistics.median(sizes) <= MEDIAN_FUNCTION_LINES


def test_no_function_is_longer_than_a_screen() -> None:
    faults = [
        f"{place(file, function.lineno)} {function.name}: {lines_of(function)} lines"
        for file in PYTHON
        for function in functions_in(file)
        if lines_of(function) > FUNCTION_LINES
    ]
    assert not faults, listed(faults)


def test_no_file_is_longer_than_its_noun() -> None:
    sizes = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in PYTHON}
    faults = [f"{place(file)}: {size} lines" for file, size in sizes.items() if size > FILE_LINES]
    assert not faults, listed(faults)


def test_modules_are_named_by_what_they_hold() -> None:
    parts = {file: {file.stem, *file.relative_to(ROOT).parent.parts} for file in PYTHON}
    faults = [place(file) for file, names in parts.items() if names & MODULE_NAMES]
    assert not faults, listed(faults)


def test_classes_are_named_by_what_they_are() -> None:
    faults = [
        f"{place(file, node.lineno)} {node.name}"
        for file in PYTHON
        for node in nodes_in(file)
        if isinstance(node, ast.ClassDef) and CLASS_NAME.match(node.name)
    ]
    assert not faults, listed(faults)


@pytest.mark.parametrize(("pattern", "what"), [(UNFINISHED, "unfinished"), (WORKPLACE, "a path of one machine")])
def test_texts_are_finished_and_belong_to_no_machine(pattern: re.Pattern[str], what: str) -> None:
    faults = [
        f"{place(file, number)}: {what}: {line.strip()[:80]}"
        for file in texts()
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not faults, listed(faults)


def names_everything(caught: ast.expr | None) -> bool:
    """Whether an `except` clause or a `suppress` argument takes `Exception` or more."""
    if caught is None:
        return True
    if isinstance(caught, ast.Tuple):
        return any(names_everything(item) for item in caught.elts)
    return isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException")


def is_swallowing(node: ast.AST) -> TypeGuard[ast.ExceptHandler]:
    """Whether a node is a broad handler that does not raise again: only such a one is a boundary."""
    if not isinstance(node, ast.ExceptHandler) or not names_everything(node.type):
        return False
    return not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))


def wanted_reason(handler: ast.ExceptHandler) -> re.Pattern[str]:
    """Ruff takes a handler that logs the traceback for a boundary and refuses `noqa` there: its reason is a comment."""
    logged = any(called(node) == "exception" for node in ast.walk(handler) if isinstance(node, ast.Call))
    return COMMENTED if logged else REASONED


def test_every_broad_except_is_a_named_boundary() -> None:
    faults = []
    for file in PYTHON:
        lines = file.read_text(encoding="utf-8").splitlines()
        found = (node for node in nodes_in(file) if is_swallowing(node))
        faults += [
            f"{place(file, handler.lineno)}: needs its reason beside it, after `noqa: BLE001` where ruff asks for that"
            for handler in found
            if not wanted_reason(handler).search(lines[handler.lineno - 1])
        ]
    assert not faults, listed(faults)


def test_no_suppress_hides_everything() -> None:
    faults = [
        place(file, node.lineno)
        for file in PYTHON
        for node in nodes_in(file)
        if isinstance(node, ast.Call)
        and called(node) == "suppress"
        and any(names_everything(argument) for argument in node.args)
    ]
    assert not faults, listed(faults)


def called(call: ast.Call) -> str:
    """The bare name of what is called."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


@cache
def calls_in(function: Function) -> set[str]:
    return {called(node) for node in ast.walk(function) if isinstance(node, ast.Call)}


@cache
def asserts_itself(function: Function) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(function)) or any(
        ASSERTING_CALLS.match(name) for name in calls_in(function)
    )


def asserting_names() -> set[str]:
    """The functions of the tests that assert, by themselves or through what they call."""
    functions = [function for file in TESTS for function in functions_in(file)]
    names = {function.name for function in functions if asserts_itself(function)}
    while grown := {f.name for f in functions if f.name not in names and calls_in(f) & names}:
        names |= grown
    return names


def test_every_test_asserts_something() -> None:
    names = asserting_names()
    faults = [
        f"{place(file, function.lineno)} {function.name}"
        for file in TESTS
        if file.name.startswith("test_")
        for function in functions_in(file)
        if function.name.startswith("test_") and not asserts_itself(function) and not calls_in(function) & names
    ]
    assert not faults, listed(faults)
