"""Whether hooks fit their points: each declaration is tried on the SDK's own decorator, with a function of the same
signature that does nothing. The plugin's code is not run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from jackfield.sdk.hooks import POINTS, hook
from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.plugin_class import PluginFile
from jackfield.testing.check.source import Function

LONGEST_MS = 30_000


class Unknown(Exception):
    """A value that cannot be read from the source."""


def check_hooks(file: PluginFile) -> Iterator[Finding]:
    path = file.source.path
    for one, mark in file.hooks():
        line = mark.lineno
        try:
            _try(one.node, mark)
        except TypeError as error:
            yield finding(path, line, "hook", f"{one.name}: {error}")
        except Unknown:
            pass
        yield from _check_deadline(file, one.name, mark)
    yield from _unmarked_methods(file)


def computed_options(file: PluginFile) -> list[str]:
    """What only running the module can tell."""
    told = []
    for one, mark in file.hooks():
        try:
            _options(mark)
        except TypeError:
            pass  # wrong however the rest is computed, and told as such
        except Unknown as error:
            told.append(f"{error} of {one.name} is computed")
    return told


def _try(function: Function, mark: ast.Call) -> None:
    """Raises `TypeError` as the decorator would."""
    options = _options(mark)
    try:
        marked = hook(**options)
    except TypeError as error:
        raise TypeError(str(error).removeprefix("hook ").removeprefix("hook: ").removeprefix("hook() ")) from error
    try:
        marked(_make_double(function))
    except TypeError as error:
        raise TypeError(str(error).removeprefix(f"hook {function.name}: ")) from error


def _options(mark: ast.Call) -> dict[str, Any]:
    if any(isinstance(given, ast.Starred) for given in mark.args) or any(one.arg is None for one in mark.keywords):
        raise Unknown("an option")
    if len(mark.args) > 1:
        raise TypeError("takes one option by position, the point")
    named = {"point": mark.args[0]} if mark.args else {}
    named |= {one.arg: one.value for one in mark.keywords if one.arg is not None}
    return {name: _read(name, value) for name, value in named.items()}


def _read(name: str, node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise Unknown(name) from error


def _make_double(function: Function) -> Any:
    """A function of this name and signature; defaults and annotations are strangers' code, so they are left out."""
    arguments = _bare(function.args)
    kind = type(function)
    double = kind(name=function.name, args=arguments, body=[ast.Pass()], decorator_list=[], returns=None)
    module = ast.fix_missing_locations(ast.Module(body=[double], type_ignores=[]))
    made: dict[str, Any] = {}
    exec(compile(module, "<signature>", "exec"), {}, made)  # noqa: S102 - a name, parameters and `pass`
    return made[function.name]


def _bare(arguments: ast.arguments) -> ast.arguments:
    def strip(one: ast.arg) -> ast.arg:
        return ast.arg(arg=one.arg)

    none = ast.Constant(value=None)
    return ast.arguments(
        posonlyargs=[strip(one) for one in arguments.posonlyargs],
        args=[strip(one) for one in arguments.args],
        vararg=strip(arguments.vararg) if arguments.vararg else None,
        kwonlyargs=[strip(one) for one in arguments.kwonlyargs],
        kw_defaults=[none if default is not None else None for default in arguments.kw_defaults],
        kwarg=strip(arguments.kwarg) if arguments.kwarg else None,
        defaults=[none for _ in arguments.defaults],
    )


def _check_deadline(file: PluginFile, name: str, mark: ast.Call) -> Iterator[Finding]:
    stated = next((one.value for one in mark.keywords if one.arg == "timeout_ms"), None)
    value = stated.value if isinstance(stated, ast.Constant) else None
    if stated is not None and isinstance(value, int) and value > LONGEST_MS:
        yield finding(file.source.path, stated.lineno, "long-deadline", tell_long(name, value))


def tell_long(name: str, milliseconds: int) -> str:
    return f"{name} may take {milliseconds / 1000:g} s of every exchange; at most {LONGEST_MS // 1000} s"


def _unmarked_methods(file: PluginFile) -> Iterator[Finding]:
    """A method that bears the name of a hook point, and is neither marked nor mentioned, is never called."""
    mentioned = {node.attr for node in ast.walk(file.source.tree) if isinstance(node, ast.Attribute)}
    for plugin in file.plugins:
        for point in POINTS:
            name = f"{plugin.name}.{point}"
            known = file.functions.known.get(name)
            if known is not None and not known.node.decorator_list and point not in mentioned and known.is_async:
                yield finding(
                    file.source.path,
                    known.node.lineno,
                    "hook",
                    f"{name} is never called: mark it with @hook({point!r}) to make it a hook",
                )
