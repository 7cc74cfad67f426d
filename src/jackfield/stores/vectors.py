"""Embeddings as databases keep them: unit vectors, of which the distance alone is asked for."""

from __future__ import annotations

import math
import sqlite3
import struct
from collections.abc import Sequence
from typing import Any, Self

import msgspec
from sqlalchemy import BindParameter, ColumnElement, Double, LargeBinary, Text, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import UserDefinedType

# What pgvector takes at most.
MOST_DIMENSIONS = 16_000
DISTANCE = "vec_distance_cosine"
# What stands for a longer text, in characters: models refuse what has more than some thousand tokens.
LONGEST_EMBEDDED = 6_000


class PgVector(UserDefinedType[bytes]):
    """pgvector's type, of any dimensions, bound as packed numbers. It is only written and measured, never read."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        return "vector"

    def bind_processor(self, _dialect: Any) -> Any:
        return lambda packed: None if packed is None else f"[{','.join(map(repr, unpack(packed)))}]"

    def bind_expression(self, bindvalue: BindParameter[bytes]) -> ColumnElement[bytes]:
        # The driver knows how to send a text, and not this type.
        return cast(cast(bindvalue, Text), PgVector())


Embedding = LargeBinary().with_variant(PgVector(), "postgresql")


class Vector(msgspec.Struct, frozen=True):
    """An embedding by `model`. `packed` are its numbers, of a unit vector."""

    model: str
    dimensions: int
    packed: bytes

    @classmethod
    def of(cls, model: str, numbers: Sequence[float]) -> Self:
        """Raises `ValueError`."""
        return cls(model, len(numbers), pack(numbers))


def pack(vector: Sequence[float]) -> bytes:
    """The unit vector of this direction, as little-endian float32. Raises `ValueError` where there is none."""
    if not 1 <= len(vector) <= MOST_DIMENSIONS:
        raise ValueError(f"an embedding has 1 to {MOST_DIMENSIONS:,} dimensions, not {len(vector):,}")
    length = math.hypot(*vector)
    if not math.isfinite(length) or length == 0:
        raise ValueError("an embedding is finite numbers that are not all 0")
    return struct.pack(f"<{len(vector)}f", *(number / length for number in vector))


def unpack(packed: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(packed) // 4}f", packed)


class UnitDistance:
    """The cosine distance of unit vectors: half the square of how far they are apart. One thread's, since it keeps what
    the last vector was compared with: in a query that is the same for all rows."""

    __slots__ = ("_numbers", "_packed")

    def __init__(self) -> None:
        self._packed = b""
        self._numbers: tuple[float, ...] = ()

    def __call__(self, row: bytes, wanted: bytes) -> float:
        if wanted != self._packed:
            self._packed, self._numbers = wanted, unpack(wanted)
        apart = math.dist(unpack(row), self._numbers)
        return apart * apart / 2


def distance_to(column: ColumnElement[bytes], vector: Vector, dialect: str) -> ColumnElement[float]:
    """From 0 for the same direction to 2 for the opposite one. The column must hold as many dimensions."""
    if dialect == "postgresql":
        # A query of its own, or the text would be read anew for every row.
        wanted = select(literal(vector.packed, PgVector())).scalar_subquery()
        return column.op("<=>", return_type=Double())(wanted)
    return func.vec_distance_cosine(column, literal(vector.packed, LargeBinary()), type_=Double())


async def teach_distance(connection: AsyncConnection) -> None:
    """Makes sure that a connection to SQLite knows the function: sqlite-vec's where this Python can load extensions,
    else ours."""
    pooled = await connection.get_raw_connection()
    if DISTANCE not in pooled.info:
        await teach(pooled.driver_connection)
        pooled.info[DISTANCE] = True


async def teach(driver: Any) -> None:
    """`driver` is a connection of aiosqlite."""
    try:
        await _load_extension(driver)
    except (ImportError, AttributeError, sqlite3.Error):
        await driver.create_function(DISTANCE, 2, UnitDistance(), deterministic=True)


async def _load_extension(driver: Any) -> None:
    import sqlite_vec  # type: ignore[import-untyped]

    await driver.enable_load_extension(True)
    try:
        await driver.load_extension(sqlite_vec.loadable_path())
    finally:
        await driver.enable_load_extension(False)
