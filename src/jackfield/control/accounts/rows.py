"""Accounts as they are stored."""

from __future__ import annotations

from collections.abc import Collection
from itertools import count
from typing import Any

import msgspec
from sqlalchemy import delete, select, update

from jackfield.stores.audit import AuditLog, Entry
from jackfield.stores.database import Database
from jackfield.stores.tables import accounts


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """`refused` is whether it needs to be signed in anew. `sealed` are its tokens."""

    id: str
    sign_in: str
    label: str
    bound_to: str
    version: int
    issue: int
    cool_until: float
    refused: bool
    trouble: str | None
    created_at: float
    updated_at: float
    actor: str
    sealed: bytes


_COLUMNS = [accounts.c[name] for name in AccountRow.__struct_fields__]


class AccountRows:
    """Every method raises `Unavailable` where the store is."""

    def __init__(self, database: Database) -> None:
        self._database, self._audit = database, AuditLog(database)

    async def versions(self) -> dict[str, int]:
        async with self._database.reading() as connection:
            rows = await connection.execute(select(accounts.c.id, accounts.c.version))
            return {str(row[0]): int(row[1]) for row in rows}

    async def all(self) -> list[AccountRow]:
        async with self._database.reading() as connection:
            rows = await connection.execute(select(*_COLUMNS).order_by(accounts.c.sign_in, accounts.c.label))
            return [AccountRow(**row) for row in rows.mappings()]

    async def find(self, account_id: str) -> AccountRow | None:
        async with self._database.reading() as connection:
            found = await connection.execute(select(*_COLUMNS).where(accounts.c.id == account_id))
            row = found.mappings().first()
            return None if row is None else AccountRow(**row)

    async def put(self, row: AccountRow) -> None:
        """A new one, in place of one with the same label: its tokens are worth nothing any more. One without a label
        gets the next number."""
        async with self._database.writing(f"accounts of {row.sign_in}") as transaction:
            mine = accounts.c.sign_in == row.sign_in
            if row.label:
                await transaction.execute(delete(accounts).where(mine, accounts.c.label == row.label))
            else:
                taken = set(await transaction.scalars(select(accounts.c.label).where(mine)))
                row = msgspec.structs.replace(row, label=_number(taken))
            await transaction.execute(self._database.backend.insert(accounts).values(msgspec.structs.asdict(row)))
            await self._audit.append(transaction, _entry(row, "sign_in", row.actor, row.created_at))

    async def renew(self, account_id: str, *, issue: int, sealed: bytes, at: float) -> bool:
        """New tokens in place of those of `issue`; whether they are what was there."""
        values = {"sealed": sealed, "issue": issue + 1, "updated_at": at, **_WELL}
        return await self._change(account_id, issue, values)

    async def mark(self, account_id: str, *, issue: int, cool_until: float, refused: bool, trouble: str | None) -> bool:
        """Likewise, of what happened to these tokens."""
        return await self._change(
            account_id, issue, {"cool_until": cool_until, "refused": refused, "trouble": trouble}
        )  # fmt: skip

    async def delete(self, row: AccountRow, *, actor: str, at: float) -> bool:
        async with self._database.writing() as transaction:
            statement = delete(accounts).where(accounts.c.id == row.id).returning(accounts.c.id)
            if (await transaction.execute(statement)).first() is None:
                return False
            await self._audit.append(transaction, _entry(row, "sign_out", actor, at))
            return True

    async def _change(self, account_id: str, issue: int, values: dict[str, Any]) -> bool:
        statement = (
            update(accounts)
            .where(accounts.c.id == account_id, accounts.c.issue == issue)
            .values(**values, version=accounts.c.version + 1)
            .returning(accounts.c.id)
        )
        async with self._database.writing() as transaction:
            return (await transaction.execute(statement)).first() is not None


def _number(taken: Collection[str]) -> str:
    return next(label for number in count(1) if (label := f"account-{number}") not in taken)


def _entry(row: AccountRow, action: str, actor: str, at: float) -> Entry:
    return Entry(
        at=at,
        actor=actor,
        action=action,
        kind="account",
        object_id=row.id,
        namespace="default",
        revision=0,
        before_digest=None,
        after_digest=None,
        changes=(f"{row.sign_in}/{row.label}",),
    )


_WELL: dict[str, Any] = {"cool_until": 0.0, "refused": False, "trouble": None}
