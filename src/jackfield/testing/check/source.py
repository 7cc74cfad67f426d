"""A Python file, parsed: what the names in it lead to."""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from jackfield import sdk
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
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # of strange escapes: the interpreter tells of them when it runs the file
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
                found |= {name: f"{module}.{meant}" for alias in node.names for name, meant in _names(module, alias)}
        return found

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Those at the top, also where they stand in an `if` or `try`."""
        return {node.name: node for node in own_nodes(self.tree) if isinstance(node, ast.ClassDef)}

    @cached_property
    def assigned(self) -> dict[str, ast.expr]:
        """The names at the top that are given a value."""
        return {
            target.id: node.value
            for node in own_nodes(self.tree)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }

    @cached_property
    def _defined(self) -> set[str]:
        nodes = list(own_nodes(self.tree))
        definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        return stored_names(nodes) | {node.name for node in nodes if isinstance(node, definitions)}

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


def _names(module: str, alias: ast.alias) -> list[tuple[str, str]]:
    """What one name of a `from` import brings; of ours it is known what `*` is."""
    if alias.name == "*":
        return [(name, name) for name in sdk.__all__] if module == sdk.__name__ else []
    return [(alias.asname or alias.name, alias.name)]


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
