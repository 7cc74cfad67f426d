"""What only the plugin's own code can tell: its module is run in a process of its own, which ends afterwards.

No hook and no `on_load` is called.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from jackfield.dialects.native import NativeDialect
from jackfield.sdk.hooks import hooks_of
from jackfield.sdk.plugin import Plugin, config_model
from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.hooks import LONGEST_MS, tell_long
from jackfield.testing.check.plugin_class import PluginFile
from jackfield.testing.check.subjects import Subject

WITHIN_S = 20.0


class ToldHook(msgspec.Struct, frozen=True):
    name: str
    timeout_ms: int | None


class Told(msgspec.Struct, frozen=True):
    """`undescribed` are the settings without a description. Where the module raised there is only `error`, with the
    file and line where it did."""

    error: str = ""
    file: str = ""
    line: int = 1
    hooks: tuple[ToldHook, ...] = ()
    model: str = ""
    undescribed: tuple[str, ...] = ()


def rehearse(subject: Subject, main: PluginFile, *, described: bool) -> Iterator[Finding]:
    """`described` tells whether settings must have descriptions."""
    told = ask_process(subject)
    path = main.source.path
    if told.error:
        yield finding(Path(told.file) if told.file else path, told.line, "import", told.error)
        return
    marks = {one.node.name: mark for one, mark in main.hooks()}
    for hook in told.hooks:
        mark = marks.get(hook.name)
        stated = mark is not None and any(_is_literal(one) for one in mark.keywords if one.arg == "timeout_ms")
        if (hook.timeout_ms or 0) > LONGEST_MS and not stated:
            line = mark.lineno if mark is not None else 1
            yield finding(path, line, "long-deadline", tell_long(hook.name, hook.timeout_ms or 0))
    if described and told.model not in main.source.classes:
        for field in told.undescribed:
            message = f"{told.model}.{field} has no description: give it Field(description=…)"
            yield finding(path, main.plugins[0].lineno if main.plugins else 1, "field-description", message)


def _is_literal(keyword: Any) -> bool:
    return hasattr(keyword.value, "value") and isinstance(keyword.value.value, int)


def ask_process(subject: Subject) -> Told:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        command = [sys.executable, "-m", __spec__.name, str(subject.folder or ""), str(subject.entry), str(answer)]
        try:
            subprocess.run(  # noqa: S603 - this interpreter, with paths as arguments
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=WITHIN_S,
                check=False,
                env={name: value for name, value in os.environ.items() if not name.startswith("JACKFIELD_")},
            )
            return msgspec.json.decode(answer.read_bytes(), type=Told)
        except subprocess.TimeoutExpired:
            return Told(error=f"the module did not end within {WITHIN_S:g} s")
        except (OSError, msgspec.DecodeError):
            return Told(error="the module ended the process that ran it")


def main(arguments: list[str]) -> None:
    folder, entry, answer = arguments
    try:
        told = _tell(_load(folder, entry))
    except BaseException as error:  # noqa: BLE001 - whatever the plugin's module raises is what is asked for
        told = _tell_error(error, folder or entry)
    Path(answer).write_bytes(msgspec.json.encode(told))


def _load(folder: str, entry: str) -> type[Plugin[Any]]:
    if folder:
        place = Path(folder)
        found = next(found for found in NativeDialect().find(place.parent) if found.folder == place)
        return NativeDialect().read(found).kind
    spec = importlib.util.spec_from_file_location("jackfield_checked", entry)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    kinds = [value for value in vars(module).values() if _is_plugin_of(value, spec.name)]
    if len(kinds) != 1:
        raise TypeError(f"there are {len(kinds)} subclasses of jackfield.sdk.Plugin in it, not one")
    found_kind: type[Plugin[Any]] = kinds[0]
    return found_kind


def _is_plugin_of(value: object, module: str) -> bool:
    return isinstance(value, type) and issubclass(value, Plugin) and value.__module__ == module


def _tell(kind: type[Plugin[Any]]) -> Told:
    model = config_model(kind)
    return Told(
        hooks=tuple(ToldHook(spec.name, spec.timeout_ms) for spec in hooks_of(kind)),
        model=model.__name__,
        undescribed=tuple(name for name, field in model.model_fields.items() if not field.description),
    )


def _tell_error(error: BaseException, place: str) -> Told:
    """With the last line of the plugin's own files that had a part in it."""
    if isinstance(error, SyntaxError) and error.filename and str(error.filename).startswith(place):
        return Told(error=f"SyntaxError: {error.msg}", file=str(error.filename), line=error.lineno or 1)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(place)]
    file, line = (frames[-1].filename, frames[-1].lineno or 1) if frames else ("", 1)
    return Told(error=f"{type(error).__name__}: {error}", file=file, line=line)


if __name__ == "__main__":
    main(sys.argv[1:])
