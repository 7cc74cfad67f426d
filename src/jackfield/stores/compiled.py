"""Statements in the words of one kind of database. Each is made and compiled once for all that are opened: that takes
longer than to run it, and than all else of opening one. What SQLAlchemy compiles by itself is kept in the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.util import LRUCache

from jackfield.stores.base import Backend

# Of a module, since it is what the statement is known by.
Make = Callable[[Backend], Any]

_compiled: dict[tuple[str, Make], Compiled] = {}
_KEPT = 500


class Compiled:
    """`names` are those of its values, in the order of their places; `own` are numbers in the clause itself, which are
    bound like all others."""

    __slots__ = ("clause", "names", "own", "sql")

    def __init__(self, clause: Any, dialect: Dialect) -> None:
        compiled = clause.compile(dialect=dialect)
        self.clause = clause
        self.sql = str(compiled)
        self.names: tuple[str, ...] = tuple(compiled.positiontup)
        self.own = {name: value for name, value in compiled.params.items() if value is not None}


def compile_for(backend: Backend, dialect: Dialect, make: Make) -> Compiled:
    known = _compiled.get((dialect.name, make))
    if known is None:
        known = _compiled[dialect.name, make] = Compiled(make(backend), dialect)
    return known


class _Kept(LRUCache[Any, Any]):
    """SQLAlchemy's keys begin with the dialect, of which each engine has one of its own. Those of one database are all
    alike here."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_all(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_of_all(key), value)


def _of_all(key: Any) -> Any:
    dialect, *others = key
    return (dialect.name, *others)


# For the option `compiled_cache` of every engine.
KEPT = _Kept(_KEPT)
