"""A Python file, parsed: what the names in it lead to."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from jackfield.testing.check.findings import Finding, finding

LONGEST_SOURCE = 4 * 1024 * 1024
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source:
    """Raises nothing over what is written in the file; `Source.read` does."""

    def __init__(self, path: Path, tree: ast.Module) -> None:
        self.path, self.tree = path, tree

    @classmethod
    def read(cls, path: Path) -> Source | Finding:
        """A finding where there is no Python in it."""
        try:
            if path.stat().st_size > LONGEST_SOURCE:
                return finding(path, 1, "syntax", f"is longer than {LONGEST_SOURCE // 1024 // 1024} MB")
            return cls(path, ast.parse(path.read_bytes(), filename=str(path)))
        except SyntaxError as error:
            return finding(path, error.lineno or 1, "syntax", error.msg)
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            return finding(path, 1, "syntax", str(error) or type(error).__name__)

    @cached_property
    def origins(self) -> dict[str, str]:
        """What each imported name stands for: `from time import sleep as nap` makes `nap` mean `time.sleep`."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                found |= {alias.asname or alias.name: f"{module}.{alias.name}" for alias in node.names}
        return found

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    @cached_property
    def assigned(self) -> dict[str, ast.expr]:
        """The names at the top that are given a value."""
        return {
            target.id: node.value
            for node in self.tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }

    @cached_property
    def _defined(self) -> set[str]:
        return {
            name
            for node in self.tree.body
            for name in (
                [node.name]
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                else stored_names(ast.walk(node))
            )
        }

    def origin(self, node: ast.expr, shadowed: frozenset[str] = frozenset()) -> str | None:
        """The dotted name that an expression leads to from an import or a builtin; `None` for everything else."""
        if isinstance(node, ast.Attribute):
            before = self.origin(node.value, shadowed)
            return f"{before}.{node.attr}" if before else None
        if not isinstance(node, ast.Name) or node.id in shadowed:
            return None
        if node.id in self.origins:
            return self.origins[node.id]
        return f"builtins.{node.id}" if hasattr(builtins, node.id) and node.id not in self._defined else None


def stored_names(nodes: Iterable[ast.AST]) -> set[str]:
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def bound_names(function: Function) -> frozenset[str]:
    """What a function's own parameters and assignments hide."""
    arguments = function.args
    names = {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    names |= {one.arg for one in (arguments.vararg, arguments.kwarg) if one is not None}
    return frozenset(names | stored_names(own_nodes(function)))


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when the function runs: not the bodies of functions, classes and lambdas in it."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from own_nodes(child)


def text_of(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
