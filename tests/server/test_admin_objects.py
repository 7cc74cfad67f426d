"""What apps and users have in common: they are listed, made, changed and deleted in one way, on record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from .objects import AdminOfObjects, admin_of_objects

KINDS = {
    "apps": ({"name": "Shop", "tools": ["plugin_weather_*"], "tool_loop": True}, {"name": "Store"}),
    "users": ({"name": "Alice", "preferences": {"language": "en"}}, {"preferences": {"verbosity": "terse"}}),
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "apps": {"tools": None, "tool_loop": False},
    "users": {"name": None, "preferences": {}},
}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AdminOfObjects]:
    async with admin_of_objects(tmp_path_factory.mktemp("objects")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def admin(running: AdminOfObjects) -> AdminOfObjects:
    await running.clear()
    return running


@pytest.mark.parametrize("kind", KINDS)
async def test_one_is_made_listed_shown_changed_and_deleted(admin: AdminOfObjects, kind: str) -> None:
    path = f"/api/v1/{kind}"
    first, second = KINDS[kind]
    made = await admin.post(path, {"id": "one", **first})
    assert made.status == 201
    shown = made.json
    assert {name: shown[name] for name in ("id", "namespace", *first)} == {"id": "one", "namespace": "default"} | first
    assert made.headers["etag"] == f'"{shown["revision"]}"'
    assert (await admin.get(path)).json == {"data": [shown]}
    found = await admin.get(f"{path}/one")
    assert (found.json, found.headers["etag"]) == (shown, made.headers["etag"])

    changed = await admin.put(f"{path}/one", second, made.headers["etag"])
    assert changed.status == 200
    told = changed.json
    assert told.items() >= (DEFAULTS[kind] | second).items()
    assert told["revision"] > shown["revision"]
    assert (told["created_at"], told["id"]) == (shown["created_at"], "one")

    gone = await admin.delete(f"{path}/one", changed.headers["etag"])
    assert (gone.status, gone.json["deleted"]) == (200, True)
    assert (await admin.get(path)).json == {"data": []}
    assert (await admin.get(f"{path}/one")).status == 404


@pytest.mark.parametrize("kind", KINDS)
async def test_every_change_is_on_record_with_who_made_it(admin: AdminOfObjects, kind: str) -> None:
    path, (first, second) = f"/api/v1/{kind}", KINDS[kind]
    made = (await admin.post(path, first)).json
    await admin.put(f"{path}/{made['id']}", second)
    await admin.delete(f"{path}/{made['id']}")
    entries = await admin.audit.list(kind=kind.removesuffix("s"))
    assert [(entry.action, entry.actor, entry.object_id) for entry in entries] == [
        (action, admin.actor, made["id"]) for action in ("delete", "update", "create")
    ]


@pytest.mark.parametrize("kind", KINDS)
async def test_without_an_id_one_is_made(admin: AdminOfObjects, kind: str) -> None:
    made = await admin.post(f"/api/v1/{kind}", KINDS[kind][0])
    assert made.json["id"].startswith(kind.removesuffix("s") + "_")


@pytest.mark.parametrize("kind", KINDS)
async def test_an_id_is_borne_by_one(admin: AdminOfObjects, kind: str) -> None:
    one = {"id": "one", **KINDS[kind][0]}
    await admin.post(f"/api/v1/{kind}", one)
    assert "is there already" in (await admin.post(f"/api/v1/{kind}", one)).refused(409, "conflict")
    await admin.delete(f"/api/v1/{kind}/one")
    assert (await admin.post(f"/api/v1/{kind}", one)).status == 201


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["shop/alice", "a b", "ü", "%", "..", "a?b#c"])
async def test_an_id_may_hold_what_names_hold(admin: AdminOfObjects, kind: str, name: str) -> None:
    assert (await admin.post(f"/api/v1/{kind}", {"id": name, **KINDS[kind][0]})).status == 201
    path = f"/api/v1/{kind}/{quote(name, safe='')}"
    assert (await admin.get(path)).json["id"] == name
    assert (await admin.delete(path)).json["id"] == name


@pytest.mark.parametrize("kind", KINDS)
async def test_a_revision_that_is_no_longer_there_is_refused(admin: AdminOfObjects, kind: str) -> None:
    path, (first, second) = f"/api/v1/{kind}", KINDS[kind]
    made = await admin.post(path, {"id": "one", **first})
    changed = await admin.put(f"{path}/one", second, made.headers["etag"])
    for answer in (
        await admin.put(f"{path}/one", first, made.headers["etag"]),
        await admin.delete(f"{path}/one", made.headers["etag"]),
    ):
        assert "it was changed meanwhile" in answer.refused(409, "conflict")
    assert (await admin.get(f"{path}/one")).json == changed.json
    assert (await admin.put(f"{path}/one", second, f"W/{changed.headers['etag']}")).status == 200


@pytest.mark.parametrize("kind", KINDS)
async def test_any_revision_will_do_where_none_is_named(admin: AdminOfObjects, kind: str) -> None:
    path, (first, second) = f"/api/v1/{kind}", KINDS[kind]
    await admin.post(path, {"id": "one", **first})
    for if_match in (None, "*"):
        assert (await admin.put(f"{path}/one", second, if_match)).status == 200
    assert (await admin.delete(f"{path}/one", "*")).status == 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("if_match", ["", "x", '"a"', '"1", "2"', "-1", "1" * 30])
async def test_what_is_no_revision_is_malformed(admin: AdminOfObjects, kind: str, if_match: str) -> None:
    path, (first, _) = f"/api/v1/{kind}", KINDS[kind]
    await admin.post(path, {"id": "one", **first})
    answer = await admin.put(f"{path}/one", first, if_match)
    assert "revision" in answer.refused(400, "invalid_request_error", "If-Match")


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_not_there_cannot_be_changed(admin: AdminOfObjects, kind: str) -> None:
    path = f"/api/v1/{kind}/nobody"
    for answer in (await admin.put(path, KINDS[kind][0]), await admin.delete(path), await admin.delete(path, '"3"')):
        assert "nobody" in answer.refused(404, "not_found")


WRONG: list[tuple[str, Any, str | None]] = [
    ("apps", {}, "name"),
    ("apps", {"name": ""}, "name"),
    ("apps", {"name": 5}, "name"),
    ("apps", {"name": "a\x00"}, "name"),
    ("apps", {"name": "a", "tols": []}, "tols"),
    ("apps", {"name": "a", "tools": "plugin_a_b"}, "tools"),
    ("apps", {"name": "a", "tools": ["ok", 5]}, "tools.1"),
    ("apps", {"name": "a", "tools": ["x" * 300]}, "tools.0"),
    ("apps", {"name": "a", "tools": ["x"] * 1001}, "tools"),
    ("apps", {"name": "a", "tool_loop": "yes"}, "tool_loop"),
    ("apps", {"name": "a", "tool_loop": None}, "tool_loop"),
    ("apps", [], None),
    ("users", {"name": ["x"]}, "name"),
    ("users", {"preferences": []}, "preferences"),
    ("users", {"preferences": {"a": "\ud800"}}, "preferences"),
    ("users", {"preferences": {"a": [{"b\x00": 1}]}}, "preferences.a.0.b"),
    ("users", {"preferences": {"a": [1, {"b": 2**70}]}}, "preferences.a.1.b"),
    ("users", {"preferences": {"a": "x" * 20_000}}, "preferences"),
    ("users", {"secret": 1}, "secret"),
]


@pytest.mark.parametrize(("kind", "body", "param"), WRONG)
async def test_a_wrong_field_is_named_and_nothing_is_changed(
    admin: AdminOfObjects, kind: str, body: Any, param: str | None
) -> None:
    path = f"/api/v1/{kind}"
    made = (await admin.post(path, {"id": "one", **KINDS[kind][0]})).json
    for answer in (await admin.post(path, body), await admin.put(f"{path}/one", body)):
        told = answer.json["error"]["param"]
        answer.refused(422, "unprocessable", told)
        assert (told or "").startswith(param or "")
    assert (await admin.get(path)).json == {"data": [made]}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["", 5, "a\nb", "x" * 513])
async def test_an_id_that_is_none_is_refused(admin: AdminOfObjects, kind: str, name: Any) -> None:
    answer = await admin.post(f"/api/v1/{kind}", {"id": name, **KINDS[kind][0]})
    answer.refused(422, "unprocessable", "id")


@pytest.mark.parametrize("kind", KINDS)
async def test_the_id_of_one_does_not_change(admin: AdminOfObjects, kind: str) -> None:
    path, (first, _) = f"/api/v1/{kind}", KINDS[kind]
    await admin.post(path, {"id": "one", **first})
    (await admin.put(f"{path}/one", {"id": "two", **first})).refused(422, "unprocessable", "id")
