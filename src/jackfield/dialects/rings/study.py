"""What can be told of a ring plugin's file without running it: read once for all who ask."""

from __future__ import annotations

import ast
import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock
from typing import NamedTuple

from jackfield.dialects.rings.editing import does_edit
from jackfield.dialects.rings.lint import Finding, judge, parse
from jackfield.dialects.rings.nodes import Nodes

MOST_KEPT = 512
# What is asked about a class without running it.
ATTRIBUTES = frozenset({"name", "timeout_ms"})


class Import(NamedTuple):
    """An import of first-party modules: `module` below `level` packages, or below the plugins folder for level 0;
    `names` may be modules as well."""

    level: int
    module: str
    names: tuple[str, ...] = ()


class Study(NamedTuple):
    digest: str
    faults: tuple[Finding, ...] = ()
    imports: tuple[Import, ...] = ()
    edits: bool = False
    stated: tuple[tuple[str, str, object], ...] = ()

    def stated_in(self, symbol: str, attribute: str) -> object:
        """The constant that the class `symbol` states for an attribute; `None` where it states none."""
        return next((value for kind, name, value in self.stated if (kind, name) == (symbol, attribute)), None)


class _Shelf:
    """The studies of the files that were read last, by the digest of their bytes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Study] = OrderedDict()
        self._lock = Lock()

    def get(self, source: bytes) -> Study:
        digest = hashlib.sha256(source).hexdigest()
        with self._lock:
            found = self._kept.get(digest)
            if found is not None:
                self._kept.move_to_end(digest)
                return found
        found = _study(source, digest)
        with self._lock:
            self._kept[digest] = found
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found


_shelf = _Shelf()


def study(source: bytes) -> Study:
    return _shelf.get(source)


def _study(source: bytes, digest: str) -> Study:
    tree = parse(source)
    if not isinstance(tree, ast.Module):
        return Study(digest, (tree,))
    nodes = Nodes(tree)
    return Study(digest, tuple(judge(nodes)), tuple(_imports(nodes)), does_edit(nodes), tuple(_constants(tree)))


def _imports(nodes: Nodes) -> Iterator[Import]:
    for node in nodes.of(ast.Import):
        for alias in node.names:
            if (below := below_plugins(alias.name)) is not None:
                yield Import(0, below)
    for statement in nodes.of(ast.ImportFrom):
        module = statement.module or ""
        below = module if statement.level else below_plugins(module)
        if below is not None:
            yield Import(statement.level, below, tuple(alias.name for alias in statement.names))


def below_plugins(module: str) -> str | None:
    """The part of a module's name below `plugins`; `None` where it is another package's."""
    root, _, below = module.partition(".")
    return below if root == "plugins" else None


def _constants(tree: ast.Module) -> Iterator[tuple[str, str, object]]:
    for kind in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for line in kind.body:
            if isinstance(line, ast.Assign | ast.AnnAssign) and isinstance(line.value, ast.Constant):
                for target in line.targets if isinstance(line, ast.Assign) else [line.target]:
                    if isinstance(target, ast.Name) and target.id in ATTRIBUTES:
                        yield kind.name, target.id, line.value.value
