"""The SQL of the key-value store, each statement compiled once.

Values are bound by name: `owner user namespace key` for the place, `now` for the time, and the columns of a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield.stores.base import Backend, Rows, Value
from jackfield.stores.compiled import Compiled, Make
from jackfield.stores.database import Database
from jackfield.stores.tables import kv

Values = Mapping[str, Value]

COLUMNS = tuple(column.name for column in kv.c)
PRIMARY_KEY = ("owner", "user", "namespace", "key")
# A sweep holds the write lock, which others wait for: a little at a time.
SWEPT_AT_ONCE = 500


class Statement:
    def __init__(self, database: Database, compiled: Compiled) -> None:
        self._database, self._clause = database, compiled.clause
        self._sql, self._names, self._own = compiled.sql, compiled.names, compiled.own

    async def read(self, values: Values) -> Rows:
        return await self._database.read_alone(self._sql, *self._in_order(values))

    async def run(self, values: Values) -> Rows:
        """As a transaction of its own."""
        return await self.run_all([values])

    async def run_all(self, every: Sequence[Values]) -> Rows:
        """Once for each, of one owner, together one transaction."""
        if not every:
            return []
        owner = every[0].get("owner")
        subject = subject_of(owner) if isinstance(owner, str) else None
        statements = ((self._sql, tuple(self._in_order(values))) for values in every)
        return await self._database.run_together(*statements, subject=subject)

    async def run_in(self, transaction: AsyncConnection | None, values: Values) -> Rows:
        """As part of a transaction where there is one."""
        return await (self.run(values) if transaction is None else self.within(transaction, values))

    async def within(self, transaction: AsyncConnection, values: Values) -> Rows:
        bound = {name: values[name] for name in self._names if name not in self._own}
        return [tuple(row) for row in await transaction.execute(self._clause, bound)]

    def _in_order(self, values: Values) -> list[Value]:
        return [self._own[name] if name in self._own else values[name] for name in self._names]


class Statements:
    def __init__(self, database: Database) -> None:
        def statement(make: Make) -> Statement:
            return Statement(database, database.compiled(make))

        self.find = statement(_find)
        self.list = statement(_list)
        self.sum = statement(_sum)
        self.put = statement(_put)
        self.put_within = statement(_put_within)
        self.delete = statement(_delete)
        self.clear = statement(_clear)
        self.purge = statement(_purge)
        self.forget = statement(_forget)
        self.sweep = statement(_sweep)


def subject_of(owner: str) -> str:
    """What writers for one owner wait for one another by."""
    return f"kv:{owner}"


def _bound(name: str) -> BindParameter[Any]:
    return bindparam(name, type_=kv.c[name].type)


def _at(*names: str) -> ColumnElement[bool]:
    return and_(*(kv.c[name] == _bound(name) for name in names))


def _now() -> BindParameter[Any]:
    return bindparam("now", type_=kv.c.expires_at.type)


def _living() -> ColumnElement[bool]:
    return or_(kv.c.expires_at.is_(None), kv.c.expires_at > _now())


def _expired() -> ColumnElement[bool]:
    return kv.c.expires_at <= _now()


def _begins() -> ColumnElement[bool]:
    """Compared as text: in a pattern some characters of the prefix would have a meaning."""
    length = bindparam("length", type_=Integer)
    return func.substr(kv.c.key, literal_column("1"), length) == bindparam("prefix", type_=kv.c.key.type)


def _amount() -> tuple[ColumnElement[int], ColumnElement[int]]:
    return func.count().label("keys"), func.coalesce(func.sum(kv.c.size), literal_column("0")).label("size")


def _row() -> Select[Any]:
    return select(*(_bound(name).label(name) for name in COLUMNS))


def _row_that_fits() -> Select[Any]:
    """No row where the owner, with it in place of the old one, would have more than `most_keys` or `most_size`."""
    every = select(*_amount()).where(_at("owner")).subquery("every")
    old = select(*_amount()).where(_at(*PRIMARY_KEY)).subquery("old")
    most_keys, most_size = (bindparam(name, type_=kv.c.size.type) for name in ("most_keys", "most_size"))
    return (
        _row()
        .select_from(every.join(old, true()))
        .where(every.c["keys"] - old.c["keys"] < most_keys)
        .where(every.c["size"] - old.c["size"] + _bound("size") <= most_size)
    )


def _find(_backend: Backend) -> Any:
    return select(kv.c.kind, kv.c.value, kv.c.expires_at).where(_at(*PRIMARY_KEY), _living())


def _list(_backend: Backend) -> Any:
    return select(kv.c.key).where(_at("owner", "user", "namespace"), _living(), _begins())


def _sum(_backend: Backend) -> Any:
    return select(*_amount()).where(_at("owner"), _living())


def _put(backend: Backend) -> Any:
    return _upsert(backend, _row().where(true()))


def _put_within(backend: Backend) -> Any:
    return _upsert(backend, _row_that_fits())


def _delete(_backend: Backend) -> Any:
    return delete(kv).where(_at(*PRIMARY_KEY)).returning(kv.c.expires_at)


def _clear(_backend: Backend) -> Any:
    return delete(kv).where(_at("owner", "user", "namespace")).returning(kv.c.expires_at)


def _purge(_backend: Backend) -> Any:
    return delete(kv).where(_at("owner"), _expired()).returning(kv.c.size)


def _forget(_backend: Backend) -> Any:
    return delete(kv).where(_at("owner")).returning(kv.c.size)


def _upsert(backend: Backend, row: Select[Any]) -> Any:
    """Nothing is written or returned where there is no row."""
    insert = backend.insert(kv).from_select(COLUMNS, row)
    changed = {name: insert.excluded[name] for name in COLUMNS if name not in PRIMARY_KEY}
    return insert.on_conflict_do_update(index_elements=PRIMARY_KEY, set_=changed).returning(kv.c.size)


def _sweep(_backend: Backend) -> Any:
    """It waits for nobody: what is being changed is left to the next sweep."""
    keys = [kv.c[name] for name in PRIMARY_KEY]
    oldest = select(*keys).where(_expired()).order_by(kv.c.expires_at).limit(SWEPT_AT_ONCE)
    oldest = oldest.with_for_update(skip_locked=True)
    return delete(kv).where(tuple_(*keys).in_(oldest), _expired()).returning(kv.c.size)
