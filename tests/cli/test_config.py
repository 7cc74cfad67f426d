"""`jackfield config show|check`"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Run

TEXT = """[server]
port = 9000
[[upstreams]]
name = "a"
provider = "openai"
models = ["x"]
api_key_env = "A_KEY"
"""


@pytest.fixture
def config(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("A_KEY", "hidden")
    file = folder / "jackfield.toml"
    file.write_text(TEXT)
    return file


def test_show_tells_each_value_and_where_it_comes_from(run: Run, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACKFIELD_LOGS__LEVEL", "debug")
    outcome = run("config", "show")
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in outcome.out.splitlines()}
    assert outcome.code == 0
    assert [cell.strip() for cell in rows["server.port"]] == ["9000", "jackfield.toml:2"]
    assert [cell.strip() for cell in rows["logs.level"]] == ["debug", "environment JACKFIELD_LOGS__LEVEL"]
    assert [cell.strip() for cell in rows["server.workers"]] == ["1", "default"]
    assert "hidden" not in outcome.out


def test_show_as_json(run: Run, config: Path) -> None:
    shown = {one["name"]: one for one in json.loads(run("config", "show", "--json").out)}
    assert shown["server.port"] == {"name": "server.port", "value": 9000, "source": "jackfield.toml:2"}
    assert shown["upstreams[0].models"]["value"] == {"x": "x"}


def test_check_of_a_valid_file(run: Run, config: Path) -> None:
    assert run("config", "check") == (0, "jackfield.toml is valid\n", "")
    assert json.loads(run("config", "check", "--json").out) == {
        "ok": True,
        "file": "jackfield.toml",
        "upstreams": 1,
    }


def test_check_without_a_file(run: Run) -> None:
    assert run("config", "check").out == "the default configuration is valid\n"


def test_check_tells_every_mistake(run: Run, config: Path) -> None:
    config.write_text(TEXT + "weigth = 1\n[logs]\nformat = 'xml'\n")
    outcome = run("config", "check")
    assert outcome.code == 1
    assert outcome.err.splitlines() == [
        "jackfield: jackfield.toml:8: upstreams[0].weigth: unknown key; the nearest known one is 'weight'",
        "jackfield.toml:10: logs.format: expected 'auto', 'console' or 'json', got a string",
    ]
