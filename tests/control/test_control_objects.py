"""The write path: what is valid is written and audited together, what is not changes nothing."""

from __future__ import annotations

import msgspec
import pytest

from jackfield.control.objects import ControlObjects, digest
from jackfield.errors import Conflict, NotFound, Unprocessable
from jackfield.stores.audit import AuditLog, Entry
from jackfield.stores.database import Database

from .conftest import SetClock


class Limits(msgspec.Struct, forbid_unknown_fields=True):
    tokens: int


class App(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    limits: Limits | None = None


@pytest.fixture
def control(database: Database, clock: SetClock) -> ControlObjects:
    return ControlObjects(database, clock, {"app": App})


async def audited(database: Database) -> list[Entry]:
    return await AuditLog(database).list()


async def test_each_change_is_audited_with_what_was_and_what_is(
    database: Database, control: ControlObjects, clock: SetClock
) -> None:
    await control.put("app", "a", {"name": "one"}, actor="key_1", namespace="team")
    clock.now += 1
    await control.put("app", "a", App("two"), actor="key_2")
    clock.now += 1
    await control.delete("app", "a", actor="key_3")
    one, two = digest({"name": "one", "limits": None}), digest({"name": "two", "limits": None})
    entries = await audited(database)
    assert [(e.at, e.actor, e.action, e.revision) for e in entries] == [
        (1002.0, "key_3", "delete", 3),
        (1001.0, "key_2", "update", 2),
        (1000.0, "key_1", "create", 1),
    ]
    assert [(e.before_digest, e.after_digest) for e in entries] == [(two, None), (one, two), (None, one)]
    assert {(e.kind, e.object_id) for e in entries} == {("app", "a")}
    assert entries[-1].namespace == "team"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, None),
        ({"name": 5}, "name"),
        ({"name": "a", "limits": {"tokens": "many"}}, "limits.tokens"),
        ({"name": "a", "colour": "red"}, None),
    ],
)
async def test_a_body_that_does_not_fit_is_refused_by_field_and_leaves_nothing(
    database: Database, control: ControlObjects, body: dict[str, object], field: str | None
) -> None:
    with pytest.raises(Unprocessable) as refused:
        await control.put("app", "a", body, actor="key_1")
    assert refused.value.param == field
    assert await control.stored.list("app") == ()
    assert await audited(database) == []


async def test_an_unknown_field_is_named(control: ControlObjects) -> None:
    with pytest.raises(Unprocessable, match=r"app: .*`colour`"):
        await control.put("app", "a", {"name": "a", "colour": "red"}, actor="key_1")


async def test_a_conflict_is_not_audited(database: Database, control: ControlObjects) -> None:
    await control.put("app", "a", {"name": "one"}, actor="key_1")
    with pytest.raises(Conflict):
        await control.put("app", "a", {"name": "two"}, actor="key_1", expected_revision=0)
    with pytest.raises(NotFound):
        await control.delete("app", "b", actor="key_1")
    assert len(await audited(database)) == 1


async def test_the_audit_is_read_by_object_and_in_pages(database: Database, control: ControlObjects) -> None:
    for name in ("a", "b", "a"):
        await control.put("app", name, {"name": name}, actor="key_1")
    log = AuditLog(database)
    assert [e.revision for e in await log.list(kind="app", object_id="a")] == [3, 1]
    first = await log.list(limit=2)
    rest = await log.list(before_seq=first[-1].seq)
    assert [e.revision for e in (*first, *rest)] == [3, 2, 1]


def test_equal_bodies_have_equal_digests() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert digest(None) is None
