"""Secrets of a plugin's config: never shown, and not lost when what was shown comes back."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, SecretStr

from jackfield.clock import SystemClock
from jackfield.errors import Unprocessable
from jackfield.hooks.guard import PluginGuard
from jackfield.host.masking import masked_config, masked_overlay
from jackfield.host.plugin import LoadedPlugin
from jackfield.sdk import Plugin, PluginConfig
from jackfield.server.admin.masked_config import masked_form, unmask
from jackfield.settings import PluginConfig as Settings
from jackfield.sources.base import Found

MASK, TYPED = "***", "*" * 10


class Database(PluginConfig):
    host: str = "localhost"
    password: str = "default"


class Wide(PluginConfig):
    greeting: str = "hello"
    api_key: str = "open"
    salt: SecretStr = SecretStr("pepper")
    database: Database = Database()
    servers: tuple[Database, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] = ()
    count: int = 0


def plugin(file: dict[str, Any] | None = None, overlay: dict[str, Any] | None = None) -> LoadedPlugin:
    """As the host would hold it, running with what the config file says and over it what the operator has set."""
    found = Found(name="wide", source="folder", dialect="native", place="plugins/wide", load=lambda: None)
    made = LoadedPlugin("wide", found, PluginGuard("wide", SystemClock()))
    own = {**(file or {}), **(overlay or {})}
    made.settings, made.overlay = Settings.model_validate(own), overlay or {}
    instance = Plugin[Wide]("wide", Wide.model_validate(own))
    made.instance = instance
    made.show(instance.config.model_dump(mode="json"), None)
    return made


def test_secrets_are_masked_by_name_and_by_type() -> None:
    shown = masked_config(plugin({"headers": [["authorization", "Bearer 1"], ["x-one", "1"]]}))
    assert (shown["greeting"], shown["api_key"], shown["salt"]) == ("hello", MASK, TYPED)
    assert shown["database"] == {"host": "localhost", "password": MASK}
    assert shown["headers"] == [["authorization", MASK], ["x-one", "1"]]


def test_what_was_set_is_masked_as_the_whole_is() -> None:
    held = plugin({"greeting": "moin"}, {"salt": "sea", "database": {"password": "p"}, "words": ["a"]})
    assert masked_overlay(held) == {"salt": TYPED, "database": {"password": MASK}, "words": ["a"]}


def test_of_a_plugin_that_does_not_run_no_text_is_shown() -> None:
    held = plugin({}, {"salt": "sea", "greeting": "moin", "count": 3, "words": ["a"]} | {"database": {"host": "h"}})
    held.let_go()
    hidden = {"salt": MASK, "greeting": MASK, "count": 3, "words": [MASK], "database": {"host": MASK}}
    assert masked_config(held) == masked_overlay(held) == hidden
    assert unmask(hidden, held) == held.overlay


@pytest.mark.parametrize("file", [{}, {"api_key": "from file", "database": {"host": "far", "password": "p"}}])
@pytest.mark.parametrize("overlay", [{}, {"greeting": "moin"}, {"salt": "sea", "database": {"password": "mine"}}])
def test_what_was_shown_changes_no_secret_when_it_comes_back(file: dict[str, Any], overlay: dict[str, Any]) -> None:
    held = plugin(file, overlay)
    for shown in (masked_config(held), masked_overlay(held)):
        sent = unmask(shown, held)
        assert MASK not in str(sent)
        merged = Wide.model_validate({**file, **sent})
        assert (merged.api_key, merged.salt) == (held.instance.config.api_key, held.instance.config.salt)  # type: ignore[union-attr]
    assert unmask(masked_overlay(held), held) == overlay


def test_a_secret_stays_where_it_was_set() -> None:
    """What the file or the author gave does not become the operator's word by being sent back."""
    held = plugin({"api_key": "from file"}, {"salt": "sea"})
    assert unmask({"api_key": MASK, "salt": TYPED, "greeting": "moin"}, held) == {"salt": "sea", "greeting": "moin"}


def test_a_table_keeps_its_secret_while_the_rest_of_it_changes() -> None:
    held = plugin({"database": {"host": "far", "password": "p"}})
    assert unmask({"database": {"host": "near", "password": MASK}}, held) == {
        "database": {"host": "near", "password": "p"}
    }
    assert unmask({"database": {"host": "near", "password": MASK}}, plugin()) == {"database": {"host": "near"}}


def test_items_of_a_list_keep_their_secrets_wherever_they_move() -> None:
    held = plugin({"servers": [{"host": "a", "password": "1"}, {"host": "b", "password": "2"}]})
    first, second = masked_config(held)["servers"]
    new = {"host": "c", "password": "3"}
    told = unmask({"servers": [second, new, first]}, held)["servers"]
    assert told == [{"host": "b", "password": "2"}, new, {"host": "a", "password": "1"}]


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"servers": [{"host": "evil", "password": MASK}]}, "servers.0"),
        ({"servers": [{"host": "a", "password": MASK}, {"host": "a", "password": MASK}]}, "servers.1"),
        ({"api_key": TYPED}, "api_key"),
        ({"salt": MASK}, "salt"),
        ({"secret_words": [MASK]}, "secret_words.0"),
        ({"unknown": {"password": MASK}}, "unknown.password"),
    ],
)
def test_a_mask_that_stands_for_nothing_is_refused(sent: dict[str, Any], param: str) -> None:
    held = plugin({"servers": [{"host": "a", "password": "1"}]})
    with pytest.raises(Unprocessable, match="mask") as refused:
        unmask(sent, held)
    assert refused.value.param == param


def test_what_only_looks_like_a_mask_is_taken_as_it_is() -> None:
    sent = {"greeting": MASK, "words": [TYPED, "a"]}
    assert unmask(sent, plugin()) == sent


class Linked(PluginConfig):
    url: str = "postgresql://u:hidden@db/x"
    passphrase: str = "hidden"
    database: Database = Database(password="hidden")
    other: Annotated[str, Field(json_schema_extra={"format": "password"})] = "hidden"
    plain: str = "seen"


def test_a_form_shows_no_secret_that_is_a_default() -> None:
    held = plugin()
    held.show({}, Linked.model_json_schema())
    assert "hidden" not in str(masked_form(held))
    assert masked_form(held)["properties"]["plain"]["default"] == "seen"
    held.show({}, [{"key": "api_key", "type": "text", "default": "hidden"}, {"key": "a", "default": "seen"}])
    assert [item["default"] for item in masked_form(held)] == [MASK, "seen"]


def test_a_password_in_a_url_stays_while_all_of_it_comes_back() -> None:
    held = plugin(overlay={"greeting": "redis://:hidden@h/0"})
    shown = masked_overlay(held)
    assert shown == {"greeting": f"redis://:{MASK}@h/0"}
    assert unmask(shown, held) == held.overlay
    with pytest.raises(Unprocessable, match="mask"):
        unmask({"greeting": f"redis://:{MASK}@elsewhere/0"}, held)


def test_a_reason_shows_no_password() -> None:
    held = plugin()
    held.move("loading")
    held.move("failed", "cannot reach redis://:hidden@h/0")
    assert held.reason == f"cannot reach redis://:{MASK}@h/0"
