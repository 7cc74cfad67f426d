"""Secrets are read by `reveal()` and shown nowhere else."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from jackfield.settings import Secret, SecretUrl, Settings, conceal, describe, load, sounds_secret

TEXT = """
[store]
url = "postgresql://user:pw-hidden@db/x"
[[upstreams]]
name = "a"
provider = "openai"
models = ["x"]
api_key_env = "A_KEY"
headers = {X-Team = {env = "TEAM"}, Authorization = "Token literal-hidden", X-Plain = "seen"}
options = {password = "options-hidden", list = [{token = "list-hidden"}], text = "seen"}
[plugins.config.p]
api_key = "plugin-hidden"
limit = 3
"""
HIDDEN = (
    "pw-hidden",
    "key-hidden",
    "team-hidden",
    "literal-hidden",
    "options-hidden",
    "list-hidden",
    "plugin-hidden",
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "jackfield.toml"
    file.write_text(TEXT)
    return load(file, {}, {"A_KEY": "key-hidden\n", "TEAM": "team-hidden"})


def test_keys_and_header_values_are_found_when_settings_are_loaded(settings: Settings) -> None:
    (upstream,) = settings.upstreams
    assert upstream.api_key == Secret("key-hidden")
    assert {name: value.reveal() for name, value in upstream.header_values} == {
        "X-Team": "team-hidden",
        "Authorization": "Token literal-hidden",
        "X-Plain": "seen",
    }


def test_a_key_file_gives_the_key_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    file = tmp_path / "jackfield.toml"
    file.write_text("[[upstreams]]\nname='a'\nprovider='p'\nmodels=['x']\napi_key_file='key'\n")
    key = load(file, {}, {}).upstreams[0].api_key
    assert key is not None
    assert key.reveal() == "from-file"


def test_what_is_described_shows_no_secret(settings: Settings) -> None:
    shown = json.dumps([(one.name, one.value) for one in describe(settings)])
    assert not [secret for secret in HIDDEN if secret in shown]
    assert "postgresql://user:***@db/x" in shown
    assert '"X-Plain": "seen"' in shown
    assert "A_KEY" in shown


def test_neither_text_nor_repr_shows_a_secret(settings: Settings) -> None:
    for shown in (str(settings), repr(settings), repr(settings.upstreams[0]), f"{settings.store.url}"):
        assert not [secret for secret in HIDDEN if secret in shown]


def test_json_of_a_secret_is_masked(settings: Settings) -> None:
    assert settings.store.model_dump(mode="json")["url"] == "postgresql://user:***@db/x"
    assert "hidden" not in settings.store.model_dump_json()


def test_settings_reach_a_child_process_whole(settings: Settings) -> None:
    copied = pickle.loads(pickle.dumps(settings))
    assert copied == settings
    assert copied.upstreams[0].api_key.reveal() == "key-hidden"


def test_a_secret_is_equal_to_itself_only() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert (str(Secret("a")), repr(Secret("a")), bool(Secret(""))) == ("***", "Secret('***')", False)
    assert str(SecretUrl("redis://:pw@h/0")) == "redis://:***@h/0"


WHOLE_WORDS = ["pass", "db_pass", "passphrase", "tokens", "apiTokens", "keys", "connection_string", "connectionString"]
NAMES = ["api_key", "Authorization", "x-api-key", "password", "token", "clientSecret", "key", "auth", "X-Bearer"]


@pytest.mark.parametrize("name", NAMES + WHOLE_WORDS)
def test_names_that_hold_secrets(name: str) -> None:
    assert sounds_secret(name)
    assert conceal({name: "v", "inner": [{name: "v"}]}) == {name: "***", "inner": [{name: "***"}]}


COUNTS = ["max_tokens", "outputTokens"]
OTHERS = ["api_key_env", "api_key_file", "keys_file", "monkeys", "author", "bypass", "model", "priority"]


@pytest.mark.parametrize("name", COUNTS + OTHERS)
def test_names_that_do_not(name: str) -> None:
    assert not sounds_secret(name)


def test_passwords_in_urls_are_masked_wherever_they_stand() -> None:
    value = {"dsn": "postgresql://u:hidden@db/x", "words": ["see redis://:hidden@h/0 and http://h:80/a@b"]}
    shown = {"dsn": "postgresql://u:***@db/x", "words": ["see redis://:***@h/0 and http://h:80/a@b"]}
    assert conceal(value) == shown


def test_two_words_of_a_list_are_no_header() -> None:
    assert conceal({"features": ["auth", "billing"]}) == {"features": ["auth", "billing"]}
