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
        "needs 'storage:read' among the permissions, in a jackfield.toml",
    )


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
