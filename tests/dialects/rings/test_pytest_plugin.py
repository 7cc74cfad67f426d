"""Tests of ring plugins with plain pytest, in a folder laid out as their guide says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from surroundings import LEAN

from . import guide

PYTEST = ("-m", "pytest", "-p", "no:cacheprovider")
GUIDE = {
    "plugins/marketplace/my_plugin.py": guide.FINISHED_PLUGIN,
    "plugins/manifest.yaml": guide.MANIFEST,
    "tests/test_my_plugin.py": guide.TESTS,
}
CORE_IS_MISSING = """
def test_core():
    try:
        import core
    except ModuleNotFoundError as error:
        assert error.name == "core"
    else:
        assert False, "there is a core"
"""


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def run(folder: Path, *arguments: str, cwd: str = ".", **environment: str) -> str:
    """What Python prints, which has to end well."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder / cwd,
        env={**kept, **LEAN, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_guides_command_runs_the_guides_tests(tmp_path: Path) -> None:
    shown = run(write(tmp_path, GUIDE), "-m", "pytest", "tests/test_my_plugin.py", "-v")
    assert "tests/test_my_plugin.py::test_passthrough PASSED" in shown
    assert "tests/test_my_plugin.py::test_block PASSED" in shown
    assert "2 passed" in shown


@pytest.mark.parametrize(
    ("cwd", "arguments"),
    [
        (".", ()),
        (".", ("tests", "--import-mode=importlib")),
        ("tests", ()),
        ("plugins", ("../tests",)),
    ],
)
def test_the_folder_is_found_from_where_tests_are_run(tmp_path: Path, cwd: str, arguments: tuple[str, ...]) -> None:
    """As the `pytest` command does it, which does not put the current folder on the path of imports."""
    command = ("-P", "-c", "import sys, pytest; sys.exit(pytest.main())", "-p", "no:cacheprovider", *arguments)
    assert "2 passed" in run(write(tmp_path, GUIDE), *command, cwd=cwd)


def test_coroutines_run_where_pytest_asyncio_is_missing(tmp_path: Path) -> None:
    shown = run(write(tmp_path, GUIDE), *PYTEST, "-p", "no:asyncio", "--strict-markers", "-W", "error")
    assert "2 passed" in shown


def test_a_conftest_may_import_a_plugin(tmp_path: Path) -> None:
    lines = ("from core.plugin_sdk import BasePlugin", "from plugins.marketplace.my_plugin import MyPlugin")
    conftest = "\n".join((*lines, "assert issubclass(MyPlugin, BasePlugin)"))
    assert "2 passed" in run(write(tmp_path, {**GUIDE, "tests/conftest.py": conftest}), *PYTEST)


@pytest.mark.parametrize(
    "line",
    [
        "from core.plugin_sdk import BasePlugin, PluginHook",
        "import core.plugin_engine",
        "import core.plugin_engine as engine",
        "from core import plugin_sdk",
        "def f():\n    from core.tokenizer import count_tokens\nf()",
        "from core.pricing import get_pricing",
    ],
)
def test_a_test_that_imports_the_rings_names_finds_them_anywhere(tmp_path: Path, line: str) -> None:
    test = f"{line}\nimport pytest\n\n@pytest.mark.asyncio\nasync def test_it():\n    pass\n"
    assert "1 passed" in run(write(tmp_path, {"test_it.py": test}), *PYTEST)


def test_the_names_are_the_same_objects_everywhere(tmp_path: Path) -> None:
    test = """
import core.plugin_engine, core.plugin_sdk
from jackfield.dialects.rings.names import plugin_sdk

def test_it():
    assert core.plugin_engine.PluginHook is core.plugin_sdk.PluginHook is plugin_sdk.PluginHook
    assert core.plugin_sdk.BasePlugin is plugin_sdk.BasePlugin
"""
    assert "1 passed" in run(write(tmp_path, {"test_it.py": test}), *PYTEST)


def test_an_installed_package_comes_first(tmp_path: Path) -> None:
    installed = {
        "site/core/__init__.py": "",
        "site/core/plugin_sdk.py": "BasePlugin = 'theirs'",
        "site/plugins/__init__.py": "whose = 'theirs'",
    }
    test = """
from core.plugin_sdk import BasePlugin
from core.tokenizer import count_tokens
import plugins

def test_it():
    assert (BasePlugin, plugins.whose, count_tokens("four")) == ("theirs", "theirs", 1)
"""
    files = {"plugins/manifest.yaml": guide.MANIFEST, "tests/test_it.py": test, **installed}
    command = ("-P", "-c", "import sys, pytest; sys.exit(pytest.main())", "-p", "no:cacheprovider", "tests")
    assert "1 passed" in run(write(tmp_path, files), *command, PYTHONPATH=str(tmp_path / "site"))


def test_a_test_that_asks_for_a_plugin_host_has_one(tmp_path: Path) -> None:
    test = """
import pytest
from jackfield.sdk import Plugin, Reject, hook

class Quiet(Plugin):
    @hook("pre_flight", on_failure="closed")
    async def refuse(self, exchange):
        return Reject(429, "quiet", "Not now.")

class TestQuiet:
    @pytest.mark.asyncio
    async def test_it(self, plugin_host):
        host = await plugin_host(Quiet)
        assert (await host.request()).status == 429
"""
    assert "1 passed" in run(write(tmp_path, {"test_it.py": test}), *PYTEST)


@pytest.mark.parametrize(
    "manifest", [None, "version: 1\nname: not of rings\n", "tools:\n  plugins:\n  - a\n", "# plugins:\n"]
)
def test_elsewhere_nothing_changes(tmp_path: Path, manifest: str | None) -> None:
    test = f"""{CORE_IS_MISSING}
def test_path():
    import sys
    assert {str(tmp_path)!r} not in sys.path
    assert not [name for name in sys.modules if name.startswith("jackfield.dialects")]
    assert not [name for name in ("jackfield.testing.upstream", "msgspec", "pydantic", "yaml") if name in sys.modules]
"""
    files = {"tests/test_it.py": test} | ({} if manifest is None else {"plugins/manifest.yaml": manifest})
    command = ("-P", "-c", "import sys, pytest; sys.exit(pytest.main())", "-p", "no:cacheprovider", "-p", "no:anyio")
    plugins = ("-p", "no:hypothesispytest", "-p", "no:xdist")
    assert "2 passed" in run(write(tmp_path, files), *command, *plugins, "tests")


def test_the_plugin_costs_next_to_nothing_to_import() -> None:
    heavy = (
        "{'msgspec', 'pydantic', 'yaml', 'starlette', 'httptools', 'jackfield.testing.upstream', 'jackfield.dialects'}"
    )
    told = run(Path(), "-c", f"import sys, jackfield.testing.pytest_plugin\nprint({heavy} & set(sys.modules))")
    assert told.strip() == "set()"
