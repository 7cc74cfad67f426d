"""The nodes of a syntax tree by their kind: walked once for all who look at it."""

from __future__ import annotations

import ast
from typing import TypeVar

N = TypeVar("N", bound=ast.AST)


class Nodes:
    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self._by_kind: dict[type[ast.AST], list[ast.AST]] = {}
        for node in ast.walk(tree):
            self._by_kind.setdefault(type(node), []).append(node)

    def of(self, kind: type[N]) -> list[N]:
        return self._by_kind.get(kind, [])  # type: ignore[return-value]
