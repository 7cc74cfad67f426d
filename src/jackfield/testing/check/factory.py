"""The checks of a factory plugin, as far as they need no host: what `plugin.py` declares, and how its code waits."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jackfield.testing.check.checked import Checked, Stated, check_source
from jackfield.testing.check.configs import check_model
from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.plugin_class import PluginFile
from jackfield.testing.check.source import Source, text_of
from jackfield.testing.check.subjects import Subject

_MANIFESTS = frozenset({"ccproxy.plugins.PluginManifest", "ccproxy.core.plugins.PluginManifest"})
_DECORATED = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "websocket", "api_route", "route"})


def check_factory(subject: Subject) -> Checked:
    checked = Checked()
    sources: dict[str, Source] = {}
    for path in subject.sources():
        source = Source.read(path)
        if isinstance(source, Source):
            sources[path.stem] = source
            checked.add(check_source(PluginFile(source, _handlers(source))))
        else:
            checked.add([source])
    entry = sources.get(subject.entry.stem)
    if entry is not None:
        _check_declaration(checked, entry, sources)
    return checked


def _handlers(source: Source) -> frozenset[str]:
    """What answers requests: functions behind a router's decorator."""
    return frozenset(
        node.name
        for node in source.tree.body
        if isinstance(node, ast.AsyncFunctionDef)
        and any(
            isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute) and mark.func.attr in _DECORATED
            for mark in node.decorator_list
        )
    )


def _check_declaration(checked: Checked, entry: Source, sources: dict[str, Source]) -> None:
    if "factory" not in entry.assigned and "factory" not in entry.origins:
        checked.add([finding(entry.path, 1, "plugin-class", "it exports no factory: factory = MyFactory()")])
    for call in _manifests(entry):
        stated = {one.arg: one.value for one in call.keywords if one.arg}
        for at, name in enumerate(("name", "version", "description")[: len(call.args)]):
            stated[name] = call.args[at]
        if called := text_of(stated.get("name")):
            checked.ids.append(Stated(called, entry.path, stated["name"].lineno))
        checked.add(_check_stated(entry, call, stated))
        checked.add(_check_config(entry, stated.get("config_class"), sources))


def _manifests(entry: Source) -> list[ast.Call]:
    calls = [node for node in ast.walk(entry.tree) if isinstance(node, ast.Call)]
    return [call for call in calls if entry.origin(call.func) in _MANIFESTS]


def _check_stated(entry: Source, call: ast.Call, stated: dict[str, ast.expr]) -> Iterator[Finding]:
    if any(one.arg is None for one in call.keywords):
        return
    for name in ("name", "version"):
        if name not in stated:
            yield finding(entry.path, call.lineno, "manifest", f"PluginManifest: {name} is missing")
    if "description" not in stated or text_of(stated["description"]) == "":
        yield finding(entry.path, call.lineno, "description", "PluginManifest: there is no description")


def _check_config(entry: Source, given: ast.expr | None, sources: dict[str, Source]) -> Iterator[Finding]:
    """The model may be in a file beside `plugin.py`."""
    if not isinstance(given, ast.Name):
        return
    module, _, name = entry.origins.get(given.id, "").rpartition(".")
    source = sources.get(module.lstrip(".")) if module else entry
    if source is not None and (name or given.id) in source.classes:
        yield from check_model(source, name or given.id)
