"""Toolbox plugins: the manifest, and what their JavaScript shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.testing.check import Report

from .conftest import Look

MANIFEST: dict[str, Any] = {
    "id": "my-plugin",
    "name": "My Plugin",
    "version": "1.0.0",
    "description": "What it does",
    "permissions": ["tools:register", "storage:read"],
}
INDEX = """\
// api.http.get("https://a.example") is what it does not do
export default function createPlugin(manifest: PluginManifest): Plugin {
  let api: PluginAPI;
  return {
    async onLoad(pluginApi: PluginAPI) {
      api = pluginApi;
      api.registerTool({ name: "t", handler: async () => ({ result: await api.storage.get<string>("k") }) });
    },
  };
}
"""


def look_at(look: Look, index: str = INDEX, **manifest: Any) -> Report:
    text = json.dumps({name: value for name, value in (MANIFEST | manifest).items() if value is not None}, indent=2)
    return look({"my-plugin/manifest.json": text, "my-plugin/index.ts": index})


def told(report: Report) -> list[tuple[str, int, str]]:
    return [(one.path.removeprefix("my-plugin/"), one.line, one.code) for one in report.findings]


def test_a_plugin_as_the_guide_writes_it_is_passed(look: Look) -> None:
    report = look_at(look)
    assert (report.findings, report.plugins) == ([], ["my-plugin"])


def test_everything_wrong_with_a_manifest_is_told_with_its_line(look: Look) -> None:
    report = look_at(look, id="My_Plugin", version="1", permissions=["storage:red"], autor="me")
    assert told(report) == [("manifest.json", line, "manifest") for line in (2, 4, 7, 9)]
    assert report.findings[2].message.endswith("did you mean 'storage:read'?")
    assert report.findings[3].message == "autor: unknown key; did you mean 'author'?"


def test_a_manifest_indented_with_tabs_has_lines_too(look: Look) -> None:
    text = json.dumps(MANIFEST | {"version": "1"}, indent="\t")
    assert told(look({"my-plugin/manifest.json": text})) == [("manifest.json", 4, "manifest")]


def test_what_is_no_json_is_told_with_its_line(look: Look) -> None:
    assert told(look({"my-plugin/manifest.json": '{\n  "id": }'})) == [("manifest.json", 2, "syntax")]


@pytest.mark.parametrize(
    ("manifest", "line", "code"),
    [
        ({"description": None}, 1, "description"),
        ({"main": "other.ts"}, 10, "plugin-class"),
        ({"main": "../other.ts"}, 10, "manifest"),
        ({"permissions": ["tools:register", "storage:read", "http:outbound"]}, 9, "permission-unused"),
        ({"id": "echo"}, 2, "id-clash"),
    ],
)
def test_what_the_manifest_says_and_is_not_so_is_told(
    look: Look, manifest: dict[str, Any], line: int, code: str
) -> None:
    assert told(look_at(look, **manifest)) == [("manifest.json", line, code)]


def test_a_part_of_the_api_that_was_not_asked_for_is_told(look: Look) -> None:
    assert told(look_at(look, permissions=["storage:read"])) == [("index.ts", 7, "permission-missing")]
    more = INDEX.replace("api = pluginApi;", 'api = pluginApi; await this.api?.storage.set("a", 1);')
    assert told(look_at(look, more)) == [("index.ts", 6, "permission-missing")]


@pytest.mark.parametrize("use", ["const { storage } = api; storage.list()", "remember(api.storage)", "api['storage']"])
def test_what_may_be_a_use_is_not_called_unused(look: Look, use: str) -> None:
    index = INDEX.replace('await api.storage.get<string>("k")', "1").replace(
        "api = pluginApi;", f"api = pluginApi; {use};"
    )
    assert look_at(look, index).findings == []


@pytest.mark.parametrize(
    ("export", "codes"),
    [
        ("export function createPlugin(manifest) {}", []),
        ("export const plugin = { onLoad() {} }", []),
        ("module.exports = { plugin: {} }", []),
        ("function createPlugin(manifest) {}", ["plugin-class"]),
    ],
)
def test_a_file_that_exports_no_plugin_is_told(look: Look, export: str, codes: list[str]) -> None:
    assert [one.code for one in look_at(look, export, permissions=[]).findings] == codes


def test_a_package_with_a_manifest_in_it_is_a_plugin(look: Look) -> None:
    package = {"name": "my-plugin", "version": "1.0.0", "description": "Does", "main": "index.ts", "scripts": {}}
    files = {
        "my-plugin/index.ts": INDEX,
        "my-plugin/package.json": json.dumps(package | {"sentinel": {"name": "Mine"}}),
    }
    assert [one.code for one in look(files).findings] == ["permission-missing", "permission-missing"]
