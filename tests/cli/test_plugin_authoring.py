"""`jackfield plugin new` and `jackfield plugin check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Run

BAD = """\
import time
from jackfield.sdk import Plugin, hook
class Tried(Plugin):
    @hook("background", timeout_ms=31_000)
    async def note(self, exchange):
        time.sleep(1)
"""
COMPUTED = """\
from jackfield.sdk import Plugin, hook
LONG = 31 * 1000
class Tried(Plugin):
    @hook("background", timeout_ms=LONG)
    async def note(self, exchange):
        return None
"""


def write(folder: Path, text: str) -> None:
    file = folder / "plugins" / "tried" / "plugin.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_new_tells_what_it_made_and_what_comes_next(run: Run, folder: Path) -> None:
    done = run("plugin", "new", "native", "tried", "--into", "plugins")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "made plugins/tried"
    assert done.out.splitlines()[-1] == "next: cd plugins/tried && python -m pytest"
    assert (folder / "plugins" / "tried" / "plugin.py").is_file()


def test_new_makes_the_folder_here_where_nothing_else_is_said(run: Run, folder: Path) -> None:
    assert json.loads(run("plugin", "new", "toolbox", "tried", "--json").out) == {
        "folder": "tried",
        "kind": "toolbox",
        "files": ["README.md", "index.js", "manifest.json", "package.json", "tests/index.test.js"],
    }
    assert (folder / "tried" / "index.js").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["native", "Bad Name"], 1, "jackfield: 'Bad Name' cannot be the name of a native plugin"),
        (["native", "echo"], 1, "jackfield: 'echo' is a plugin that comes with Jackfield"),
        (["wasm", "tried"], 2, "'wasm' is not one of"),
        (["native"], 2, "Missing argument 'NAME'"),
    ],
)
def test_new_refuses_what_is_wrong(run: Run, folder: Path, arguments: list[str], code: int, told: str) -> None:
    done = run("plugin", "new", *arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert list(folder.iterdir()) == []


def test_check_prints_one_line_for_each_finding_and_fails(run: Run, folder: Path) -> None:
    write(folder, BAD)
    done = run("plugin", "check", "plugins/tried")
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines() == [
        "plugins/tried/plugin.py:4: warning long-deadline Tried.note may take 31 s of every exchange; at most 30 s",
        "plugins/tried/plugin.py:6: error blocking-call Tried.note blocks the event loop with time.sleep(); "
        "use await asyncio.sleep(…)",
    ]


def test_check_without_errors_succeeds(run: Run, folder: Path) -> None:
    write(folder, BAD.replace("time.sleep(1)", "return None"))
    done = run("plugin", "check", "plugins")
    assert done.code == 0
    assert "warning long-deadline" in done.out
    write(folder, BAD.replace("time.sleep(1)", "return None").replace("31_000", "1_000"))
    assert run("plugin", "check", "plugins").out == "nothing found in tried\n"


def test_check_takes_ids_and_several_places(run: Run, folder: Path) -> None:
    write(folder, BAD)
    assert run("plugin", "check", "echo", "openai").out == "nothing found in echo, openai\n"
    assert run("plugin", "check", "echo", "tried").code == 1


def test_check_says_that_it_ran_the_module_or_that_it_did_not(run: Run, folder: Path) -> None:
    write(folder, COMPUTED)
    done = run("plugin", "check", "plugins")
    assert "plugins/tried/plugin.py:4: warning long-deadline" in done.out
    assert done.err == "run to check it: plugins/tried/plugin.py: timeout_ms of Tried.note is computed\n"
    done = run("plugin", "check", "plugins", "--no-import")
    assert done.out == "nothing found in tried\n"
    assert done.err.startswith("not checked without running it: ")


def test_check_as_json(run: Run, folder: Path) -> None:
    write(folder, BAD)
    done = run("plugin", "check", "tried", "--json")
    told = json.loads(done.out)
    assert (done.code, told["plugins"], told["ran"], told["not_checked"]) == (1, ["tried"], [], [])
    assert told["findings"][1] == {
        "path": "plugins/tried/plugin.py",
        "line": 6,
        "level": "error",
        "code": "blocking-call",
        "message": "Tried.note blocks the event loop with time.sleep(); use await asyncio.sleep(…)",
    }


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("absent/plugin", "absent/plugin: there is no such file or folder"),
        ("ecko", "there is no file, folder or plugin 'ecko'; the nearest is 'echo'"),
    ],
)
def test_check_names_what_is_not_there(run: Run, place: str, told: str) -> None:
    done = run("plugin", "check", place)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"jackfield: {told}")
    assert done.err.count("\n") == 1
