"""The functions of a file, and which of them call which."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from jackfield.testing.check.source import Function, Source, bound_names

_BOUNDS = frozenset(
    {"asyncio.timeout", "asyncio.timeout_at", "async_timeout.timeout", "anyio.fail_after", "anyio.move_on_after"}
)
_SPAWNS = frozenset({"create_task", "ensure_future", "start_soon", "run_coroutine_threadsafe"})
_NESTED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


@dataclass(frozen=True, kw_only=True)
class Call:
    """`origin` is what is called where that was imported or is a builtin, `callee` where it is a function of this file.
    `bounded` tells whether a deadline is around it, `spawned` whether it runs as a task of its own."""

    node: ast.Call
    origin: str | None
    callee: str | None
    bounded: bool
    spawned: bool
    awaited: bool

    @property
    def line(self) -> int:
        return self.node.lineno


@dataclass(kw_only=True)
class Known:
    """A function; `name` is `Class.method` for methods."""

    name: str
    node: Function
    owner: str | None
    shadowed: frozenset[str]
    calls: list[Call] = field(default_factory=list)

    @property
    def is_async(self) -> bool:
        return isinstance(self.node, ast.AsyncFunctionDef)


class Functions:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.known: dict[str, Known] = {}
        self._collect(source.tree, None, "")
        for one in self.known.values():
            one.calls.extend(_Calls(self, one).find())

    def __iter__(self) -> Iterator[Known]:
        return iter(self.known.values())

    def _collect(self, parent: ast.AST, owner: str | None, prefix: str) -> None:
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.ClassDef):
                self._collect(node, node.name, f"{prefix}{node.name}.")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{prefix}{node.name}"
                self.known[name] = Known(name=name, node=node, owner=owner, shadowed=bound_names(node))
                self._collect(node, owner, f"{name}.")
            else:
                self._collect(node, owner, prefix)

    def callee(self, node: ast.expr, caller: Known) -> str | None:
        """`self.name` is looked for in the caller's class and its parents, a name beside the caller and at the top."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
            return self._method(caller.owner, node.attr)
        if not isinstance(node, ast.Name):
            return None
        near = (f"{caller.name}.{node.id}", node.id)
        return next((name for name in near if name in self.known), None)

    def _method(self, owner: str | None, name: str) -> str | None:
        seen: set[str] = set()
        waiting = [owner] if owner else []
        while waiting:
            kind = waiting.pop(0)
            if f"{kind}.{name}" in self.known:
                return f"{kind}.{name}"
            seen.add(kind)
            found = self.source.classes.get(kind)
            parents = [_parent(base) for base in found.bases] if found else []
            waiting += [parent for parent in parents if parent and parent not in seen]
        return None

    def reached(self, first: Iterable[Known], *, bounded: bool = True) -> dict[str, Known]:
        """The functions themselves and what they call in turn, `bounded` or not."""
        found: dict[str, Known] = {}
        waiting = list(first)
        while waiting:
            one = waiting.pop()
            if one.name not in found:
                found[one.name] = one
                waiting += [
                    self.known[call.callee]
                    for call in one.calls
                    if call.callee and (bounded or not call.bounded or call.spawned)
                ]
        return found


class _Calls(ast.NodeVisitor):
    """The calls of one function, in the order of the text."""

    def __init__(self, functions: Functions, function: Known) -> None:
        self._functions, self._function = functions, function
        self._found: list[Call] = []
        self._bounded = self._spawned = self._awaited = False

    def find(self) -> list[Call]:
        for node in self._function.node.body:
            self.visit(node)
        return self._found

    def visit(self, node: ast.AST) -> None:
        if not isinstance(node, _NESTED):
            super().visit(node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        for item in node.items:
            self.visit(item.context_expr)
        before = self._bounded
        self._bounded = before or any(self._is_bound(item.context_expr) for item in node.items)
        for inner in node.body:
            self.visit(inner)
        self._bounded = before

    def visit_With(self, node: ast.With) -> None:
        before = self._bounded
        self._bounded = before or any(self._is_bound(item.context_expr) for item in node.items)
        self.generic_visit(node)
        self._bounded = before

    def visit_Await(self, node: ast.Await) -> None:
        self._awaited = isinstance(node.value, ast.Call)
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        origin = self._origin(node.func)
        callee = None if origin else self._functions.callee(node.func, self._function)
        waits = origin in ("asyncio.wait_for", "asyncio.wait") and _has_limit(node)
        spawns = isinstance(node.func, ast.Attribute | ast.Name) and _last(node.func) in _SPAWNS
        self._found.append(
            Call(
                node=node,
                origin=origin,
                callee=callee,
                bounded=self._bounded or _has_limit(node),
                spawned=self._spawned,
                awaited=self._awaited,
            )
        )
        before = self._bounded, self._spawned
        self._bounded, self._spawned = self._bounded or waits, spawns
        self._awaited = False
        self.generic_visit(node)
        self._bounded, self._spawned = before

    def _origin(self, node: ast.expr) -> str | None:
        return self._functions.source.origin(node, self._function.shadowed)

    def _is_bound(self, node: ast.expr) -> bool:
        """A deadline of `None` is none."""
        if not isinstance(node, ast.Call) or self._origin(node.func) not in _BOUNDS:
            return False
        return not any(isinstance(given, ast.Constant) and given.value is None for given in node.args)


def _parent(base: ast.expr) -> str | None:
    """`Parent`, also of `Parent[Settings]`."""
    base = base.value if isinstance(base, ast.Subscript) else base
    return base.id if isinstance(base, ast.Name) else None


def _last(node: ast.Attribute | ast.Name) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id


def _has_limit(node: ast.Call) -> bool:
    """Whether the call says itself how long it may take: the second argument of `wait_for`, or one called `timeout`."""
    stated = [one.value for one in node.keywords if one.arg is not None and one.arg.startswith("timeout")]
    if isinstance(node.func, ast.Attribute | ast.Name) and _last(node.func) == "wait_for":
        stated += node.args[1:2]
    return any(not (isinstance(value, ast.Constant) and value.value is None) for value in stated)
