"""What plugins may remember of users, and what they find."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import DeadlineExceeded, RateLimited, Unavailable
from jackfield.sdk.caller import Caller, acting_for
from jackfield.sdk.services import NotGranted
from jackfield.services.allowance import Allowance
from jackfield.services.embedding import Embedder
from jackfield.services.grants import Asker, Offer, ServiceFactory
from jackfield.services.memory import MEMORY, TURN, PluginMemories, Recollection
from jackfield.stores.database import Database
from jackfield.stores.leases import Leases
from jackfield.stores.memories import StoredMemories
from jackfield.stores.memory_rows import Draft

from .conftest import HandClock
from .remembering import Listener, Words

BOTH = frozenset({"memory:read", "memory:write"})


def draft(content: str) -> Draft:
    """What has no embedding yet."""
    return Draft(user="alice", content=content, type="semantic", importance=5, source="plugin:notes")


class Scene:
    """A store, a model, and who is told. `remember` builds a plugin's service over them."""

    def __init__(self, database: Database, clock: HandClock, **limits: Any) -> None:
        self.words, self.listener, self.clock = Words(), Listener(), clock
        self.stored, self.limits = StoredMemories(database), limits
        self.take(self.words)

    def take(self, words: Words | None) -> None:
        """With this model from now on."""
        embedder = None if words is None else Embedder(words, self.clock)
        self.recollection = Recollection(self.stored, self.listener, self.clock, embedder, **self.limits)

    def remember(self, plugin: str = "notes", approved: frozenset[str] = BOTH) -> PluginMemories:
        return PluginMemories(Allowance.of(plugin, approved, self.clock), self.recollection)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open("sqlite", tmp_path)
    yield database
    await database.dispose()


@pytest.fixture
def scene(database: Database, clock: HandClock) -> Scene:
    return Scene(database, clock)


@pytest.fixture(autouse=True)
def alice() -> Iterator[None]:
    """On whose behalf all runs."""
    with acting_for(Caller(user="alice")):
        yield


async def test_what_was_remembered_is_found(scene: Scene) -> None:
    memories = scene.remember()
    memory_id = await memories.create("alice", "User prefers dark mode interfaces", "semantic", 7)
    await memories.create("alice", "Was in Rome last week", "episodic")
    first, *_ = await memories.search("dark mode", "alice", 5)
    assert (first.id, first.content, first.type) == (memory_id, "User prefers dark mode interfaces", "semantic")
    assert (first.importance, first.created_at) == (7, datetime.fromtimestamp(1000, UTC))
    assert 0 < first.similarity < 1
    (stored, *_) = await scene.stored.page("alice", 10)
    assert (stored.source, stored.importance) == ("plugin:notes", 5)


async def test_what_one_plugin_remembers_another_finds(scene: Scene) -> None:
    await scene.remember("notes").create("alice", "likes tea", "semantic")
    (found,) = await scene.remember("tea", frozenset({"memory:read"})).search("tea", "alice")
    assert found.content == "likes tea"


async def test_remembering_is_announced(scene: Scene) -> None:
    memories = scene.remember()
    memory_id = await memories.create("alice", "likes tea", "semantic", 3)
    assert await memories.create("alice", "Likes tea.", "semantic", 8) == memory_id
    about = {"memoryId": memory_id, "userId": "alice", "type": "semantic"}
    assert scene.listener.heard == [
        ("memory:created", about | {"importance": 3}),
        ("memory:updated", about | {"importance": 8}),
    ]


async def test_each_verb_needs_its_permission(scene: Scene) -> None:
    reader, writer = (
        scene.remember(approved=frozenset({"memory:read"})),
        scene.remember(approved=frozenset({"memory:write"})),
    )
    with pytest.raises(NotGranted, match="'memory:write'"):
        await reader.create("alice", "likes tea", "semantic")
    with pytest.raises(NotGranted, match="'memory:read'"):
        await writer.search("tea", "alice")
    assert await writer.create("alice", "likes tea", "semantic")
    assert len(await reader.search("tea", "alice")) == 1


async def test_another_users_memories_need_a_permission_of_their_own(scene: Scene) -> None:
    memories = scene.remember()
    for call in (memories.search("tea", "bob"), memories.create("bob", "likes tea", "semantic")):
        with pytest.raises(NotGranted, match="'users:any'"):
            await call
    with acting_for(None), pytest.raises(NotGranted, match="'users:any'"):
        await memories.search("tea", "alice")
    with acting_for(None):
        await scene.remember(approved=BOTH | {"users:any"}).create("bob", "likes tea", "semantic")
    assert await memories.search("tea", "alice") == ()


async def test_the_service_is_there_with_either_permission(scene: Scene, clock: HandClock) -> None:
    offer = Offer(MEMORY, lambda grant: PluginMemories(grant.allowance, scene.recollection))
    factory = ServiceFactory({"memory": offer}, clock)
    for permission in BOTH:
        built = factory.build(Asker(plugin="p", approved=frozenset({permission})))
        assert isinstance(built.services.memory, PluginMemories)
    with pytest.raises(NotGranted, match="'memory:read'"):
        _ = factory.build(Asker(plugin="p", approved=frozenset())).services.memory


async def test_each_operation_counts(scene: Scene) -> None:
    memories = scene.remember()
    for _ in range(50):
        await memories.search("", "alice")
        with pytest.raises(ValueError, match="content"):
            await memories.create("alice", "", "semantic")
    with pytest.raises(RateLimited, match="plugin notes has done 100 operations"):
        await memories.search("tea", "alice")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"content": ""}, "content: has 0 bytes"),
        ({"content": " \n"}, "content: is blank"),
        ({"content": "é" * 16_385}, "content: has 32,770 bytes; 1 to 32,768 are kept"),
        ({"content": "a\0b"}, "content: holds a NUL"),
        ({"content": "\ud800"}, "content: is not valid Unicode"),
        ({"content": 7}, "content: is int, not text"),
        ({"type": "factual"}, "type: 'factual' is none of episodic, semantic, procedural"),
        ({"type": ["semantic"]}, "type: "),
        ({"importance": 0}, "importance: 0 is no whole number from 1 to 10"),
        ({"importance": 11}, "importance: 11 "),
        ({"importance": 5.0}, "importance: 5.0 "),
        ({"importance": True}, "importance: True "),
        ({"user": ""}, "user: has 0 bytes"),
        ({"user": "u" * 513}, "user: has 513 bytes"),
        ({"user": None}, "user: is NoneType"),
    ],
)
async def test_what_cannot_be_remembered_is_named(scene: Scene, fields: dict[str, Any], told: str) -> None:
    given = {"user": "alice", "content": "likes tea", "type": "semantic"} | fields
    with pytest.raises(ValueError, match=f"^{told}"):
        await scene.remember().create(**given)
    assert scene.words.asked == []


@pytest.mark.parametrize(("query", "limit", "told"), [("tea", 0, "limit: 0"), ("tea", 101, "limit"), (7, 1, "query")])
async def test_a_wrong_search_is_named(scene: Scene, query: Any, limit: int, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{told}"):
        await scene.remember().search(query, "alice", limit)


@pytest.mark.parametrize("query", ["", "  ", "\0", "\ud800", "x" * 1_000_000, '"AND('])
async def test_any_text_may_be_searched_for(scene: Scene, query: str) -> None:
    memories = scene.remember()
    await memories.create("alice", "likes tea", "semantic")
    assert len(await memories.search(query, "alice")) <= 1
    assert all(text.strip() and len(text) <= 6000 for (text,) in scene.words.asked)


async def test_the_largest_content_is_remembered_and_found(scene: Scene) -> None:
    memories = scene.remember()
    content = " ".join(f"word{number}" for number in range(3500))[:32_768]
    memory_id = await memories.create("alice", content, "procedural", 10)
    (found,) = await memories.search(content, "alice", 1)
    assert (found.id, found.content, found.similarity) == (memory_id, content, 1.0)


async def test_without_a_model_memories_are_found_by_their_words(scene: Scene) -> None:
    scene.take(None)
    memories = scene.remember()
    await memories.create("alice", "Favorite restaurant: Luigi's", "semantic")
    (found,) = await memories.search("favorite restaurants", "alice")
    assert 0.5 < found.similarity < 1
    assert await memories.search("pizza", "alice") == ()
    assert await scene.recollection.embed_missing() == 0


async def test_a_model_that_fails_costs_no_memory_and_no_search(scene: Scene) -> None:
    memories = scene.remember()
    await memories.create("alice", "likes tea", "semantic")
    scene.words.error = RuntimeError("down")
    await memories.create("alice", "likes coffee", "semantic")
    assert {found.content for found in await memories.search("likes", "alice")} == {"likes tea", "likes coffee"}
    embedder = scene.recollection.embedder
    assert embedder is not None
    assert embedder.failures == 2
    assert [memory.model for memory in await scene.stored.page("alice", 10)] == [None, "words"]


async def test_what_has_no_embedding_is_given_one_later(scene: Scene) -> None:
    scene.take(None)
    for number in range(40):
        await scene.stored.keep(draft(f"fact{number} about{number} tea{number}"), at=0.0)
    scene.take(scene.words)
    assert await scene.recollection.embed_missing() == 40
    assert {memory.model for memory in await scene.stored.page("alice", 100)} == {"words"}
    assert await scene.recollection.embed_missing() == 0


async def test_a_new_model_embeds_all_anew(scene: Scene) -> None:
    memories = scene.remember()
    await memories.create("alice", "likes tea", "semantic")
    scene.take(Words("newer", 64))
    assert len(await scene.remember().search("unrelated", "alice")) == 0
    assert await scene.recollection.embed_missing() == 1
    (stored,) = await scene.stored.page("alice", 10)
    assert stored.model == "newer"
    scene.take(Words("newer", 128))
    await scene.remember().create("alice", "plays the violin", "semantic")
    assert await scene.recollection.embed_missing() == 1


async def test_what_alone_cannot_be_embedded_does_not_keep_the_others_waiting(scene: Scene) -> None:
    for text in ("likes tea", "poison", "likes coffee"):
        await scene.stored.keep(draft(text), at=0.0)
    scene.words.poison = "poison"
    assert await scene.recollection.embed_missing() == 2
    assert await scene.recollection.embed_missing() == 0
    models = {memory.content: memory.model for memory in await scene.stored.page("alice", 10)}
    assert models == {"likes tea": "words", "poison": None, "likes coffee": "words"}


async def test_a_model_that_is_down_is_not_asked_for_every_memory(scene: Scene) -> None:
    for number in range(50):
        await scene.stored.keep(draft(f"fact {number}"), at=0.0)
    scene.words.error = RuntimeError("down")
    assert await scene.recollection.embed_missing() == 0
    assert len(scene.words.asked) == 3


async def test_embeddings_are_kept_up_until_the_end(scene: Scene) -> None:
    await scene.stored.keep(draft("likes tea"), at=0.0)
    keeping = asyncio.create_task(scene.recollection.keep_embedded(every_s=0.001))
    async with asyncio.timeout(10):
        while (await scene.stored.page("alice", 1))[0].model is None:
            await asyncio.sleep(0)
    assert not keeping.done()
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping


async def test_of_all_workers_one_embeds(scene: Scene, database: Database, clock: HandClock) -> None:
    leases = Leases(database)
    workers = [asyncio.create_task(scene.recollection.keep_embedded(leases, every_s=0.02)) for _ in range(2)]
    for round_ in range(2):
        await scene.stored.keep(draft(f"fact{round_} about{round_}"), at=0.0)
        clock.now += 1
        async with asyncio.timeout(10):
            while await scene.stored.unembedded("words", 256, 1):
                await asyncio.sleep(0)
    lease = await leases.find(*TURN)
    for worker in workers:
        worker.cancel()
    await asyncio.wait(workers)
    assert len(scene.words.asked) == 2
    assert lease is not None
    assert lease.runs >= 2


async def test_what_takes_too_long_is_given_up(database: Database, clock: HandClock) -> None:
    scene = Scene(database, clock, deadline_s=0.01)
    scene.words.hangs = True
    memories = scene.remember()
    for call in (memories.search("tea", "alice"), memories.create("alice", "likes tea", "semantic")):
        with pytest.raises(DeadlineExceeded, match=r"took more than 0\.01 s") as late:
            await call
        assert late.value.plugin == "notes"
    assert await scene.stored.page("alice", 10) == []


async def test_a_store_that_fails_says_so(scene: Scene, database: Database) -> None:
    memories = scene.remember()
    async with database.writing() as transaction:
        await transaction.exec_driver_sql("DROP TABLE memory_words")
    with pytest.raises(Unavailable, match="no such table"):
        await memories.search("tea", "alice")
