"""Control objects and their revisions."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.errors import Conflict, NotFound
from jackfield.stores.database import Database
from jackfield.stores.objects import Change, Objects


async def put(database: Database, object_id: str, body: dict[str, Any], **more: Any) -> Change:
    async with database.writing() as transaction:
        return await Objects(database).put(
            transaction, "thing", object_id, body, namespace="default", at=more.pop("at", 1.0), **more
        )


async def delete(database: Database, object_id: str, **more: Any) -> Change:
    async with database.writing() as transaction:
        return await Objects(database).delete(transaction, "thing", object_id, at=9.0, **more)


async def test_an_object_comes_back_as_it_was_put(database: Database) -> None:
    change = await put(database, "a", {"text": "ü", "list": [1, None, True]})
    found = await Objects(database).get("thing", "a")
    assert found == change.after
    assert found.body == {"text": "ü", "list": [1, None, True]}
    assert change.before is None


async def test_revisions_count_over_all_objects(database: Database) -> None:
    revisions = [(await put(database, name, {})).after.revision for name in ("a", "b", "a")]
    assert revisions == [1, 2, 3]
    assert await Objects(database).revision() == 3


async def test_a_change_tells_what_was_before_and_keeps_when_it_was_made(database: Database) -> None:
    first = await put(database, "a", {"n": 1}, at=1.0)
    second = await put(database, "a", {"n": 2}, at=2.0)
    assert second.before == first.after
    assert (second.after.created_at, second.after.updated_at) == (1.0, 2.0)


async def test_objects_are_listed_by_kind_in_the_order_they_were_made(database: Database) -> None:
    await put(database, "b", {}, at=1.0)
    await put(database, "a", {}, at=2.0)
    assert [found.id for found in await Objects(database).list("thing")] == ["b", "a"]
    assert await Objects(database).list("other") == ()


@pytest.mark.parametrize(
    ("there", "expected", "told"),
    [
        (True, 5, "thing a is at revision 1, not 5: it was changed meanwhile"),
        (True, 0, "thing a is there already, at revision 1"),
        (False, 5, "thing a is not there, yet revision 5 was expected"),
    ],
)
async def test_an_unexpected_revision_is_a_conflict_and_changes_nothing(
    database: Database, there: bool, expected: int, told: str
) -> None:
    if there:
        await put(database, "a", {"n": 1})
    before = await Objects(database).revision()
    with pytest.raises(Conflict, match=told):
        await put(database, "a", {"n": 2}, expected_revision=expected)
    assert await Objects(database).revision() == before


async def test_the_expected_revision_is_no_conflict(database: Database) -> None:
    first = await put(database, "a", {"n": 1}, expected_revision=0)
    second = await put(database, "a", {"n": 2}, expected_revision=first.after.revision)
    assert second.after.body == {"n": 2}


async def test_changes_since_a_revision_tell_each_object_once_as_it_is_now(database: Database) -> None:
    await put(database, "a", {"n": 1})
    seen = (await put(database, "b", {"n": 1})).after.revision
    await put(database, "c", {"n": 1})
    await put(database, "a", {"n": 2})
    await put(database, "a", {"n": 3})
    changes = await Objects(database).changes_since(seen)
    assert [(found.id, found.revision, found.body) for found in changes] == [
        ("c", 3, {"n": 1}),
        ("a", 5, {"n": 3}),
    ]


async def test_a_deleted_object_is_gone_but_tells_those_who_follow(database: Database) -> None:
    seen = (await put(database, "a", {"n": 1})).after.revision
    await delete(database, "a")
    store = Objects(database)
    assert await store.get("thing", "a") is None
    assert await store.list("thing") == ()
    (told,) = await store.changes_since(seen)
    assert (told.deleted, told.body, told.revision) == (True, None, 2)


async def test_an_object_may_be_made_again_after_it_was_deleted(database: Database) -> None:
    await put(database, "a", {"n": 1}, at=1.0)
    await delete(database, "a")
    change = await put(database, "a", {"n": 2}, at=20.0, expected_revision=0)
    assert change.before is None
    assert (change.after.created_at, change.after.revision) == (20.0, 3)


async def test_what_is_not_there_cannot_be_deleted(database: Database) -> None:
    with pytest.raises(NotFound, match="there is no thing a"):
        await delete(database, "a")
    await put(database, "a", {})
    with pytest.raises(Conflict):
        await delete(database, "a", expected_revision=4)
