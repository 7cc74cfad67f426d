"""The SQL of the key-value store, each statement compiled once.

Values are bound by name: `owner user namespace key` for the place, `now` for the time, and the columns of a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Dialect,
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

from jackfield.stores.base import Rows, Value
from jackfield.stores.database import Database
from jackfield.stores.tables import kv

Values = Mapping[str, Value]

COLUMNS = tuple(column.name for column in kv.c)
PRIMARY_KEY = ("owner", "user", "namespace", "key")
# A sweep holds the write lock, which others wait for: a little at a time.
SWEPT_AT_ONCE = 500

_compiled: dict[str, Mapping[str, Compiled]] = {}


class Compiled:
    """A clause in the words of one kind of database."""

    def __init__(self, clause: Any, dialect: Dialect) -> None:
        self.clause = clause
        compiled = clause.compile(dialect=dialect)
        self.sql, self.names = str(compiled), tuple(compiled.positiontup)
        # Numbers in the clause itself, which are bound like all others.
        self.own = {name: value for name, value in compiled.params.items() if value is not None}


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
        compiled = _compiled_for(database)

        def statement(name: str) -> Statement:
            return Statement(database, compiled[name])

        self.find = statement("find")
        self.list = statement("list")
        self.sum = statement("sum")
        self.put = statement("put")
        self.put_within = statement("put_within")
        self.delete = statement("delete")
        self.clear = statement("clear")
        self.purge = statement("purge")
        self.forget = statement("forget")
        self.sweep = statement("sweep")


def _compiled_for(database: Database) -> Mapping[str, Compiled]:
    """Once for each kind of database: it takes longer than all else of opening one."""
    dialect = database.engine.dialect
    if dialect.name not in _compiled:
        _compiled[dialect.name] = {name: Compiled(clause, dialect) for name, clause in _clauses(database).items()}
    return _compiled[dialect.name]


def _clauses(database: Database) -> Mapping[str, Any]:
    return {
        "find": select(kv.c.kind, kv.c.value, kv.c.expires_at).where(_at(*PRIMARY_KEY), _living()),
        "list": select(kv.c.key).where(_at("owner", "user", "namespace"), _living(), _begins()),
        "sum": select(*_amount()).where(_at("owner"), _living()),
        "put": _upsert(database, _row().where(true())),
        "put_within": _upsert(database, _row_that_fits()),
        "delete": delete(kv).where(_at(*PRIMARY_KEY)).returning(kv.c.expires_at),
        "clear": delete(kv).where(_at("owner", "user", "namespace")).returning(kv.c.expires_at),
        "purge": delete(kv).where(_at("owner"), _expired()).returning(kv.c.size),
        "forget": delete(kv).where(_at("owner")).returning(kv.c.size),
        "sweep": _sweep(),
    }


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


def _upsert(database: Database, row: Select[Any]) -> Any:
    """Nothing is written or returned where there is no row."""
    insert = database.backend.insert(kv).from_select(COLUMNS, row)
    changed = {name: insert.excluded[name] for name in COLUMNS if name not in PRIMARY_KEY}
    return insert.on_conflict_do_update(index_elements=PRIMARY_KEY, set_=changed).returning(kv.c.size)


def _sweep() -> Any:
    """It waits for nobody: what is being changed is left to the next sweep."""
    keys = [kv.c[name] for name in PRIMARY_KEY]
    oldest = select(*keys).where(_expired()).order_by(kv.c.expires_at).limit(SWEPT_AT_ONCE)
    oldest = oldest.with_for_update(skip_locked=True)
    return delete(kv).where(tuple_(*keys).in_(oldest), _expired()).returning(kv.c.size)
