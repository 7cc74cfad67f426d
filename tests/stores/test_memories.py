"""What is kept of users' memories, and what becomes of it."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from jackfield.errors import Conflict, NotFound
from jackfield.sdk.memory import TooManyMemories
from jackfield.stores import memories as shelf
from jackfield.stores.audit import AuditLog
from jackfield.stores.database import Database
from jackfield.stores.memories import StoredMemories
from jackfield.stores.tables import memories as rows
from jackfield.stores.tables import memory_vectors, memory_words

from .remembered import DAY_S, contents, embedded, found, keep


@pytest.fixture
async def memories(database: Database) -> StoredMemories:
    memories = StoredMemories(database)
    await memories.open()
    assert memories.has_vectors
    return memories


async def count(database: Database) -> list[int]:
    """Memories, words and embeddings."""
    async with database.reading() as connection:
        tables = (rows, memory_words, memory_vectors)
        return [(await connection.execute(select(func.count()).select_from(table))).scalar_one() for table in tables]


async def test_a_memory_is_kept_as_it_was_given(memories: StoredMemories) -> None:
    kept = await keep(memories, "Likes 🍕 and “quotes”", user="a/b", type="episodic", importance=7, meant=True)
    assert kept.created
    (memory,) = await memories.page("a/b", 10)
    assert memory == kept.memory == await memories.get(memory.id)
    assert memory.id.startswith("mem_")
    assert (memory.content, memory.type, memory.importance) == ("Likes 🍕 and “quotes”", "episodic", 7)
    assert (memory.source, memory.user, memory.model) == ("plugin:p", "a/b", "words")
    assert memory.created_at == memory.updated_at == memory.last_accessed == DAY_S


async def test_the_same_text_updates_the_memory_that_is_there(database: Database, memories: StoredMemories) -> None:
    first = await keep(memories, "The user prefers dark mode", importance=7, source="plugin:first")
    second = await keep(memories, "the user  prefers DARK mode.", importance=3, at=DAY_S + 5, type="episodic")
    assert not second.created
    assert second.memory.id == first.memory.id
    (memory,) = await memories.page("u", 10)
    assert (memory.content, memory.importance, memory.type) == ("the user  prefers DARK mode.", 7, "semantic")
    assert (memory.source, memory.created_at, memory.updated_at) == ("plugin:first", DAY_S, DAY_S + 5)
    assert await count(database) == [1, 5, 0]


async def test_the_same_meaning_updates_the_memory_that_is_there(memories: StoredMemories) -> None:
    first = await keep(memories, "prefers dark mode in the evening always", meant=True)
    await keep(memories, "prefers tea", meant=True)
    again = await keep(memories, "always prefers dark mode in the evening", meant=True, importance=9)
    assert (again.created, again.memory.id, again.memory.importance) == (False, first.memory.id, 9)
    assert await contents(memories) == ["prefers tea", "always prefers dark mode in the evening"]
    assert await found(memories, "nothing", vector=embedded("always prefers dark mode in the evening"), limit=1) == {
        "always prefers dark mode in the evening": 1.0
    }


async def test_what_begins_alike_and_is_long_is_not_the_same(memories: StoredMemories) -> None:
    begin = "the same long begin " * 400
    for end in ("one end", "other end"):
        kept = await keep(memories, begin + end, vector=embedded(begin[:6000]))
        assert kept.created
    assert (await keep(memories, "short", vector=embedded(begin[:6000]))).created


async def test_other_users_and_other_models_are_never_the_same(memories: StoredMemories) -> None:
    text = "prefers dark mode"
    await keep(memories, text, user="u", vector=embedded(text, "old"))
    assert (await keep(memories, text, user="v", vector=embedded(text, "old"))).created
    assert (await keep(memories, "dark mode prefers", vector=embedded(text, "new"))).created
    assert (await keep(memories, "mode dark prefers", vector=embedded(text, "new", 128))).created


async def test_a_newer_wording_without_embedding_leaves_none_of_the_old(
    database: Database, memories: StoredMemories
) -> None:
    await keep(memories, "likes tea", meant=True)
    again = await keep(memories, "Likes tea.")
    assert again.memory.model is None
    assert await count(database) == [1, 2, 0]


async def test_a_user_has_so_many_memories_and_no_more(
    memories: StoredMemories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "MOST_OF_A_USER", 2)
    await keep(memories, "one")
    await keep(memories, "two")
    with pytest.raises(TooManyMemories, match=r"^u has 2 memories, which is the most that are kept of a user$"):
        await keep(memories, "three")
    assert not (await keep(memories, "Two")).created
    assert (await keep(memories, "three", user="v")).created
    await memories.forget((await memories.page("u", 1))[0].id, actor="a", at=DAY_S)
    assert (await keep(memories, "three")).created


async def test_a_memory_is_revised_and_found_by_its_new_words(memories: StoredMemories) -> None:
    kept = (await keep(memories, "lives in Paris", meant=True)).memory
    revised = await memories.revise(kept.id, actor="a", at=DAY_S + 1, content="lives in Rome", importance=8)
    assert (revised.id, revised.content, revised.importance, revised.model) == (kept.id, "lives in Rome", 8, None)
    assert await found(memories, "Paris") == {}
    assert list(await found(memories, "Rome")) == ["lives in Rome"]
    again = await memories.revise(kept.id, actor="a", at=DAY_S + 2, importance=2)
    assert (again.content, again.importance, again.updated_at) == ("lives in Rome", 2, DAY_S + 2)
    assert await memories.get(kept.id) == again


async def test_a_revision_that_repeats_another_memory_is_refused(memories: StoredMemories) -> None:
    one = (await keep(memories, "likes tea")).memory
    other = (await keep(memories, "likes coffee")).memory
    with pytest.raises(Conflict, match=f"memory {one.id} of this user says the same") as refused:
        await memories.revise(other.id, actor="a", at=DAY_S, content="Likes tea")
    assert refused.value.param == "content"
    await memories.revise(other.id, actor="a", at=DAY_S, content="Likes coffee")
    assert await contents(memories) == ["Likes coffee", "likes tea"]


async def test_what_is_forgotten_is_gone_whole(database: Database, memories: StoredMemories) -> None:
    gone = (await keep(memories, "likes tea", meant=True)).memory
    for number in range(3):
        await keep(memories, f"fact {number}", user="v", meant=True)
    assert await memories.forget(gone.id, actor="a", at=DAY_S) == gone
    assert await found(memories, "tea", vector=embedded("likes tea")) == {}
    assert await memories.forget_user("v", actor="a", at=DAY_S) == 3
    assert await memories.forget_user("v", actor="a", at=DAY_S) == 0
    assert await count(database) == [0, 0, 0]


async def test_many_memories_are_forgotten_a_few_at_a_time(
    database: Database, memories: StoredMemories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "FORGOTTEN_AT_ONCE", 2)
    for number in range(5):
        await keep(memories, f"fact {number}")
    assert await memories.forget_user("u", actor="a", at=DAY_S) == 5
    assert await count(database) == [0, 0, 0]
    assert [entry.object_id for entry in await AuditLog(database).list(kind="memory")] == ["u"] * 3


async def test_what_is_not_there_is_not_found(memories: StoredMemories) -> None:
    with pytest.raises(NotFound, match="no such memory"):
        await memories.get("mem_1")
    with pytest.raises(NotFound):
        await memories.forget("mem_1", actor="a", at=DAY_S)
    with pytest.raises(NotFound):
        await memories.revise("mem_1", actor="a", at=DAY_S, importance=1)


async def test_what_operators_change_is_audited(database: Database, memories: StoredMemories) -> None:
    one = (await keep(memories, "likes tea")).memory
    await keep(memories, "likes coffee")
    await memories.revise(one.id, actor="key_1", at=DAY_S + 1, importance=9)
    await memories.forget(one.id, actor="key_2", at=DAY_S + 2)
    await memories.forget_user("u", actor="key_3", at=DAY_S + 3)
    entries = await AuditLog(database).list(kind="memory")
    told = [(entry.action, entry.actor, entry.object_id, entry.at) for entry in reversed(entries)]
    assert told == [
        ("update", "key_1", one.id, DAY_S + 1),
        ("delete", "key_2", one.id, DAY_S + 2),
        ("delete_all", "key_3", "u", DAY_S + 3),
    ]
    newest, gone, changed = entries
    assert changed.before_digest != changed.after_digest == gone.before_digest
    assert newest.before_digest is not None
    assert newest.after_digest is None is gone.after_digest


async def test_pages_are_newest_first_and_of_one_user(memories: StoredMemories) -> None:
    for number in range(5):
        await keep(memories, f"fact {number}")
        await keep(memories, f"fact {number}", user="v")
    first = await memories.page("u", 3)
    second = await memories.page("u", 3, first[-1].seq)
    assert [memory.content for memory in (*first, *second)] == [f"fact {number}" for number in (4, 3, 2, 1, 0)]
    assert {memory.user for memory in (*first, *second)} == {"u"}


async def test_what_lacks_an_embedding_is_listed_and_embedded(memories: StoredMemories) -> None:
    await keep(memories, "without")
    await keep(memories, "older", vector=embedded("older", "old"))
    await keep(memories, "current", meant=True)
    lacking = await memories.unembedded("words", 256, 10)
    assert [memory.content for memory in lacking] == ["without", "older"]
    assert [memory.content for memory in await memories.unembedded("words", 128, 1, after_seq=lacking[-1].seq)] == [
        "current"
    ]
    await keep(memories, "Without")
    await memories.embed([(memory, embedded(memory.content)) for memory in lacking])
    assert [memory.content for memory in await memories.unembedded("words", 256, 10)] == ["Without"]
    assert list(await found(memories, "nothing", vector=embedded("older"))) == ["older"]


async def test_what_is_found_is_noted_once_an_hour(memories: StoredMemories) -> None:
    await keep(memories, "likes tea", at=0.0)
    for at, noted in ((3600.0, 0.0), (3601.0, 3601.0), (7000.0, 3601.0), (7202.0, 7202.0)):
        await memories.search("u", "tea", 10, at=at)
        (memory,) = await memories.page("u", 1)
        assert (memory.last_accessed, memory.updated_at) == (noted, 0.0)
