"""Defaults < file < environment < command line, and where each value comes from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from jackfield.errors import ConfigError
from jackfield.settings import Settings, describe, load

Writer = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    def write_config(text: str) -> Path:
        file = tmp_path / "jackfield.toml"
        file.write_text(text)
        return file

    return write_config


def source(settings: Settings, name: str) -> str:
    return next(one.source for one in describe(settings) if one.name == name)


def test_without_any_setting_echo_serves_echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(None, {}, {})
    (echo,) = settings.upstreams
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8090)
    assert (echo.name, echo.provider, echo.models) == ("echo", "echo", {"echo": "echo"})
    assert settings.plugins.dirs == ()


def test_each_layer_wins_over_those_before(write: Writer) -> None:
    file = write("[server]\nport = 1001\nworkers = 2\nhost = 'a'\ndrain_s = 5\n")
    environ = {"JACKFIELD_SERVER__PORT": "1002", "JACKFIELD_SERVER__WORKERS": "3"}
    settings = load(file, {"server.port": 1003}, environ)
    assert (settings.server.port, settings.server.workers, settings.server.host) == (1003, 3, "a")
    assert source(settings, "server.port") == "command line"
    assert source(settings, "server.workers") == "environment JACKFIELD_SERVER__WORKERS"
    assert source(settings, "server.host") == f"{file}:4"
    assert source(settings, "server.max_body_mb") == "default"


def test_overrides_may_be_tables(write: Writer) -> None:
    settings = load(write("[server]\nworkers = 2\n"), {"server": {"port": 7}}, {})
    assert (settings.server.port, settings.server.workers) == (7, 2)


def test_lists_and_tables_come_from_the_environment_as_json() -> None:
    upstreams = [{"name": "a", "provider": "openai", "models": ["x"]}]
    settings = load(None, {}, {"JACKFIELD_UPSTREAMS": json.dumps(upstreams)})
    assert settings.upstreams[0].models == {"x": "x"}
    assert source(settings, "upstreams[0].provider") == "environment JACKFIELD_UPSTREAMS"
    assert source(settings, "upstreams[0].weight") == "default"


def test_a_plugins_config_is_merged_key_by_key(write: Writer) -> None:
    file = write("[plugins.config.guard]\npriority = 5\nlimit = 3\n[plugins.config.guard.deep]\na = 1\n")
    environ = {
        "JACKFIELD_PLUGINS__CONFIG__GUARD__DEEP__B": "2",
        "JACKFIELD_PLUGINS__CONFIG__GUARD__ENABLED": "false",
    }
    guard = load(file, {}, environ).plugins.config["guard"]
    assert (guard.enabled, guard.priority) == (False, 5)
    assert guard.own == {"limit": 3, "deep": {"a": 1, "b": 2}}


def test_a_text_setting_stays_a_text() -> None:
    assert load(None, {}, {"JACKFIELD_TELEMETRY__SERVICE_NAME": "123"}).telemetry.service_name == "123"


def test_an_empty_variable_gives_nothing() -> None:
    assert load(None, {}, {"JACKFIELD_SERVER__PORT": ""}).server.port == 8090


def test_an_empty_list_of_upstreams_is_echo_too(write: Writer) -> None:
    assert load(write("upstreams = []\n"), {}, {}).upstreams[0].provider == "echo"


def test_paths_in_the_file_start_from_its_folder_and_others_from_here(
    write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "extra").mkdir()
    here = tmp_path / "here"
    (here / "mine").mkdir(parents=True)
    monkeypatch.chdir(here)
    file = write("[plugins]\ndirs = ['extra']\n[store]\ndata_dir = 'data'\n")
    assert load(file, {}, {}).plugins.dirs == (tmp_path / "extra",)
    assert load(file, {}, {}).store.data_dir == tmp_path / "data"
    assert load(file, {"plugins.dirs": [Path("mine")]}, {}).plugins.dirs == (here / "mine",)
    assert load(file, {}, {"JACKFIELD_STORE__DATA_DIR": "d"}).store.data_dir == here / "d"


def test_the_default_plugin_folder_lies_beside_the_file_and_is_used_if_it_exists(write: Writer, tmp_path: Path) -> None:
    file = write("[server]\nport = 1\n")
    assert load(file, {}, {}).plugins.dirs == ()
    (tmp_path / "plugins").mkdir()
    assert load(file, {}, {}).plugins.dirs == (tmp_path / "plugins",)


def test_a_folder_that_was_named_must_exist(write: Writer) -> None:
    with pytest.raises(ConfigError, match=r"jackfield.toml:2: plugins.dirs\[0\]: there is no folder"):
        load(write("[plugins]\ndirs = ['nowhere']\n"), {}, {})


def test_settings_cannot_be_changed() -> None:
    settings = load(None, {}, {})
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1
