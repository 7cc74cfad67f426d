"""The checks of a ring manifest and of every plugin that it lists."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jackfield.dialects.rings.lint import find_faults
from jackfield.dialects.rings.manifest import RingEntry, read_entry
from jackfield.dialects.rings.manifest import Source as RingSource
from jackfield.dialects.rings.problems import EntryProblem
from jackfield.errors import ManifestError
from jackfield.testing.check.checked import Checked, Stated, check_source
from jackfield.testing.check.documents import Document, read_document
from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.hooks import LONGEST_MS, tell_long
from jackfield.testing.check.plugin_class import PluginFile
from jackfield.testing.check.refusals import Lines, Steps, line_of, show_steps, tell_refusal
from jackfield.testing.check.ring_files import INSTALLED, find_plugins_folder, list_entries
from jackfield.testing.check.source import Source
from jackfield.testing.check.subjects import Subject

_METHODS = ("execute", "on_load", "on_unload")


def check_rings(subject: Subject) -> Checked:
    checked = Checked()
    read = read_document(subject.told)
    if not isinstance(read, Document):
        checked.add([read])
        return checked
    entries = read.data.get("plugins") if isinstance(read.data, dict) else None
    if not isinstance(entries, list):
        checked.add([finding(subject.told, 1, "manifest", "there is no list under the top key plugins")])
        return checked
    meant = [(index, raw) for index, raw in enumerate(entries) if _is_meant(raw, subject)]
    for index, raw in meant:
        _check_entry(checked, subject.told, raw, ("plugins", index), read.lines)
    distinct = len({stated.id for stated in checked.ids}) == len(meant)
    if distinct and not any(found.level == "error" for found in checked.findings):
        checked.add(_ask_dialect(subject))
    return checked


def _is_meant(raw: Any, subject: Subject) -> bool:
    try:
        return not subject.entries or read_entry(raw, _source_of(subject.told)).id in subject.entries
    except EntryProblem:
        return False


def _source_of(manifest: Path) -> RingSource:
    return "installed" if manifest.parent.name == INSTALLED else "bundled"


def _ask_dialect(subject: Subject) -> Iterator[Finding]:
    """What the gateway would still refuse, such as files that lead out of the folder."""
    for found in list_entries(subject.told, subject.entries):
        try:
            found.manifest()
            if found.contents is not None:
                found.contents()
        except ManifestError as error:
            yield tell_refusal(error, subject.told)


def _check_entry(checked: Checked, manifest: Path, raw: Any, place: Steps, lines: Lines) -> None:
    try:
        entry = read_entry(raw, _source_of(manifest))
    except EntryProblem as problem:
        checked.add(_tell_problems(problem, manifest, place, lines))
        return
    checked.ids.append(Stated(entry.id, manifest, line_of((*place, "name"), lines)))
    checked.add(_check_words(entry, raw, manifest, place, lines))
    if (entry.timeout_ms or 0) > LONGEST_MS:
        line = line_of((*place, "timeout_ms"), lines)
        checked.add([finding(manifest, line, "long-deadline", tell_long(entry.name, entry.timeout_ms or 0))])
    checked.add(_check_module(entry, manifest, line_of((*place, "entrypoint"), lines)))


def _tell_problems(problem: EntryProblem, manifest: Path, place: Steps, lines: Lines) -> Iterator[Finding]:
    """The reader stops at the first; the rest of them is in what it was raised from."""
    told = [(problem.path, problem.message)]
    if isinstance(problem.__cause__, ValidationError):
        told += [(detail["loc"], _message(detail["type"], detail["msg"])) for detail in problem.__cause__.errors()[1:]]
    for path, message in told:
        steps = (*place, *path)
        yield finding(manifest, line_of(steps, lines), "manifest", f"{show_steps(steps)}: {message}")


def _message(kind: str, message: str) -> str:
    words = {"extra_forbidden": "unknown key", "missing": "is missing"}
    return words.get(kind, message.removeprefix("Value error, "))


def _check_words(
    entry: RingEntry, raw: Mapping[str, Any], manifest: Path, place: Steps, lines: Lines
) -> Iterator[Finding]:
    here = line_of(place, lines)
    if not entry.description.strip():
        yield finding(manifest, here, "description", f"{entry.name} has no description: operators choose by it")
    if "version" not in raw:
        yield finding(manifest, here, "version", f"{entry.name} has no version")
    shown = {str(item.get("key")) for item in entry.ui_schema}
    for index, item in enumerate(entry.ui_schema):
        if not item.get("description"):
            line = line_of((*place, "ui_schema", index), lines)
            yield finding(manifest, line, "field-description", f"{entry.name}: {item.get('key')} has no description")
    for key in entry.config:
        if key not in shown:
            line = line_of((*place, "config", key), lines)
            yield finding(manifest, line, "field-description", f"{entry.name}: {key} has no field in ui_schema")


def _check_module(entry: RingEntry, manifest: Path, line: int) -> Iterator[Finding]:
    path = find_plugins_folder(manifest).joinpath(*entry.module.split(".")).with_suffix(".py")
    if not path.is_file():
        where = f"{entry.module.replace('.', '/')}.py"
        yield finding(manifest, line, "plugin-class", f"{entry.name}: there is no {where} in the plugins folder")
        return
    source = Source.read(path)
    if not isinstance(source, Source):
        yield source
        return
    yield from _check_symbol(entry, source)
    hot = frozenset({entry.symbol, f"{entry.symbol}.execute"})
    refused = [finding(path, at, "lint", message) for at, message in find_faults(source.tree)]
    lines = {found.line for found in refused}
    yield from refused
    yield from (found for found in check_source(PluginFile(source, hot)) if found.line not in lines)


def _check_symbol(entry: RingEntry, source: Source) -> Iterator[Finding]:
    functions = {
        node.name: node for node in source.tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    if entry.symbol in functions:
        yield from _check_call(source, entry.symbol, functions[entry.symbol], ("ctx",))
    elif entry.symbol in source.classes:
        for node in source.classes[entry.symbol].body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in _METHODS:
                given = ("self", "ctx") if node.name == "execute" else ("self",)
                yield from _check_call(source, f"{entry.symbol}.{node.name}", node, given)
    elif entry.symbol not in source.origins and entry.symbol not in source.assigned:
        yield finding(source.path, 1, "plugin-class", f"there is no {entry.symbol} in it, as {entry.name} has it")


def _check_call(
    source: Source, name: str, node: ast.FunctionDef | ast.AsyncFunctionDef, given: tuple[str, ...]
) -> Iterator[Finding]:
    if not isinstance(node, ast.AsyncFunctionDef):
        yield finding(source.path, node.lineno, "hook", f"{name}: must be `async def`")
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    required = len(positional) - len(arguments.defaults)
    static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in node.decorator_list)
    wanted = len(given) - static
    keywords = [
        one for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None
    ]
    if required > wanted or (len(positional) < wanted and arguments.vararg is None) or keywords:
        yield finding(source.path, node.lineno, "hook", f"{name}: is called with ({', '.join(given)})")
