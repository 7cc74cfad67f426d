"""`jackfield serve`: options become settings."""

from __future__ import annotations

from pathlib import Path

import pytest

import jackfield.app
from jackfield.settings import Settings

from .conftest import Run


class Served:
    """Stands where the gateway would start and keeps what it was given."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.dev = False

    def __call__(self, settings: Settings, *, dev: bool) -> int:
        self.settings, self.dev = settings, dev
        return 0


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    served = Served()
    monkeypatch.setattr(jackfield.app, "serve", served)
    return served


def test_options_win_over_the_file(run: Run, served: Served, folder: Path) -> None:
    (folder / "jackfield.toml").write_text("[server]\nport = 1\nworkers = 2\n")
    (folder / "more").mkdir()
    outcome = run("serve", "--port", "0", "--host", "::1", "--plugins-dir", "more", "--data-dir", "d", "--dev")
    settings = served.settings
    assert outcome == (0, "", "")
    assert (settings.server.port, settings.server.host, settings.server.workers) == (0, "::1", 2)
    assert settings.plugins.dirs == (folder / "more",)
    assert settings.store.data_dir == folder / "d"
    assert served.dev


def test_without_options_the_defaults_hold(run: Run, served: Served) -> None:
    assert run("serve").code == 0
    assert (served.settings.server.port, served.dev) == (8090, False)


@pytest.mark.parametrize("role", ["hub", "edge"])
def test_roles_that_are_not_there_yet_are_refused(run: Run, served: Served, role: str) -> None:
    outcome = run("serve", "--role", role)
    assert outcome.code == 1
    assert outcome.err == f"jackfield: the role '{role}' is not available in this version; there is 'gateway'\n"


def test_a_wrong_config_never_serves(run: Run, served: Served, folder: Path) -> None:
    (folder / "jackfield.toml").write_text("[server]\nprot = 1\n")
    outcome = run("serve")
    assert outcome.code == 1
    assert outcome.err == "jackfield: jackfield.toml:2: server.prot: unknown key; the nearest known one is 'port'\n"
