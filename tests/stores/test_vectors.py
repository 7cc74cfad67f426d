"""Embeddings, packed and measured."""

from __future__ import annotations

import math
import sqlite3

import aiosqlite
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jackfield.stores.vectors import MOST_DIMENSIONS, UnitDistance, Vector, pack, teach, unpack

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
PAIRS = st.integers(1, 20).flatmap(lambda size: st.tuples(*[st.lists(NUMBERS, min_size=size, max_size=size)] * 2))


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)


@given(PAIRS)
def test_the_distance_is_that_of_the_cosine(pair: tuple[list[float], list[float]]) -> None:
    one, other = pair
    assume(min(math.hypot(*one), math.hypot(*other)) > 1e-3)
    assert UnitDistance()(pack(one), pack(other)) == pytest.approx(1 - cosine(one, other), abs=1e-5)


def test_what_is_packed_has_length_1_and_takes_4_bytes_a_number() -> None:
    packed = pack([3, 4])
    assert len(packed) == 8
    assert unpack(packed) == pytest.approx((0.6, 0.8))
    assert Vector.of("m", [3, 4]) == Vector("m", 2, packed)


@pytest.mark.parametrize(
    "numbers", [[], [0.0, 0.0], [math.nan], [math.inf, 1], [1.7e308, 1.7e308], [1.0] * (MOST_DIMENSIONS + 1)]
)
def test_what_has_no_direction_is_refused(numbers: list[float]) -> None:
    with pytest.raises(ValueError, match="an embedding"):
        pack(numbers)


async def test_sqlite_is_taught_the_function() -> None:
    async with aiosqlite.connect(":memory:") as connection:
        await teach(connection)
        query = "SELECT vec_distance_cosine(?, ?)"
        wanted = pack([1, 0])
        found = [await (await connection.execute(query, (pack(row), wanted))).fetchone() for row in ([2, 0], [0, 3])]
    assert [distance for row in found if row for distance in row] == pytest.approx([0, 1])


class Extensible(aiosqlite.Connection):
    """A connection that says it can load extensions, and does so where `works`."""

    works = True
    loaded: tuple[str, ...] = ()
    permitted = False

    async def enable_load_extension(self, value: bool) -> None:
        self.permitted = value

    async def load_extension(self, path: str) -> None:
        assert self.permitted
        if not self.works:
            raise sqlite3.OperationalError("no such file")
        self.loaded += (path,)


@pytest.mark.parametrize("works", [True, False])
async def test_an_extension_is_loaded_where_it_can_be(works: bool) -> None:
    async with Extensible(lambda: sqlite3.connect(":memory:"), 64) as connection:
        connection.works = works
        await teach(connection)
        assert not connection.permitted
        assert [path.rpartition("/")[2] for path in connection.loaded] == (["vec0"] if works else [])
        known = await connection.execute_fetchall(
            "SELECT 1 FROM pragma_function_list WHERE name = 'vec_distance_cosine'"
        )
        assert bool(list(known)) is not works
