"""Runs commands in a folder of their own, in this process unless the process is the point."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from structlog.testing import capture_logs

from jackfield.cli import main

if TYPE_CHECKING:
    from .operator import Operator

StartGateway = Callable[..., Awaitable[Any]]


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the command; no setting comes from this machine's environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in [name for name in os.environ if name.startswith("JACKFIELD_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_command(*arguments: str) -> Outcome:
        code = main(arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run_command


@pytest.fixture
async def operator(run: Run, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Operator]:
    """Beside a gateway with the plugin `quiet`; what the gateway logs is not mixed with what commands print."""
    from .operator import QUIET, Operator

    with capture_logs():
        gateway = await start_gateway(plugins={"quiet": QUIET})
        monkeypatch.setenv("JACKFIELD_URL", gateway.url)
        monkeypatch.setenv("JACKFIELD_ADMIN_KEY", gateway.admin_key)
        yield Operator(run, gateway)
