"""Secrets that plugins name: read at the start, refused by name, shown nowhere."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from jackfield.errors import ConfigError
from jackfield.settings import Secret, Settings, describe, load

ONE = "[secrets.weather]\nenv = 'WEATHER_KEY'\nplugins = ['scout']\nhosts = ['API.example', '*.wide.example']\n"


def read(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    file = tmp_path / "jackfield.toml"
    file.write_text(text)
    return load(file, {}, environ or {})


def refusal(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text, environ)
    return str(raised.value).replace(f"{tmp_path / 'jackfield.toml'}:", "")


def test_one_is_read_from_the_environment(tmp_path: Path) -> None:
    secret = read(tmp_path, ONE, {"WEATHER_KEY": "key-hidden\n"}).secrets["weather"]
    assert secret.value == Secret("key-hidden")
    assert (secret.plugins, secret.hosts) == (("scout",), ("api.example", "*.wide.example"))


def test_one_is_read_from_a_file_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("file-hidden\n")
    secret = read(tmp_path, ONE.replace("env = 'WEATHER_KEY'", "file = 'key'")).secrets["weather"]
    assert secret.value == Secret("file-hidden")
    assert secret.file == tmp_path / "key"


def test_a_variable_that_begins_like_a_setting_may_hold_one(tmp_path: Path) -> None:
    text = ONE.replace("WEATHER_KEY", "JACKFIELD_WEATHER")
    assert read(tmp_path, text, {"JACKFIELD_WEATHER": "hidden"}).secrets["weather"].value == Secret("hidden")


def test_there_are_none_unless_they_are_set(tmp_path: Path) -> None:
    assert read(tmp_path, "").secrets == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ONE, "2: secrets.weather.env: secret 'weather' needs the environment variable WEATHER_KEY, which is not set"),
        (ONE.replace("env = 'WEATHER_KEY'\n", ""), "1: secrets.weather: secret 'weather' has neither env nor file"),
        (ONE + "file = 'key'\n", "5: secrets.weather.file: secret 'weather' has both env and file"),
        (
            ONE.replace("env = 'WEATHER_KEY'", "file = 'gone'"),
            "2: secrets.weather.file: secret 'weather': cannot read ",
        ),
        (ONE.replace("WEATHER_KEY", "sk-the-key-itself"), "2: secrets.weather.env: expected the name of an env"),
        (ONE.replace("plugins = ['scout']\n", ""), "1: secrets.weather.plugins: is required"),
        (ONE.replace("['scout']", "[]"), "3: secrets.weather.plugins: must not be empty"),
        (ONE.replace("hosts = ['API.example', '*.wide.example']\n", ""), "1: secrets.weather.hosts: is required"),
        (ONE.replace("'API.example', ", "'https://api.example', "), "4: secrets.weather.hosts[0]: expected a host"),
        (ONE.replace("'*.wide.example'", "'*'"), "4: secrets.weather.hosts[1]: expected a host"),
        (ONE.replace("'*.wide.example'", "'a.*.example'"), "4: secrets.weather.hosts[1]: expected a host"),
        (ONE + "host = 'a'\n", "5: secrets.weather.host: unknown key; the nearest known one is 'hosts'"),
        (ONE + "value = 'it'\n", "5: secrets.weather.value: unknown key"),
        (ONE.replace("[secrets.weather]", "[secrets.'a b']"), "1: secrets.a b: must begin with a letter or digit"),
        ("secrets = 5\n", "1: secrets: expected a table"),
        ("secrets.weather = 'it'\n", "1: secrets.weather: expected a table"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(tmp_path: Path, text: str, expected: str) -> None:
    told = refusal(tmp_path, text)
    assert told.startswith(expected)
    assert "the-key-itself" not in told


@pytest.mark.parametrize(("value", "why"), [("", "is empty"), ("two\nlines", "holds more than"), ("…", "holds more")])
def test_a_value_that_no_header_can_hold_is_refused_and_not_told(tmp_path: Path, value: str, why: str) -> None:
    told = refusal(tmp_path, ONE, {"WEATHER_KEY": value})
    assert why in told
    assert not value or value not in told


def test_what_else_is_wrong_is_told_with_it(tmp_path: Path) -> None:
    assert [line.split(": ")[1] for line in refusal(tmp_path, "[server]\nport = 'x'\n" + ONE).splitlines()] == [
        "server.port",
        "secrets.weather.env",
    ]


def test_nothing_shows_them(tmp_path: Path) -> None:
    settings = read(tmp_path, ONE, {"WEATHER_KEY": "key-hidden"})
    described = json.dumps([(one.name, one.value) for one in describe(settings)])
    shown = f"{settings} {settings!r} {settings.secrets['weather']!r} {settings.model_dump_json()} {described}"
    assert "key-hidden" not in shown
    assert "WEATHER_KEY" in described


def test_they_reach_a_child_process(tmp_path: Path) -> None:
    settings = pickle.loads(pickle.dumps(read(tmp_path, ONE, {"WEATHER_KEY": "key-hidden"})))
    assert settings.secrets["weather"].value.reveal() == "key-hidden"
