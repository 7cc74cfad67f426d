"""Which memories are found, and how similar they are said to be."""

from __future__ import annotations

from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jackfield.stores.database import Database
from jackfield.stores.memories import StoredMemories
from jackfield.stores.memory_search import fuse

from .remembered import DAY_S, embedded, found, keep

FACTS = (
    "The user's favorite restaurants are Luigi's and the Thai place",
    "Prefers dark mode interfaces",
    "Works as a nurse in a hospital in Oslo",
    "Deploys with: git push, then make release",
    "Was at a concert in Berlin last summer",
    "Is allergic to peanuts",
    "猫を二匹飼っています",
    "Aime le café noir le matin",
)
ASKED = {
    "favorite restaurant": 0,
    "dark mode": 1,
    "where does the nurse work": 2,
    "how to release": 3,
    "concerts in Berlin": 4,
    "peanut allergy, allergic": 5,
    "猫": 6,
    "CAFE": 7,
}
STRANGE = (
    '" OR "1"="1',
    "tea AND NOT (coffee",
    "NEAR(a b, 2) ^ * : { } - +",
    "content:tea",
    "%_\\'; DROP TABLE memories; --",
    "& | ! <-> :*",
    "🍕👩‍👩‍👧",
    "\0tea\0",
    "\ud800",
    " \t\n",
    "",
    "é" * 500_000,
    "word " * 200_000,
)


@pytest.fixture
async def memories(database: Database) -> StoredMemories:
    memories = StoredMemories(database)
    await memories.open()
    return memories


@pytest.mark.parametrize("way", ["words", "meaning", "both"])
async def test_the_memory_that_answers_comes_first(memories: StoredMemories, way: str) -> None:
    for fact in FACTS:
        await keep(memories, fact, vector=None if way == "words" else embedded(fact))
    asked = {"dark mode": 1, "Berlin": 4} if way == "meaning" else ASKED
    for query, place in asked.items():
        vector = None if way == "words" else embedded(query)
        ranked = await found(memories, query, vector=vector, limit=3)
        assert next(iter(ranked)) == FACTS[place], (query, ranked)


@pytest.mark.parametrize("meant", [False, True])
async def test_similarity_is_from_0_to_1_falls_and_is_1_for_the_same_text(
    memories: StoredMemories, meant: bool
) -> None:
    for fact in FACTS:
        await keep(memories, fact, meant=meant)
    for fact in FACTS:
        ranked = await found(memories, f"  {fact.upper()} ", vector=embedded(fact) if meant else None)
        assert next(iter(ranked.items())) == (fact, 1.0)
        assert all(1 >= more >= less > 0 for more, less in pairwise(ranked.values()))
        assert all(similarity < 1 for similarity in list(ranked.values())[1:])


async def test_what_has_no_embedding_is_found_by_its_words_among_those_that_have(memories: StoredMemories) -> None:
    await keep(memories, "plays the violin", meant=True)
    await keep(memories, "plays the piano")
    await keep(memories, "plays the trumpet", vector=embedded("plays the trumpet", "old"))
    ranked = await found(memories, "plays the piano", vector=embedded("plays the piano"))
    assert ranked.pop("plays the piano") == 1.0
    by_meaning, by_words = ranked["plays the violin"], ranked["plays the trumpet"]
    assert by_meaning == pytest.approx(2 / 3)
    assert 0 < by_words < by_meaning


async def test_of_memories_as_similar_the_more_important_comes_first(memories: StoredMemories) -> None:
    for number in (3, 9, 6):
        await keep(memories, f"fact number{number}", importance=number)
    assert list(await found(memories, "fact")) == ["fact number9", "fact number6", "fact number3"]


async def test_no_more_are_found_than_are_wanted(memories: StoredMemories) -> None:
    for number in range(12):
        await keep(memories, f"tea kind{number} from{number} like{number}", meant=number % 2 == 0)
    for limit in (1, 5, 100):
        for vector in (None, embedded("tea")):
            assert len(await found(memories, "tea", limit=limit, vector=vector)) == min(limit, 12)


@pytest.mark.parametrize("query", STRANGE, ids=range(len(STRANGE)))
async def test_no_query_breaks_the_search(memories: StoredMemories, query: str) -> None:
    await keep(memories, "likes tea", meant=True)
    for vector in (None, embedded("tea")):
        assert set(await found(memories, query, vector=vector)) <= {"likes tea"}


def test_what_stands_high_in_both_rankings_comes_first() -> None:
    rankings = [[(1, 0.9), (2, 0.8), (3, 0.7)], [(4, 0.9), (2, 0.5), (5, 0.1)]]
    assert fuse(rankings) == [2, 1, 4, 3, 5]
    assert fuse([rankings[0], []]) == [1, 2, 3]
    assert fuse([]) == []


TEXTS = st.text("abc :\"*ü🍕'", min_size=1, max_size=12).filter(lambda text: not text.isspace())
USERS = st.sampled_from(["a", "A", "a/b", "b", "ä", "%", "*"])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(USERS, TEXTS, st.booleans()), max_size=8), TEXTS, USERS)
async def test_nobody_finds_what_is_remembered_of_another(
    memories: StoredMemories, kept: list[tuple[str, str, bool]], query: str, user: str
) -> None:
    run = uuid4().hex
    for owner, text, meant in kept:
        await keep(memories, text, user=run + owner, meant=meant)
    for asked in (query, *(text for _, text, _ in kept)):
        for vector in (None, embedded(asked)):
            every = await memories.search(run + user, asked, 100, at=DAY_S, vector=vector)
            assert {memory.user for memory, _ in every} <= {run + user}
    own = {text for owner, text, _ in kept if owner == user}
    listed = await memories.page(run + user, 100)
    assert {memory.content for memory in listed} <= own
    assert bool(listed) is bool(own)
