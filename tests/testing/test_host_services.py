"""A plugin on trial has all that it could be granted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jackfield.sdk import HttpResponse, Plugin, current_caller
from jackfield.sdk.events import Event, subscribe
from jackfield.sdk.scheduler import task
from jackfield.sdk.tools import ToolContext, tool
from jackfield.testing import FakeHost
from jackfield.testing.granting import HttpRequest

ALL = (
    *("storage:read", "storage:write", "http:outbound", "events:subscribe", "events:emit", "users:read"),
    *("scheduler:read", "scheduler:write", "memory:read", "memory:write", "tools:register", "tools:execute"),
)


class Everything(Plugin):
    id = "everything"
    permissions = ALL

    async def on_load(self) -> None:
        self.heard: list[Event] = []

    @tool()
    async def fetch(self, url: str) -> Any:
        """Fetches."""
        return (await self.services.http.get(url)).json()

    @tool()
    async def remember(self, what: str, *, context: ToolContext) -> Any:
        """Remembers."""
        assert context.caller.user is not None
        await self.services.memory.create(context.caller.user, what, "semantic", 7)
        found = await self.services.memory.search(what, context.caller.user)
        return [memory.content for memory in found]

    @tool()
    async def who(self, *, context: ToolContext) -> Any:
        """Tells."""
        return await self.services.users.preferences(context.caller.user or "")

    @tool()
    async def around(self) -> Any:
        """Goes around."""
        return (await self.services.tools.execute("plugin_everything_fetch", {"url": "https://example.com/"})).result

    @tool()
    async def tasks(self) -> Any:
        """Lists."""
        return [one.name for one in await self.services.scheduler.list()]

    @subscribe("message:received")
    async def listen(self, event: Event) -> None:
        self.heard.append(event)

    @task(every_s=60)
    async def tidy(self) -> None:
        self.tidied = [*getattr(self, "tidied", ()), current_caller()]


def outside(request: HttpRequest) -> Any:
    return {"url": request.url}


async def test_it_runs_with_all_of_them() -> None:
    async with FakeHost(Everything, http=outside, users={"alice": {"language": "no"}}) as host:
        assert {tool.spec.name for tool in host.tools} == {"fetch", "remember", "who", "around", "tasks"}
        assert (await host.call_tool("fetch", {"url": "https://a.example/"})).result == {"url": "https://a.example/"}
        assert (await host.call_tool("plugin_everything_around")).result == {"url": "https://example.com/"}
        assert [request.url for request in host.sent_outside] == ["https://a.example/", "https://example.com/"]
        assert (await host.call_tool("remember", {"what": "likes figs"}, user="alice")).result == ["likes figs"]
        assert (await host.call_tool("remember", {"what": "likes nuts"}, user="bob")).result == ["likes nuts"]
        assert (await host.call_tool("who", user="alice")).result == {"language": "no"}
        assert (await host.call_tool("tasks")).result == ["tidy"]
        await host.announce("message:received", {"content": "hello"})
        plugin: Any = host.plugin
        assert [event.data["content"] for event in plugin.heard] == ["hello"]
        assert host.stats["calls"] >= 7


async def test_its_tasks_run_when_the_clock_says_so() -> None:
    async with FakeHost(Everything) as host:
        plugin: Any = host.plugin
        await host.run_tasks(after_s=59)
        assert not hasattr(plugin, "tidied")
        for _ in range(2):
            await host.run_tasks(after_s=61)
        assert plugin.tidied == [None, None]


async def test_without_an_outside_it_reaches_nothing() -> None:
    async with FakeHost(Everything) as host:
        reply = await host.call_tool("fetch", {"url": "https://example.com/"})
        assert "the trial has no outside" in (reply.error or "")


def moved(request: HttpRequest) -> Any:
    if request.url == "https://a.example/new":
        return {"at": request.url}
    return HttpResponse(status=301, reason="", headers={"location": "/new"}, body=b"", url=request.url)


async def test_it_reaches_what_a_gateway_would_let_it_reach(tmp_path: Path) -> None:
    (tmp_path / "jackfield.toml").write_text(
        'id = "reaching"\npermissions = ["http:outbound", "tools:register"]\n[http]\nhosts = ["a.example"]\n'
    )
    (tmp_path / "plugin.py").write_text(
        "from jackfield.sdk import Plugin, tool\n\n\nclass Reaching(Plugin):\n    @tool()\n"
        "    async def fetch(self, url: str):\n        return (await self.services.http.get(url)).json()\n"
    )
    async with FakeHost(tmp_path, http=moved) as host:
        assert (await host.call_tool("fetch", {"url": "https://a.example/"})).result == {"at": "https://a.example/new"}
        for url in ("https://b.example/", "http://127.0.0.1/", "file:///etc/passwd"):
            assert not (await host.call_tool("fetch", {"url": url})).success
        assert [request.url for request in host.sent_outside] == ["https://a.example/", "https://a.example/new"]


@pytest.mark.parametrize(
    ("lacking", "told"), [("tools:register", "tools:register"), ("scheduler:write", "scheduler:write")]
)
async def test_what_is_marked_needs_its_permission(lacking: str, told: str) -> None:
    approved = [name for name in ALL if name != lacking]
    with pytest.raises(Exception, match=told):
        async with FakeHost(Everything, approve=approved):
            raise AssertionError
