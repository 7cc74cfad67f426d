"""`jackfield plugin test`: a plugin's own tests, plain and under chaos."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from textwrap import dedent

import pytest

from jackfield.testing.own_tests import find_tests

from .conftest import Run

SOURCE = """
    import asyncio
    from jackfield.sdk import Plugin, Reject, hook

    class Quiet(Plugin):
        @hook("pre_flight", on_failure="closed", timeout_ms=100)
        async def check(self, exchange):
            if exchange.request.last_user_text().isupper():
                return Reject(429, "quiet", "Not so loud.")
"""
TESTS = """
    import pytest

    @pytest.mark.asyncio
    async def test_capitals_are_refused(plugin_host):
        host = await plugin_host()
        assert (await host.request("{text}")).status == 429
"""
SWALLOWING = """
    import asyncio
    from jackfield.sdk import Plugin, hook

    class Quiet(Plugin):
        @hook("pre_flight", on_failure="open")
        async def check(self, exchange):
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                return None
"""


def write(folder: Path, source: str = SOURCE, *, text: str = "HELLO", tests: str | None = "test_quiet.py") -> str:
    place = folder / "plugins" / "quiet"
    place.mkdir(parents=True)
    (place / "plugin.py").write_text(dedent(source))
    if tests is not None:
        file = folder / tests if "/" in tests else place / tests
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(TESTS.replace("{text}", text)))
    return str(place.relative_to(folder))


def test_tests_that_pass(run: Run, folder: Path) -> None:
    assert run("plugin", "test", write(folder, tests="tests/test_quiet.py")).code == 0


def test_tests_that_fail(run: Run, folder: Path) -> None:
    assert run("plugin", "test", write(folder, text="hello")).code == 1


def test_arguments_are_handed_on(run: Run, folder: Path) -> None:
    plugin = write(folder, text="hello")
    assert run("plugin", "test", plugin, "--", "-q", "--collect-only").code == 0
    assert run("plugin", "test", plugin, "--", "--no-such-argument").code == 2


def test_no_tests_is_told(run: Run, folder: Path) -> None:
    outcome = run("plugin", "test", write(folder, tests=None))
    assert outcome.code == 1
    assert "plugins/quiet: has no tests" in outcome.err
    assert "nowhere: there is no such" in run("plugin", "test", "nowhere").err


@pytest.mark.parametrize(("ends", "code"), [("1", 0), ("2", 1)])
def test_tests_in_javascript(run: Run, folder: Path, ends: str, code: int) -> None:
    plugin = folder / "tool"
    plugin.mkdir()
    (plugin / "manifest.json").write_text('{"id": "tool"}')
    source = "const test = require('node:test'); const assert = require('node:assert');\n"
    (plugin / "index.test.js").write_text(f"{source}test('one', () => assert.strictEqual(1, {ends}));\n")
    found = find_tests(plugin)
    assert found is not None
    assert found.runner == "node"
    outcome = run("plugin", "test", "tool")
    if shutil.which("node") is None:
        assert "there is no `node`" in outcome.err
    else:
        assert outcome.code == code


def test_only_the_tests_of_its_name_are_taken_from_a_project(folder: Path) -> None:
    plugin = write(folder, tests="tests/test_quiet.py")
    for name in ("test_other.py", "test_quiet_more.py", "test_disquiet.py"):
        (folder / "tests" / name).write_text("")
    found = find_tests(folder / plugin)
    assert found is not None
    assert [file.name for file in found.files] == ["test_quiet.py", "test_quiet_more.py"]
    assert found.folder == folder.resolve()


def test_chaos_holds(run: Run, folder: Path) -> None:
    outcome = run("plugin", "test", write(folder), "--chaos", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    told = json.loads(outcome.out)
    assert (told["plugin"], told["holds"]) == ("quiet", True)
    assert {"raises SystemExit", "hangs", "answers a number"} <= {one["fault"] for one in told["verdicts"]}
    struck = [one for one in told["tests"] if one["calls"]]
    assert {one["fault"] for one in struck} >= {"raises ValueError", "hangs", "answers None"}
    assert not any(one["passed"] for one in struck if one["fault"] == "raises ValueError")


def test_chaos_tells_the_hook_and_the_fault(run: Run, folder: Path) -> None:
    outcome = run("plugin", "test", write(folder, SWALLOWING, tests=None), "--chaos")
    assert outcome.code == 1
    lines = [line.rstrip() for line in outcome.out.splitlines()]
    (row,) = [line for line in lines if line.startswith("quiet.check ") and "open" in line and ":" not in line]
    assert row.endswith("does not hold under 2")
    fault = lines.index("quiet.check (pre_flight, open), hangs where it waits:")
    assert lines[fault + 1] == "    swallows its cancellation: it goes on after it was told to end"


def test_chaos_needs_tests_that_pass_without_it(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.testing.own_tests.OwnTests.run", lambda *arguments, **options: 1)
    outcome = run("plugin", "test", write(folder, text="hello"), "--chaos", "--json")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "jackfield: plugins/quiet: its own tests fail as they are: chaos begins once they pass\n"


def test_tests_that_start_no_host_are_told_as_that(run: Run, folder: Path) -> None:
    plugin = write(folder, tests=None)
    (folder / plugin / "test_alone.py").write_text("def test_alone():\n    assert True\n")
    outcome = run("plugin", "test", plugin, "--chaos", "--", "-k", "alone")
    assert outcome.code == 0
    assert "its own tests: 1; none of them starts a host or a gateway" in outcome.out


def test_chaos_with_a_request_of_its_own(run: Run, folder: Path) -> None:
    plugin = write(folder, tests=None)
    (folder / "body.json").write_text(
        '{"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}'
    )
    given = ("--request", "body.json", "--path", "/v1/messages", "--config", "on_failure=open", "--seed", "3")
    told = json.loads(run("plugin", "test", plugin, "--chaos", "--json", *given).out)
    assert {one["policy"] for one in told["verdicts"] if one["hook"] == "check"} == {"open"}
