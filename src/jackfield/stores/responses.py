"""Answers of the Responses API that are kept for their callers, each with the whole conversation that led to it: so the
next turn is one read, and no turn is lost with an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, delete, func, insert, or_, select

from jackfield.stores.database import Database
from jackfield.stores.tables import responses

DELETED_AT_ONCE = 200


class KeptResponse(msgspec.Struct, frozen=True, kw_only=True):
    """`items` is the conversation up to the answer, a JSON list; `body` the answer, a JSON object. Only its `owner`
    finds it; it goes with its `credential`, where it has one."""

    id: str
    owner: str
    at: float
    items: bytes
    body: bytes
    credential: str | None = None

    @property
    def size(self) -> int:
        return len(self.items) + len(self.body)


class Room(msgspec.Struct, frozen=True):
    """How many answers of one owner are kept, and how many bytes of them."""

    count: int
    size: int


class Responses:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, response: KeptResponse, room: Room) -> None:
        """Durable once it returns. The owner's oldest go where there is no more room."""
        row = {**msgspec.structs.asdict(response), "size": response.size}
        async with self._database.writing() as transaction:
            await transaction.execute(insert(responses).values(row))
            await transaction.execute(delete(responses).where(_beyond(response.owner, room)))

    async def find(self, owner: str, response: str) -> KeptResponse | None:
        names = KeptResponse.__struct_fields__
        wanted = select(*(responses.c[name] for name in names)).where(_own(owner, response))
        async with self._database.reading() as connection:
            row = (await connection.execute(wanted)).mappings().one_or_none()
        return None if row is None else KeptResponse(**row)

    async def delete(self, owner: str, response: str) -> bool:
        """Whether there was such a one."""
        async with self._database.writing() as transaction:
            return bool((await transaction.execute(delete(responses).where(_own(owner, response)))).rowcount)

    async def delete_older_than(self, at: float) -> int:
        return await self._delete(responses.c.at < at)

    async def delete_of(self, credentials: Sequence[str]) -> int:
        deleted = 0
        for start in range(0, len(credentials), DELETED_AT_ONCE):
            deleted += await self._delete(responses.c.credential.in_(credentials[start : start + DELETED_AT_ONCE]))
        return deleted

    async def _delete(self, condition: ColumnElement[bool]) -> int:
        """How many were deleted. Other writers get their turn in between."""
        some = select(responses.c.seq).where(condition).limit(DELETED_AT_ONCE)
        deleted = 0
        while True:
            async with self._database.writing() as transaction:
                gone = (await transaction.execute(delete(responses).where(responses.c.seq.in_(some)))).rowcount
            deleted += gone
            if gone < DELETED_AT_ONCE:
                return deleted


def _own(owner: str, response: str) -> Any:
    return (responses.c.id == response) & (responses.c.owner == owner)


def _beyond(owner: str, room: Room) -> ColumnElement[bool]:
    """Counted from the newest on, which itself always has room."""
    newest = responses.c.seq.desc()
    place = func.row_number().over(order_by=newest).label("place")
    size = func.sum(responses.c.size).over(order_by=newest).label("size")
    counted = select(responses.c.seq, place, size).where(responses.c.owner == owner).subquery()
    full = (counted.c.place > 1) & or_(counted.c.place > room.count, counted.c.size > room.size)
    return responses.c.seq.in_(select(counted.c.seq).where(full))
