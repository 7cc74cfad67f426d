"""Which expressions of a file are `pathlib.Path`s, as far as can be read from it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from jackfield.testing.check.functions import Known
from jackfield.testing.check.source import Source

_OPENING = frozenset(
    {"open", "read_bytes", "read_text", "write_bytes", "write_text", "touch", "unlink", "mkdir", "iterdir"}
)
_MAKING = frozenset({"absolute", "expanduser", "joinpath", "resolve", "with_name", "with_suffix", "with_stem"})


class FilePaths:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._fields: set[str] = set()
        self._top = {name for name, value in _assigned(source.tree) if self._is_made(value)}
        # Fields and attributes by name alone: of which class is not followed.
        self._fields = {
            node.target.id
            for kind in source.classes.values()
            for node in kind.body
            if isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and source.origin(node.annotation) == "pathlib.Path"
        } | {
            target.attr
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Assign) and self._is_made(node.value)
            for target in node.targets
            if isinstance(target, ast.Attribute)
        }

    def is_opened(self, node: ast.Call, function: Known) -> bool:
        """Whether this is a call such as `path.read_text()`."""
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in _OPENING:
            return False
        local = {name for name, value in _assigned(function.node) if self._is_made(value)}
        visible = (self._top - function.shadowed) | local
        return self._is_path(node.func.value, visible)

    def _is_made(self, node: ast.expr) -> bool:
        return self._is_path(node, set())

    def _is_path(self, node: ast.expr, names: set[str]) -> bool:
        if isinstance(node, ast.Name):
            return node.id in names
        if isinstance(node, ast.BinOp):
            return isinstance(node.op, ast.Div) and self._is_path(node.left, names)
        if isinstance(node, ast.Attribute):
            return (node.attr == "parent" and self._is_path(node.value, names)) or self._is_field(node)
        if isinstance(node, ast.Call):
            if self._source.origin(node.func) in ("pathlib.Path", "pathlib.Path.cwd", "pathlib.Path.home"):
                return True
            made = isinstance(node.func, ast.Attribute) and node.func.attr in _MAKING
            return made and isinstance(node.func, ast.Attribute) and self._is_path(node.func.value, names)
        return False

    def _is_field(self, node: ast.Attribute) -> bool:
        """`self.name` or `self.config.name`."""
        holder = node.value
        if isinstance(holder, ast.Attribute) and holder.attr == "config":
            holder = holder.value
        return isinstance(holder, ast.Name) and holder.id == "self" and node.attr in self._fields


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assign):
            yield from ((target.id, inner.value) for target in inner.targets if isinstance(target, ast.Name))
