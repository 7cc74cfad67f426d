"""`jackfield doctor`: whether plugins in processes of their own can run here, and how well they are shut in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jackfield.cli import isolation
from jackfield.errors import ConfigError
from jackfield.runtimes import node
from jackfield.runtimes.launch import LAYERS, LaunchFailed


async def test_node_and_its_version_are_told() -> None:
    found = await isolation.check_node(["weather"])
    assert found.status == "ok"
    assert re.match(r"v\d+\.\d+\.\d+ at /", found.detail)


async def test_without_node_the_plugins_that_need_it_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_none() -> Path:
        raise ConfigError("install jackfield[node]")

    monkeypatch.setattr(node, "find_node", find_none)
    assert (await isolation.check_node([])).status == "ok"
    found = await isolation.check_node(["weather", "notes"])
    assert (found.status, found.detail) == ("fail", "needed by weather, notes")
    assert "jackfield[node]" in found.advice


async def test_a_node_that_does_not_run_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(node, "find_node", lambda: tmp_path / "node")
    found = await isolation.check_node([])
    assert found.status == "fail"
    assert str(tmp_path / "node") in found.detail


async def test_the_layers_are_tried_not_guessed() -> None:
    found = await isolation.check_layers(())
    assert "rlimits" in found.detail
    assert "seccomp" in found.detail


async def test_a_layer_that_cannot_be_had_is_a_warning_and_a_failure_where_it_is_demanded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def probe() -> tuple[str, ...]:
        return tuple(layer for layer in LAYERS if layer != "landlock")

    monkeypatch.setattr(isolation, "probe_layers", probe)
    found = await isolation.check_layers(("seccomp",))
    assert (found.status, found.detail.partition("; ")[2]) == ("warn", "without landlock")
    found = await isolation.check_layers(("landlock",))
    assert (found.status, found.advice) == ("fail", "isolation.minimum demands landlock")
    assert (await isolation.check_layers(("moat",))).detail == "isolation.minimum: there is no moat"


async def test_where_nothing_can_be_started_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def probe() -> tuple[str, ...]:
        raise LaunchFailed("plugins in processes of their own need Linux, and this is plan9")

    monkeypatch.setattr(isolation, "probe_layers", probe)
    assert "plan9" in (await isolation.check_layers(())).detail
