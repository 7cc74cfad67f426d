"""What the gateway keeps in a store and reads from a clock, in memory and moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from jackfield.clock import Clock
from jackfield.stores import base
from jackfield.stores.kv import KeyValueStore
from jackfield.stores.kv_statements import Values
from jackfield.stores.values import decode_value

Found = base.Rows
Place = tuple[Any, ...]


class HandClock:
    """Time that only the test moves."""

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self._began, self._passed = wall, 0.0

    def monotonic(self) -> float:
        return self._passed

    def wall(self) -> float:
        return self._began + self._passed

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"time does not go back ({seconds:g} s)")
        self._passed += seconds


class Rows:
    """The table of keys and values, with what the store asks of it. Expired rows stay until they are removed."""

    def __init__(self) -> None:
        self.rows: dict[Place, Values] = {}
        self.operations = 0

    def find(self, asked: Values) -> Found:
        row = self.rows.get(_place(asked))
        return [(row["kind"], row["value"], row["expires_at"])] if row is not None and _lives(row, asked) else []

    def put(self, row: Values) -> Found:
        self.rows[_place(row)] = row
        return [(1,)]

    def put_within(self, row: Values) -> Found:
        others = [each for each in self._of(row, "owner") if _place(each) != _place(row)]
        size = sum(_size(each) for each in [*others, row])
        return self.put(row) if len(others) < _most(row, "most_keys") and size <= _most(row, "most_size") else []

    def delete(self, asked: Values) -> Found:
        row = self.rows.pop(_place(asked), None)
        return [] if row is None else [(row["expires_at"],)]

    def clear(self, asked: Values) -> Found:
        return [gone for row in self._of(asked, "owner", "user", "namespace") for gone in self.delete(row)]

    def list(self, asked: Values) -> Found:
        keys = [str(row["key"]) for row in self._of(asked, "owner", "user", "namespace") if _lives(row, asked)]
        return [(key,) for key in keys if key.startswith(str(asked["prefix"]))]

    def sum(self, asked: Values) -> Found:
        living = [row for row in self._of(asked, "owner") if _lives(row, asked)]
        return [(len(living), sum(map(_size, living)))]

    def forget(self, asked: Values) -> Found:
        return [gone for row in self._of(asked, "owner") for gone in self.delete(row)]

    def purge(self, asked: Values) -> Found:
        return [gone for row in self._of(asked, "owner") if not _lives(row, asked) for gone in self.delete(row)]

    def sweep(self, asked: Values) -> Found:
        return [gone for row in [*self.rows.values()] if not _lives(row, asked) for gone in self.delete(row)]

    def _of(self, asked: Values, *names: str) -> Sequence[Values]:
        return [row for row in self.rows.values() if all(row[name] == asked[name] for name in names)]


class Statement:
    """One of the store's statements, done on rows in memory. There is no wait in it, and so nobody in between."""

    def __init__(self, rows: Rows, name: str) -> None:
        self._rows, self._act = rows, getattr(rows, name)

    async def run(self, asked: Values) -> Found:
        self._rows.operations += 1
        found: Found = self._act(asked)
        return found

    async def run_in(self, transaction: object, asked: Values) -> Found:
        return await self.run(asked)

    read, within = run, run_in


class Statements:
    """All of them by name."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __getattr__(self, name: str) -> Statement:
        return Statement(self._rows, name)


class NoDatabase:
    @asynccontextmanager
    async def writing(self, subject: str | None = None) -> AsyncIterator[None]:
        yield


class MemoryStore(KeyValueStore):
    """The gateway's store of keys and values, its rules included, with its rows in memory. `operations` counts what it
    was asked."""

    def __init__(self, clock: Clock) -> None:
        self._rows = Rows()
        self._clock = clock
        self._database = cast(Any, NoDatabase())
        self._statements = cast(Any, Statements(self._rows))

    @property
    def operations(self) -> int:
        return self._rows.operations

    def kept(self, *, namespace: str = "", user: str | None = None) -> Mapping[str, Any]:
        """What is in a namespace for a user, or for none."""
        asked: Values = {"user": user or "", "namespace": namespace, "now": self._clock.wall()}
        rows = [row for row in self._rows.rows.values() if _lives(row, asked)]
        mine = [row for row in rows if (row["user"], row["namespace"]) == (asked["user"], namespace)]
        return {str(row["key"]): decode_value(str(row["kind"]), cast(bytes, row["value"])) for row in mine}


def _place(row: Values) -> Place:
    return (row["owner"], row["user"], row["namespace"], row["key"])


def _lives(row: Values, asked: Values) -> bool:
    until: Any = row["expires_at"]
    return until is None or until > asked["now"]


def _size(row: Values) -> int:
    size: Any = row["size"]
    return int(size)


def _most(row: Values, name: str) -> float:
    most: Any = row[name]
    return float(most)
