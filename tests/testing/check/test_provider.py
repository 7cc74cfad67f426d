"""The manifests of provider plugins."""

from __future__ import annotations

import pytest

from jackfield.testing.check import Report

from .conftest import Look

MANIFEST = """\
type: http
endpoint: http://localhost:8090
metadata:
  name: My Custom Plugin
  version: 1.0.0
  plugin_api_version: "1.0.0"
  provider_type: my-provider
  description: Integration with My AI Provider
  capabilities:
    streaming: false
    custom_capabilities: {batching: true}
  config_schema:
    - name: api_key
      type: string
      required: true
      description: API key for authentication
      sensitive: true
auto_start: true
health_check_interval: 60
command: python3
args: [plugin.py, --port, "8090"]
env:
  LOG_LEVEL: info
  PORT: 8090
"""


def look_at(look: Look, manifest: str = MANIFEST) -> Report:
    return look({"mine/plugin.yaml": manifest, "mine/plugin.py": "import time\ntime.sleep(0)\n"})


def told(report: Report) -> list[tuple[int, str]]:
    return [(one.line, one.code) for one in report.findings]


def test_a_manifest_as_the_guide_writes_it_is_passed(look: Look) -> None:
    report = look_at(look)
    assert (report.findings, report.plugins) == ([], ["my-provider"])


def test_everything_wrong_with_a_manifest_is_told_with_its_line(look: Look) -> None:
    wrong = MANIFEST.replace("http://localhost:8090", "localhost/plugin").replace("  name: My Custom Plugin\n", "")
    wrong = wrong.replace("health_check_interval: 60", "health_check_intervall: 60").replace(
        "type: string", "type: text"
    )
    report = look_at(look, wrong)
    assert told(report) == [(2, "manifest"), (3, "manifest"), (13, "manifest-doubt"), (18, "manifest-doubt")]
    assert "name is required" in report.findings[1].message
    assert "did you mean 'health_check_interval'?" in report.findings[3].message


@pytest.mark.parametrize(
    ("old", "new", "line", "code"),
    [
        ("type: http", "type: builtin", 1, "manifest"),
        ("http://localhost:8090", "ftp://localhost", 2, "manifest"),
        ("  description: Integration with My AI Provider\n", "", 3, "description"),
        ("      description: API key for authentication\n", "", 13, "field-description"),
        ("auto_start: true\n", "", 1, "not-started"),
        ("auto_start: true", "auto_start: false", 18, "not-started"),
        ("[plugin.py,", "[server.py,", 21, "plugin-class"),
        ("my-provider", "openai", 7, "id-clash"),
        ("type: http", "type: [http", 2, "syntax"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(look: Look, old: str, new: str, line: int, code: str) -> None:
    assert old in MANIFEST
    assert told(look_at(look, MANIFEST.replace(old, new, 1))) == [(line, code)]


def test_the_server_may_wait_as_it_likes_but_must_be_python(look: Look) -> None:
    assert told(look({"mine/plugin.yaml": MANIFEST, "mine/plugin.py": "def broken(:\n"})) == [(1, "syntax")]
