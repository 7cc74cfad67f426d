"""What a plugin asks for and what it uses."""

from __future__ import annotations

import pytest

from .conftest import Look

MANIFEST = """
    id = "tried"
    version = "1.0.0"
    description = "Remembers"
    permissions = [
        {permissions}
    ]
"""
PLUGIN = """
    from jackfield.sdk import Plugin, hook
    class Tried(Plugin):
        @hook("background")
        async def note(self, exchange):
            {use}
"""
BOTH = '"storage:read", "storage:write"'


def found(look: Look, permissions: str, use: str) -> list[tuple[str, int, str]]:
    files = {
        "tried/jackfield.toml": MANIFEST.format(permissions=permissions),
        "tried/plugin.py": PLUGIN.format(use=use.replace("\n", "\n            ")),
    }
    return [(one.path.removeprefix("tried/"), one.line, one.code) for one in look(files).findings]


@pytest.mark.parametrize(
    ("permissions", "use"),
    [
        ('"storage:read"', "await self.services.kv.get('a')"),
        ('"storage:read"', "await self.services.kv.list()"),
        ('"storage:write"', "await self.services.kv.set('a', 1)"),
        (BOTH, "await self.services.kv.increment('a')"),
        (BOTH, "kv = self.services.kv\nawait kv.get('a')\nawait kv.delete('a')"),
        (BOTH, "self.kv = self.services.kv\nawait self.kv.get('a')\nawait self.kv.clear()"),
        (BOTH, "await count(self.services.kv)"),
        (BOTH, "await count(self.services)"),
        (BOTH, "kv = self.services.kv\nawait count(kv)"),
        ("", "pass"),
    ],
)
def test_what_is_used_as_asked_is_passed(look: Look, permissions: str, use: str) -> None:
    assert found(look, permissions, use) == []


def test_what_is_used_and_not_asked_is_told_where_it_is_used(look: Look) -> None:
    assert found(look, "", "await self.services.kv.get('a')") == [("plugin.py", 6, "permission-missing")]
    assert found(look, '"storage:read"', "kv = self.services.kv\nawait kv.set('a', await kv.get('b'))") == [
        ("plugin.py", 7, "permission-missing")
    ]


def test_what_is_asked_and_not_used_is_told_where_it_is_asked(look: Look) -> None:
    use = "await self.services.kv.get('a')"
    assert found(look, BOTH, use) == [("jackfield.toml", 6, "permission-unused")]
    assert found(look, '"http:outbound"', "pass") == [("jackfield.toml", 6, "permission-unused")]


def test_without_a_manifest_nothing_can_be_asked(look: Look) -> None:
    (one,) = look({"tried/plugin.py": PLUGIN.format(use="await self.services.kv.get('a')")}).findings
    assert (one.code, one.message) == (
        "permission-missing",
        "needs 'storage:read' among the permissions of its class",
    )


def test_a_class_without_a_manifest_asks_for_itself(look: Look) -> None:
    told = PLUGIN.replace("@hook", "permissions = {permissions}\n        @hook")

    def codes(permissions: str, use: str) -> list[tuple[int, str]]:
        report = look({"tried/plugin.py": told.format(permissions=permissions, use=use)})
        return [(one.line, one.code) for one in report.findings]

    get = "await self.services.kv.get('a')"
    assert codes("('storage:read',)", get) == []
    assert codes("('storage:read',)", "pass") == [(4, "permission-unused")]
    assert codes("['storage:red']", "pass") == [(4, "manifest"), (4, "permission-unused")]
    assert codes("tuple(ASKED)", get) == []


SERVICES = [
    ("http:outbound", "await self.services.http.get('https://api.example')"),
    ("http:outbound", "http = self.services.http\nawait http.request('PUT', 'https://api.example')"),
    ("events:subscribe", "self.services.events.on('message:sent', print)"),
    ("events:emit", "self.services.events.emit('mine', {})"),
    ("scheduler:write", "await self.services.scheduler.schedule('tidy', 60, print)"),
    ("scheduler:read", "await self.services.scheduler.list()"),
    ("memory:read", "await self.services.memory.search('tea', 'ada')"),
    ("memory:write", "await self.services.memory.create('ada', 'likes tea', 'semantic')"),
    ("users:read", "await self.services.users.preferences('ada')"),
    ("usage:read", "await self.services.usage.query({})"),
    ("tools:register", "self.services.tools.unregister('look')"),
    ("tools:execute", "await self.services.tools.execute('plugin_other_look', {})"),
    ("mcp:connect", "return self.services.mcp.servers"),
    ("tools:refuse", "return sdk.ToolRefusal('no')"),
    ("routes:public", "return sdk.RouterSpec(router=None, public=True)"),
    ("formats:register", "return sdk.FormatSpec(format=None)"),
]


@pytest.mark.parametrize(("permission", "use"), SERVICES)
def test_every_service_is_known(look: Look, permission: str, use: str) -> None:
    use = f"import jackfield.sdk as sdk\n{use}" if "sdk." in use else use
    assert found(look, f'"{permission}"', use) == []
    assert found(look, '"storage:read"', use)[-1][2] == "permission-missing"


MARKED = """
    from jackfield.sdk import Plugin, subscribe, task, tool
    class Tried(Plugin):
        @{mark}
        async def work(self, *given) -> None:
            pass
"""


@pytest.mark.parametrize(
    ("mark", "permission"),
    [
        ("tool('Works')", "tools:register"),
        ("subscribe('message:sent')", "events:subscribe"),
        ("task(every_s=60)", "scheduler:write"),
    ],
)
def test_a_mark_is_a_use(look: Look, mark: str, permission: str) -> None:
    for asked, expected in ((f'"{permission}"', []), ("", [("tried/plugin.py", 4, "permission-missing")])):
        files = {
            "tried/jackfield.toml": MANIFEST.format(permissions=asked),
            "tried/plugin.py": MARKED.format(mark=mark),
        }
        assert [(one.path, one.line, one.code) for one in look(files).findings] == expected


def test_whose_memories_are_meant_is_not_guessed(look: Look) -> None:
    use = "await self.services.memory.search('tea', 'ada')"
    assert found(look, '"memory:read", "users:any"', use) == []
    assert found(look, '"users:any"', "pass") == [("jackfield.toml", 6, "permission-unused")]


def test_uses_in_other_files_of_the_plugin_count(look: Look) -> None:
    files = {
        "tried/jackfield.toml": MANIFEST.format(permissions='"storage:read"'),
        "tried/plugin.py": PLUGIN.format(use="await read(self)"),
        "tried/reading.py": "async def read(plugin):\n    return await plugin.services.kv.get('a')\n",
    }
    assert look(files).findings == []


def test_uses_in_tests_do_not_count(look: Look) -> None:
    files = {
        "tried/jackfield.toml": MANIFEST.format(permissions='"storage:read"'),
        "tried/plugin.py": PLUGIN.format(use="pass"),
        "tried/tests/test_it.py": "async def read(plugin):\n    return await plugin.services.kv.get('a')\n",
    }
    assert [one.code for one in look(files).findings] == ["permission-unused"]
