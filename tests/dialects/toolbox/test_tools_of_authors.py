"""What `jackfield plugin new|check|run` makes of toolbox plugins is what the dialect makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jackfield.testing.check import check, find_subjects
from jackfield.testing.host import FakeHost
from jackfield.testing.scaffolds import write

from .house import ALL, House

PYTHON = """\
def create_plugin(manifest):
    # api.http.get("https://a.example") is what it does not do
    class Plugin:
        async def on_load(self, api):
            self.api = api
            api.register_tool(name="t", handler=self.run)

        async def run(self, input, context):
            return {"success": True, "result": await self.api.storage.get("k")}

    return Plugin()
"""


def write_plugin(folder: Path, code: str = PYTHON, main: str = "index.py", **manifest: object) -> Path:
    said = {"id": "mine", "name": "Mine", "version": "1.0.0", "description": "Tells", "main": main, **manifest}
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"permissions": ["tools:register", "storage:read"]} | said))
    (folder / main).write_text(code)
    return folder


def findings(folder: Path) -> list[tuple[str, str]]:
    return [(found.code, found.message) for found in check([find_subjects(folder)], run=True).findings]


async def test_a_new_plugin_runs_as_a_gateway_loads_it(house: House) -> None:
    write("toolbox", "tried", house.folder)
    assert (await house.start())["tried"].reason is None
    assert await house.ask("tried", "count_words", text="one two  three") == {"words": 3, "total": 3}
    assert await house.ask("tried", "count_words", text="four") == {"words": 1, "total": 4}


async def test_a_plugins_tools_are_called_without_a_gateway(tmp_path: Path) -> None:
    async with FakeHost(write("toolbox", "tried", tmp_path)) as host:
        assert [tool.name for tool in host.tools] == ["plugin_tried_count_words"]
        reply = await host.call_tool("count_words", {"text": "one two"}, user="alice")
        assert reply.result == {"words": 2, "total": 2}
        assert "text" in str((await host.call_tool("count_words", {})).error)


async def test_what_reaches_beyond_the_plugin_is_as_the_test_makes_it(tmp_path: Path) -> None:
    code = """
class Plugin:
    async def on_load(self, api):
        self.heard = []
        api.events.on("message:received", lambda event: self.heard.append(event.data.content))
        await api.scheduler.schedule("tick", 60000, lambda: self.heard.append("tick"))
        async def heard(input, context):
            await api.memory.create(context.user_id, "asked", "episodic")
            return {"success": True, "result": [*self.heard, (await api.http.get("https://a.example/")).body]}
        api.register_tool(name="heard", handler=heard)

plugin = Plugin()
"""
    async with FakeHost(write_plugin(tmp_path / "mine", code, permissions=list(ALL)), http=lambda asked: [1]) as host:
        await host.announce("message:received", {"content": "hi"})
        assert (await host.call_tool("heard", {}, user="alice")).result == ["hi", [1]]
        assert [asked.url for asked in host.sent_outside] == ["https://a.example/"]


def test_one_in_python_is_checked_too(tmp_path: Path) -> None:
    folder = write_plugin(tmp_path / "mine")
    assert findings(folder) == []
    assert findings(folder / "index.py") == []


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("x = 1", ("plugin-class", "it exports no plugin: def create_plugin(manifest): …")),
        (PYTHON + "\n# api.users.get", None),
        (PYTHON.replace("storage.get", "users.get_preferences"), ("permission-missing", "users:read")),
    ],
)
def test_what_its_python_shows_is_told(tmp_path: Path, code: str, told: tuple[str, str] | None) -> None:
    found = findings(write_plugin(tmp_path / "mine", code))
    assert (told is None and not found) or any(told and one[0] == told[0] and told[1] in one[1] for one in found)


def test_keys_of_the_authors_own_are_no_finding_and_mistaken_ones_are(tmp_path: Path) -> None:
    assert findings(write_plugin(tmp_path / "own", icon="sun.png")) == []
    assert findings(write_plugin(tmp_path / "mistaken", dependancies=[])) == [
        ("manifest", "dependancies: unknown key; did you mean 'dependencies'?")
    ]


def test_what_needs_a_newer_guide_is_told(tmp_path: Path) -> None:
    ((code, message),) = findings(write_plugin(tmp_path / "mine", minOpenSentinelVersion="9.0.0"))
    assert code == "manifest"
    assert message.startswith("minOpenSentinelVersion: the plugin needs OpenSentinel 9.0.0 or newer")
