"""Async code that catches its own cancellation and goes on: neither a deadline nor a client that leaves ends it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jackfield.testing.check.findings import Finding, finding
from jackfield.testing.check.functions import Known
from jackfield.testing.check.plugin_class import PluginFile
from jackfield.testing.check.source import own_nodes

_CANCELLED = frozenset(
    {"asyncio.CancelledError", "asyncio.exceptions.CancelledError", "concurrent.futures.CancelledError"}
)
_EVERYTHING = "builtins.BaseException"
_DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_WAITS = ast.Await | ast.AsyncFor | ast.AsyncWith
# Where an exception that is handed on is raised later, or by somebody else.
_KEEPS = frozenset({"add", "append", "put", "put_nowait", "set_exception"})


def check_cancellation(file: PluginFile) -> Iterator[Finding]:
    for one in file.functions:
        if one.is_async:
            cleaning = _cleaning(one)
            for node in own_nodes(one.node):
                if isinstance(node, ast.Try | ast.TryStar) and node not in cleaning:
                    yield from _check_try(file, one, node)
                elif isinstance(node, ast.With) and node not in cleaning:
                    yield from _check_suppress(file, one, node)


def _cleaning(one: Known) -> set[ast.AST]:
    """What stands in a handler that raises afterwards: whatever is caught in cleaning up, the first error goes on."""
    handlers = (node for node in own_nodes(one.node) if isinstance(node, ast.ExceptHandler))
    return {
        inner
        for handler in handlers
        if any(isinstance(statement, ast.Raise) for statement in handler.body)
        for inner in own_nodes(handler)
    }


def _check_try(file: PluginFile, one: Known, node: ast.Try | ast.TryStar) -> Iterator[Finding]:
    if not _waits(node.body):
        return
    for handler in node.handlers:
        caught = _caught(file, one, handler.type)
        passed_on = _passes_on(file, one, handler)
        if caught & _CANCELLED and passed_on:
            return
        if caught and not passed_on and not _is_the_end_of_a_task(one, caught, node.body):
            what = "everything" if _EVERYTHING in caught else "CancelledError"
            yield _tell(file, one, handler.lineno, f"catches {what} around an await and does not raise it again")


def _check_suppress(file: PluginFile, one: Known, node: ast.With) -> Iterator[Finding]:
    for item in node.items:
        call = item.context_expr
        if isinstance(call, ast.Call) and file.source.origin(call.func, one.shadowed) == "contextlib.suppress":
            caught = {name for given in call.args for name in _caught(file, one, given)}
            if caught and _waits(node.body) and not _is_the_end_of_a_task(one, caught, node.body):
                yield _tell(file, one, node.lineno, "suppresses its cancellation around an await")


def _caught(file: PluginFile, one: Known, node: ast.expr | None) -> set[str]:
    """The names that take a cancellation; nothing named takes everything."""
    if node is None:
        return {_EVERYTHING}
    named = node.elts if isinstance(node, ast.Tuple) else [node]
    origins = {file.source.origin(each, one.shadowed) for each in named}
    return {origin for origin in origins if origin == _EVERYTHING or origin in _CANCELLED}


def _waits(body: list[ast.stmt]) -> bool:
    plain = [statement for statement in body if not isinstance(statement, _DEFINITIONS)]
    return any(isinstance(node, _WAITS) for statement in plain for node in (statement, *own_nodes(statement)))


def _passes_on(file: PluginFile, one: Known, handler: ast.ExceptHandler) -> bool:
    """Whether it is raised, here or by a function of this file, or kept for somebody to raise."""
    for node in own_nodes(handler):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Assign | ast.Return) and _is_name(node.value, handler.name):
            return True
        if isinstance(node, ast.Call) and any(_is_name(given, handler.name) for given in node.args):
            callee = file.functions.callee(node.func, one)
            if (isinstance(node.func, ast.Attribute) and node.func.attr in _KEEPS) or _raises(file, callee):
                return True
    return False


def _is_name(node: ast.expr | None, name: str | None) -> bool:
    return name is not None and isinstance(node, ast.Name) and node.id == name


def _raises(file: PluginFile, callee: str | None) -> bool:
    known = file.functions.known.get(callee) if callee else None
    return known is not None and any(isinstance(node, ast.Raise) for node in own_nodes(known.node))


def _is_the_end_of_a_task(one: Known, caught: set[str], body: list[ast.stmt]) -> bool:
    """Waiting for a task that this function has cancelled ends in that task's cancellation, which is no one else's."""
    cancels = any(isinstance(call.node.func, ast.Attribute) and call.node.func.attr == "cancel" for call in one.calls)
    awaits = [node for statement in body for node in own_nodes(statement) if isinstance(node, ast.Await)]
    return _EVERYTHING not in caught and cancels and len(awaits) > 0


def _tell(file: PluginFile, one: Known, line: int, message: str) -> Finding:
    return finding(file.source.path, line, "swallowed-cancellation", f"{one.name} {message}")
