"""What operators may do with what is remembered of users."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.testing.gateway import RunningGateway

from .admin import refused
from .plugins import StartGateway

PATH = "/api/v1/memories"
NOTES = """
from jackfield.sdk import Plugin, PluginConfig, Reject, hook

class Notes(Plugin[PluginConfig]):
    permissions = ("memory:read", "memory:write")

    @hook("pre_flight", on_failure="closed", timeout_ms=30_000, operations=("chat",))
    async def note(self, exchange):
        user, text = exchange.identity.user or exchange.identity.credential, exchange.request.last_user_text()
        if text.startswith("?"):
            found = await self.services.memory.search(text[1:], user)
            return Reject(418, "found", " | ".join(memory.content for memory in found))
        await self.services.memory.create(user, text, "semantic")
"""


class Notebook:
    """A gateway whose plugin remembers each message of whoever sends it, and finds what follows a `?`."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway

    async def say(self, text: str) -> str:
        body = {"model": "echo", "messages": [{"role": "user", "content": text}]}
        async with self.gateway.caller() as caller:
            called = await caller.post("/v1/chat/completions", body)
        return str(called.json["error"]["message"] if called.status == 418 else called.status)

    async def user(self) -> str:
        """Whom the inference key stands for."""
        credentials = (await self.gateway.admin("/api/v1/credentials")).json["data"]
        return str(next(one["id"] for one in credentials if one["role"] == "inference"))

    async def list(self, **query: Any) -> dict[str, Any]:
        wanted = "&".join(f"{name}={value}" for name, value in ({"user": await self.user()} | query).items())
        called = await self.gateway.admin(f"{PATH}?{wanted}")
        assert called.status == 200, called.body
        return dict(called.json)


@pytest.fixture
async def notebook(start_gateway: StartGateway) -> Notebook:
    gateway = await start_gateway(plugins={"notes": NOTES}, memory={"embedding_model": "echo"})
    assert (await gateway.plugin("notes"))["state"] == "active"
    return Notebook(gateway)


async def test_what_a_plugin_remembers_is_embedded_found_and_exported(notebook: Notebook) -> None:
    for text in ("likes green tea", "lives in Oslo", "Likes green tea."):
        assert await notebook.say(text) == "200"
    assert (await notebook.say("?green tea")).startswith("Likes green tea.")
    page = await notebook.list()
    assert page["next"] is None
    newest, oldest = page["data"]
    assert set(newest) == {
        *("id", "user", "type", "content", "importance", "source"),
        *("created_at", "updated_at", "last_accessed", "model"),
    }
    assert (newest["content"], newest["model"], newest["source"]) == ("lives in Oslo", "echo", "plugin:notes")
    assert (oldest["content"], oldest["user"]) == ("Likes green tea.", await notebook.user())
    records = await notebook.gateway.records(8)
    own = [record for record in records if record["app"] == "jackfield"]
    assert len(own) == 4
    assert {record["operation"] for record in own} == {"embeddings"}


async def test_the_export_is_paged(notebook: Notebook) -> None:
    for text in ("one fish", "two birds", "three cats"):
        await notebook.say(text)
    first = await notebook.list(limit=2)
    second = await notebook.list(limit=2, cursor=first["next"])
    assert [one["content"] for one in first["data"] + second["data"]] == ["three cats", "two birds", "one fish"]
    assert second["next"] is None
    assert await notebook.list(user="nobody") == {"data": [], "next": None}


async def test_a_memory_is_corrected_and_audited(notebook: Notebook) -> None:
    await notebook.say("lives in Oslo")
    (memory,) = (await notebook.list())["data"]
    changed = await notebook.gateway.admin(f"{PATH}/{memory['id']}", "PUT", {"content": "lives in Bergen"})
    assert (changed.status, changed.json["content"], changed.json["importance"]) == (200, "lives in Bergen", 5)
    weighed = await notebook.gateway.admin(f"{PATH}/{memory['id']}", "PUT", {"importance": 9})
    assert (weighed.json["content"], weighed.json["importance"]) == ("lives in Bergen", 9)
    assert await notebook.say("?Bergen") == "lives in Bergen"
    entries = (await notebook.gateway.admin("/api/v1/audit?kind=memory")).json["data"]
    assert [(one["action"], one["object_id"], one["actor"]) for one in entries] == [
        ("update", memory["id"], "key_environment_admin")
    ] * 2


async def test_a_user_is_forgotten_whole_and_one_memory_alone(notebook: Notebook) -> None:
    for text in ("one fish", "two birds", "three cats"):
        await notebook.say(text)
    newest = (await notebook.list())["data"][0]
    gone = await notebook.gateway.admin(f"{PATH}/{newest['id']}", "DELETE")
    assert (gone.status, gone.json["content"]) == (200, "three cats")
    user = await notebook.user()
    for deleted in (2, 0):
        called = await notebook.gateway.admin(f"{PATH}?user={user}", "DELETE")
        assert (called.status, called.json) == (200, {"deleted": deleted})
    assert await notebook.say("?fish birds cats") == ""
    entries = (await notebook.gateway.admin("/api/v1/audit?kind=memory")).json["data"]
    assert [(one["action"], one["object_id"]) for one in entries] == [("delete_all", user), ("delete", newest["id"])]


async def test_a_correction_that_repeats_another_memory_is_refused(notebook: Notebook) -> None:
    for text in ("one fish", "two birds"):
        await notebook.say(text)
    newest = (await notebook.list())["data"][0]
    called = await notebook.gateway.admin(f"{PATH}/{newest['id']}", "PUT", {"content": "One fish."})
    refused(called, 409, "conflict", "content", changed=False)


WRONG: tuple[tuple[str, str, Any, int, str, str | None], ...] = (
    (PATH, "GET", None, 422, "unprocessable", "user"),
    (PATH, "DELETE", None, 422, "unprocessable", "user"),
    (f"{PATH}?user=", "GET", None, 422, "unprocessable", "user"),
    (f"{PATH}?user=%00", "DELETE", None, 422, "unprocessable", "user"),
    (f"{PATH}?user=a&limit=0", "GET", None, 422, "unprocessable", "limit"),
    (f"{PATH}/mem_1", "DELETE", None, 404, "not_found", None),
    (f"{PATH}/mem_1", "PUT", {"importance": 1}, 404, "not_found", None),
    (f"{PATH}/mem_1", "PUT", {}, 422, "unprocessable", None),
    (f"{PATH}/mem_1", "PUT", {"importance": 11}, 422, "unprocessable", "importance"),
    (f"{PATH}/mem_1", "PUT", {"content": ""}, 422, "unprocessable", "content"),
    (f"{PATH}/mem_1", "PUT", {"content": "a\0"}, 422, "unprocessable", "content"),
    (f"{PATH}/mem_1", "PUT", {"type": "semantic"}, 422, "unprocessable", "type"),
)


async def test_what_cannot_be_done_is_named(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    for path, method, body, status, code, param in WRONG:
        called = await gateway.admin(path, method, body)
        refused(called, status, code, param, changed=None if method == "GET" else False)
