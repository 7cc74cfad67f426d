"""`jackfield doctor` on plugins: what would keep one from loading, told before a start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run

GOOD = """
from jackfield.sdk import Plugin, PluginConfig

class GoodConfig(PluginConfig):
    count: int = 1

class Good(Plugin[GoodConfig]):
    id = "mine"

    async def on_load(self):
        raise SystemExit("doctor starts no plugin")
"""
CASES: dict[str, tuple[str, str, list[str]]] = {
    "syntax error": ("1 +", "", ["SyntaxError"]),
    "exit at import": ("raise SystemExit(3)", "", ["SystemExit", "3"]),
    "no plugin in it": ("x = 1", "", ["no", "Plugin"]),
    "wrong config": (GOOD, "count = 'x'", ["plugins.config.mine.count"]),
    "unknown runtime": (GOOD, "runtime = 'wasm'", ["plugins.config.mine.runtime", "wasm"]),
}


def plugin(folder: Path, source: str, config: str = "") -> None:
    place = folder / "plugins" / "mine"
    place.mkdir(parents=True)
    place.joinpath("plugin.py").write_text(source)
    folder.joinpath("jackfield.toml").write_text(f"[server]\nport = 0\n[plugins.config.mine]\n{config}\n")


def findings(run: Run, code: int) -> dict[str, Any]:
    outcome = run("doctor", "--json")
    assert outcome.code == code, outcome
    return {each["check"]: each for each in json.loads(outcome.out)}


def test_plugins_that_would_load_are_named(run: Run, folder: Path) -> None:
    plugin(folder, GOOD)
    found = findings(run, 0)["plugins"]
    assert found["status"] == "ok"
    assert {"mine", "openai", "anthropic", "echo"} <= set(found["detail"].split(", "))


@pytest.mark.parametrize(("source", "config", "named"), CASES.values(), ids=CASES)
def test_one_that_would_not_load_fails_with_its_reason(
    run: Run, folder: Path, source: str, config: str, named: list[str]
) -> None:
    plugin(folder, source, config)
    found = findings(run, 1)["plugin mine"]
    assert found["status"] == "fail"
    assert all(text in found["detail"] for text in named)
    assert "plugins/mine" in found["advice"]


def test_one_that_is_off_is_left_alone(run: Run, folder: Path) -> None:
    plugin(folder, "1 +", "enabled = false")
    assert "plugin mine" not in findings(run, 0)
