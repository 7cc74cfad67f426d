"""The fixtures for plugins' tests, as a plugin author's pytest sees them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

KIT = ("-p", "jackfield.testing.fixtures")
TESTS = """
    import pytest
    from jackfield.sdk import Plugin, Reject, hook

    pytestmark = pytest.mark.asyncio
    ENDED = []

    class Quiet(Plugin):
        @hook("pre_flight", on_failure="closed")
        async def refuse(self, exchange):
            return Reject(429, "quiet", "Not now.")

        async def on_unload(self):
            ENDED.append(self.id)

    async def test_a_host(plugin_host):
        host = await plugin_host(Quiet)
        assert (await host.request()).status == 429
        assert ENDED == []

    async def test_it_ended_with_its_test():
        assert ENDED == ["quiet"]

    async def test_an_upstream(upstream):
        assert upstream.openai_url.startswith("http://127.0.0.1:")
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", *KIT, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_a_host_and_an_upstream(tmp_path: Path) -> None:
    (tmp_path / "test_quiet.py").write_text(dedent(TESTS))
    ended = run_pytest(tmp_path)
    assert "3 passed" in ended.stdout, ended.stdout + ended.stderr


def test_without_a_plugin_it_is_told_what_to_name(tmp_path: Path) -> None:
    source = "import pytest\n@pytest.mark.asyncio\nasync def test_it(plugin_host):\n    await plugin_host()\n"
    (tmp_path / "test_nothing.py").write_text(source)
    ended = run_pytest(tmp_path)
    assert "name a plugin" in ended.stdout, ended.stdout


def test_nothing_is_imported_for_tests_that_ask_for_nothing(tmp_path: Path) -> None:
    source = """
        import sys

        def test_it():
            assert not {"uvicorn", "pydantic", "msgspec", "sqlalchemy"} & set(sys.modules)
    """
    (tmp_path / "test_nothing.py").write_text(dedent(source))
    ended = run_pytest(tmp_path, "-p", "no:hypothesispytest", "-p", "no:logfire")
    assert "1 passed" in ended.stdout, ended.stdout
