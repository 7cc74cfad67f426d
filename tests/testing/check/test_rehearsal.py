"""The plugin's module is run only for what cannot be read from it, in a process of its own, and that is said."""

from __future__ import annotations

import pytest

from .conftest import Look

GOOD = 'id = "tried"\nversion = "1"\ndescription = "Does"\n'


def test_a_plugin_that_can_be_read_is_not_run(look: Look) -> None:
    source = "from jackfield.sdk import Plugin\nraise SystemExit\nclass Tried(Plugin):\n    pass\n"
    report = look({"tried/plugin.py": source}, run=True)
    assert (report.findings, report.ran, report.unread) == ([], [], [])


COMPUTED = """\
    from jackfield.sdk import Plugin, hook
    LONG = {seconds} * 1000
    class Tried(Plugin):
        @hook("background", timeout_ms=LONG)
        async def note(self, exchange):
            return None
"""


@pytest.mark.parametrize(("seconds", "codes"), [(60, ["long-deadline"]), (10, []), (0, ["import"])])
def test_an_option_that_is_computed_is_told_by_running(look: Look, seconds: int, codes: list[str]) -> None:
    report = look({"tried/plugin.py": COMPUTED.format(seconds=seconds)}, run=True)
    assert [(one.line, one.code) for one in report.findings] == [(4, code) for code in codes]
    assert [line.removeprefix("tried/") for line in report.ran] == ["plugin.py: timeout_ms of Tried.note is computed"]


def test_without_running_it_says_what_was_not_told(look: Look) -> None:
    report = look({"tried/plugin.py": COMPUTED.format(seconds=60)}, run=False)
    assert (report.findings, report.ran) == ([], [])
    assert [line.removeprefix("tried/") for line in report.unread] == [
        "plugin.py: timeout_ms of Tried.note is computed"
    ]


def test_settings_of_another_file_are_told_by_running(look: Look) -> None:
    files = {
        "tried/jackfield.toml": GOOD,
        "tried/plugin.py": "from jackfield.sdk import Plugin\nfrom .settings import Settings\n"
        "class Tried(Plugin[Settings]):\n    pass\n",
        "tried/settings.py": "from jackfield.sdk import PluginConfig\n"
        "class Settings(PluginConfig):\n    limit: int = 3\n",
    }
    (found,) = look(files, run=True).findings
    assert (found.path, found.line, found.code) == ("tried/plugin.py", 3, "field-description")
    described = "from pydantic import Field\n" + files["tried/settings.py"].replace(
        "= 3", '= Field(default=3, description="How many")'
    )
    assert look({"tried/settings.py": described}, run=True).findings == []


def test_a_parent_of_another_file_is_told_by_running(look: Look) -> None:
    files = {
        "tried/plugin.py": "from .parent import Parent\nclass Tried(Parent):\n    pass\n",
        "tried/parent.py": "from jackfield.sdk import Plugin\nclass Parent(Plugin):\n    pass\n",
    }
    assert look(files, run=True).findings == []
    files["tried/parent.py"] = "class Parent:\n    pass\n"
    assert [one.code for one in look(files, run=True).findings] == ["import"]


def test_an_entry_that_is_from_another_file_is_told_by_running(look: Look) -> None:
    files = {
        "tried/jackfield.toml": GOOD + 'entry = "plugin:Parent"\n',
        "tried/plugin.py": "from .parent import Parent\n",
        "tried/parent.py": "from jackfield.sdk import Plugin\nclass Parent(Plugin):\n    pass\n",
    }
    (found,) = look(files, run=True).findings
    assert (found.path, found.code) == ("tried/plugin.py", "import")
    assert "there is no Parent in it" in found.message


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import os; os._exit(0)", "the module ended the process that ran it"),
    ],
)
def test_what_the_module_raises_is_told_where_it_raises(look: Look, statement: str, message: str) -> None:
    files = {
        "tried/plugin.py": f"from .parent import Parent\n{statement}\nclass Tried(Parent):\n    pass\n",
        "tried/parent.py": "from jackfield.sdk import Plugin\nclass Parent(Plugin):\n    pass\n",
    }
    (found,) = look(files, run=True).findings
    assert (found.path, found.code, found.message) == ("tried/plugin.py", "import", message)
    assert found.line == (1 if "_exit" in statement else 2)
