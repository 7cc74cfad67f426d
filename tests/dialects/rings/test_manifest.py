"""What an entry of a ring manifest may say, and how it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.dialects.rings.manifest import RingEntry, read_entry, slug_of
from jackfield.dialects.rings.names.plugin_sdk import PluginHook
from jackfield.dialects.rings.problems import EntryProblem

from .folders import entry


def problem_of(**changes: Any) -> tuple[str, str]:
    """The field and what is wrong with it."""
    with pytest.raises(EntryProblem) as caught:
        read_entry({**entry(), **changes}, "bundled")
    return caught.value.field, caught.value.message


def test_an_entry_needs_name_hook_and_entrypoint_alone() -> None:
    read = read_entry(entry(), "bundled")
    assert read == RingEntry(
        name="My Plugin", id="my_plugin", hook=PluginHook.PRE_FLIGHT, module="marketplace.my_plugin", symbol="Passes"
    )
    assert (read.priority, read.enabled, read.version, read.author) == (100, True, "0.0.0", "unknown")
    assert (read.timeout_ms, read.fail_policy, read.config, read.source) == (None, None, {}, "bundled")


def test_every_field_is_kept() -> None:
    stated = {
        "priority": 7,
        "enabled": False,
        "type": "python",
        "version": "1.2",
        "author": "you",
        "description": "Does",
        "timeout_ms": 10,
        "fail_policy": "closed",
        "config": {"limit": 5},
        "ui_schema": [{"key": "limit", "type": "number"}],
        "sha256": "a" * 64,
        "allow_inprocess": True,
    }
    read = read_entry(entry(**stated), "installed")
    kept = {name: getattr(read, name) for name in stated}
    assert {**kept, "ui_schema": list(read.ui_schema)} == stated
    manifest = read.manifest()
    assert (manifest.id, manifest.name, manifest.version, manifest.author) == ("my_plugin", "My Plugin", "1.2", "you")
    assert (manifest.description, manifest.priority, manifest.enabled) == ("Does", 7, False)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Plugin", "my_plugin"),
        ("A/B Model Router", "a_b_model_router"),
        ("  PII -- Masker! ", "pii_masker"),
        ("9 Lives", "ring_9_lives"),
        ("", ""),
    ],
)
def test_the_id_is_the_display_name_in_plain_letters(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_a_name_without_plain_letters_leaves_the_id_to_the_module() -> None:
    assert read_entry(entry("Фильтр"), "bundled").id == "my_plugin"


def test_a_version_may_be_a_number_and_nothing_may_be_empty() -> None:
    read = read_entry(entry(version=1.0, author=None, config=None, timeout_ms=None, _source="x"), "bundled")
    assert (read.version, read.author, read.config) == ("1.0", "unknown", {})


@pytest.mark.parametrize("missing", ["name", "hook", "entrypoint"])
def test_what_is_missing_is_named(missing: str) -> None:
    assert problem_of(**{missing: None}) == (f".{missing}", "is missing")


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"prioritty": 1}, ".prioritty", "unknown key; did you mean 'priority'?"),
        ({"hook": "preflight"}, ".hook", "did you mean 'pre_flight'?"),
        ({"hook": 5}, ".hook", "'ingress'"),
        ({"name": " "}, ".name", "at least 1 character"),
        ({"name": "x" * 100}, ".name", "makes no id"),
        ({"type": "wasm"}, ".type", "'wasm' plugins are not supported"),
        ({"type": "lua"}, ".type", "'python'"),
        ({"priority": "high"}, ".priority", "valid integer"),
        ({"priority": True}, ".priority", "valid integer"),
        ({"enabled": "perhaps"}, ".enabled", "valid boolean"),
        ({"timeout_ms": 0}, ".timeout_ms", "greater than or equal to 1"),
        ({"timeout_ms": 600_001}, ".timeout_ms", "less than or equal to 600000"),
        ({"timeout_ms": "ten"}, ".timeout_ms", "valid integer"),
        ({"fail_policy": "ajar"}, ".fail_policy", "'open' or 'closed'"),
        ({"config": ["a"]}, ".config", "valid dictionary"),
        ({"sha256": "abc"}, ".sha256", "match pattern"),
        ({"ui_schema": {}}, ".ui_schema", "valid list"),
        ({"ui_schema": [{"type": "text"}]}, ".ui_schema[0].key", "is missing"),
        ({"ui_schema": [{"key": "a", "type": "txet"}]}, ".ui_schema[0].type", "did you mean 'text'?"),
        ({"ui_schema": [{"key": "a", "type": "text", "labl": ""}]}, ".ui_schema[0].labl", "did you mean 'label'?"),
    ],
)
def test_what_is_wrong_is_told_with_its_field(changes: dict[str, Any], field: str, told: str) -> None:
    where, message = problem_of(**changes)
    assert where == field
    assert told in message


@pytest.mark.parametrize(
    ("entrypoint", "told"),
    [
        ("marketplace.my_plugin", "names a module and a symbol"),
        (":MyPlugin", "names a module and a symbol"),
        ("a:b:c", "more than one colon"),
        ("../secrets:Key", "leads out of the plugins folder"),
        ("a..b:Key", "leads out of the plugins folder"),
        ("/etc/passwd:Key", "leads out of the plugins folder"),
        ("marketplace/my_plugin:MyPlugin", "write the path below the plugins folder with dots"),
        ("marketplace.my plugin:MyPlugin", "is not a module"),
        ("marketplace.my_plugin:My-Plugin", "is not the name of a class or function"),
    ],
)
def test_an_entrypoint_stays_in_the_folder(entrypoint: str, told: str) -> None:
    assert told in problem_of(entrypoint=entrypoint)[1]


@pytest.mark.parametrize("raw", [None, "text", 5, ["a"], {1: 2}])
def test_an_entry_is_a_mapping(raw: Any) -> None:
    with pytest.raises(EntryProblem):
        read_entry(raw, "bundled")
