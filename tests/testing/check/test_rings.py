"""Ring manifests, and the plugins that they list."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from jackfield.testing.check import Report

from .conftest import Look

MANIFEST = """\
plugins:
  - name: "My Plugin"
    hook: "pre_flight"
    entrypoint: "marketplace.my_plugin:MyPlugin"
    version: "1.0.0"
    description: "What it does"
    timeout_ms: 10
    config:
      my_setting: "default"
    ui_schema:
      - key: "my_setting"
        type: "text"
        description: "Controls behavior X"
"""
MODULE = """\
import time
from core.plugin_sdk import BasePlugin, PluginResponse
class MyPlugin(BasePlugin):
    async def execute(self, ctx):
        return PluginResponse.passthrough()
    async def on_load(self):
        self.logger.info("loaded")
"""


def look_at(look: Look, manifest: str = MANIFEST, module: str = MODULE) -> Report:
    return look({"manifest.yaml": manifest, "marketplace/my_plugin.py": dedent(module)})


def told(report: Report) -> list[tuple[str, int, str]]:
    return [(one.path, one.line, one.code) for one in report.findings]


def test_a_plugin_as_the_guide_writes_it_is_passed(look: Look) -> None:
    report = look_at(look)
    assert (report.findings, report.plugins) == ([], ["my_plugin"])


def test_everything_wrong_with_an_entry_is_told_with_its_line(look: Look) -> None:
    manifest = MANIFEST.replace('"pre_flight"', '"preflight"').replace("timeout_ms: 10", "timeout: 10")
    report = look_at(look, manifest.replace('type: "text"', 'type: "txt"'))
    assert told(report) == [("manifest.yaml", line, "manifest") for line in (3, 7, 12)]
    assert report.findings[0].message.startswith("plugins[0].hook: ")


@pytest.mark.parametrize(
    ("manifest", "line", "code"),
    [
        ("plugins:\n  - name: [\n", 3, "syntax"),
        ("plugin:\n  - name: x\n", 1, "manifest"),
        ("- name: x\n", 1, "manifest"),
        ("a: &a [1]\nplugins: *a\n", 2, "manifest"),
        ("plugins:\n  - !!python/object:os.system {}\n", 2, "syntax"),
        ("plugins:\n  - just a text\n", 2, "manifest"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_told(look: Look, manifest: str, line: int, code: str) -> None:
    assert told(look({"manifest.yaml": manifest})) == [("manifest.yaml", line, code)]


@pytest.mark.parametrize(
    ("old", "new", "line", "code"),
    [
        ('    description: "What it does"\n', "", 2, "description"),
        ('    version: "1.0.0"\n', "", 2, "version"),
        ('        description: "Controls behavior X"\n', "", 11, "field-description"),
        ('      my_setting: "default"\n', '      my_setting: "default"\n      other: 3\n', 10, "field-description"),
        ("timeout_ms: 10", "timeout_ms: 60000", 7, "long-deadline"),
        ("my_plugin:MyPlugin", "other:MyPlugin", 4, "plugin-class"),
        ('"My Plugin"', '"Echo"', 2, "id-clash"),
    ],
)
def test_what_an_entry_lacks_is_told(look: Look, old: str, new: str, line: int, code: str) -> None:
    assert old in MANIFEST
    assert told(look_at(look, MANIFEST.replace(old, new))) == [("manifest.yaml", line, code)]


def test_two_entries_with_one_name_are_told(look: Look) -> None:
    again = MANIFEST + MANIFEST.removeprefix("plugins:\n").replace("My Plugin", "my plugin")
    assert told(look_at(look, again)) == [("manifest.yaml", 14, "id-clash")]


@pytest.mark.parametrize(
    ("old", "new", "line", "code"),
    [
        ("async def execute(self, ctx)", "def execute(self, ctx)", 4, "hook"),
        ("async def execute(self, ctx)", "async def execute(self)", 4, "hook"),
        ("async def on_load(self)", "async def on_load(self, more)", 6, "hook"),
        ("class MyPlugin(", "class Other(", 1, "plugin-class"),
        ("import time", "import os", 1, "lint"),
        ('self.logger.info("loaded")', "time.sleep(1)", 7, "lint"),
        ('self.logger.info("loaded")', "eval('1')", 7, "lint"),
        ("return PluginResponse.passthrough()", "open('file')", 5, "blocking-file"),
        ("import time", "import time ]", 1, "syntax"),
    ],
)
def test_what_is_wrong_with_the_module_is_told_once(look: Look, old: str, new: str, line: int, code: str) -> None:
    assert old in MODULE
    assert told(look_at(look, module=MODULE.replace(old, new))) == [("marketplace/my_plugin.py", line, code)]


def test_what_the_gateway_would_still_refuse_is_told(look: Look, tmp_path: Path) -> None:
    look_at(look)
    module = tmp_path / "plugins" / "marketplace" / "my_plugin.py"
    module.rename(tmp_path / "my_plugin.py")
    module.symlink_to(tmp_path / "my_plugin.py")
    (found,) = look({}).findings
    assert (found.line, found.level, found.code) == (1, "error", "manifest")
    assert "out of the plugins folder" in found.message


def test_the_installed_manifest_is_looked_at_too(look: Look) -> None:
    files = {"installed/manifest.yaml": MANIFEST, "marketplace/my_plugin.py": MODULE}
    assert look(files).findings == []
    (found,) = look({"installed/manifest.yaml": MANIFEST + "    hok: x\n"}).findings
    assert (found.path, found.code) == ("installed/manifest.yaml", "manifest")


@pytest.mark.parametrize(("signature", "codes"), [("async def f(ctx)", []), ("async def f()", ["hook"])])
def test_a_plain_function_is_a_plugin_too(look: Look, signature: str, codes: list[str]) -> None:
    report = look_at(look, MANIFEST.replace(":MyPlugin", ":f"), f"{signature}:\n    return None\n")
    assert [one.code for one in report.findings] == codes


def test_native_plugins_beside_a_ring_manifest_are_looked_at_as_well(look: Look) -> None:
    files = {
        "manifest.yaml": MANIFEST,
        "marketplace/my_plugin.py": MODULE,
        "own/plugin.py": "from jackfield.sdk import Plugin\nclass Own(Plugin):\n    pass\n",
    }
    assert look(files).plugins == ["my_plugin", "own"]
