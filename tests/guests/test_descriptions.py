"""What a guest may say of itself: what does not fit is refused, with the reason, and nothing of it is used."""

from __future__ import annotations

from typing import Any

import pytest
from tests.guests.liars import HOOK, read

from jackfield.errors import JackfieldError, ManifestError
from jackfield.guests.plugin import TAKEN, GuestPlugin
from jackfield.host.loader import PluginBroke
from jackfield.sdk.hooks import hooks_of
from jackfield.sdk.manifest import Manifest
from jackfield.sdk.providers import ChatProvider, EmbeddingsProvider

CHUNK = {"point": "response_chunk", "name": "watch", "on_failure": "open"}
BODY = {"point": "response_body", "name": "look", "on_failure": "open"}


async def test_what_fits_becomes_a_plugin_as_any_other() -> None:
    said = {"hooks": [HOOK, {**CHUNK, "hold": 5}], "serves": ["chat", "embeddings"], "aliases": ["lies"]}
    blueprint = await read(said, Manifest(id="liar", version="2.0.0"))
    assert issubclass(blueprint.kind, GuestPlugin)
    assert [(spec.point, spec.name, spec.hold) for spec in hooks_of(blueprint.kind)] == [
        ("pre_flight", "check", 0),
        ("response_chunk", "watch", 5),
    ]
    assert (blueprint.manifest.version, blueprint.runtime, blueprint.aliases) == ("2.0.0", "isolated", ("lies",))
    assert issubclass(blueprint.kind, ChatProvider)
    assert issubclass(blueprint.kind, EmbeddingsProvider)
    await blueprint.kind.code.aclose()


async def test_one_method_may_be_at_several_points() -> None:
    blueprint = await read({"hooks": [HOOK, {**BODY, "name": "check"}]})
    assert {spec.point for spec in hooks_of(blueprint.kind)} == {"pre_flight", "response_body"}
    await blueprint.kind.code.aclose()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"manifest": {"id": "other"}}, "manifest.id: is 'other', and the plugin is 'liar'"),
        ({"manifest": {}}, "manifest.id: is None"),
        ({"protocol": 99}, "protocol: speaks version 99; here is 1"),
        ({"hooks": [{**HOOK, "name": f"check{number}"} for number in range(10_000)]}, "hooks: are 10,000"),
        ({"hooks": [HOOK, HOOK]}, "hooks: check is there twice at pre_flight"),
        ({"hooks": [{**HOOK, "name": "__class__"}]}, "'__class__' is no name of a hook"),
        ({"hooks": [{**HOOK, "name": "on_load"}]}, "'on_load' is a name that every plugin has"),
        ({"hooks": [{**HOOK, "name": "config"}]}, "'config' is a name that every plugin has"),
        ({"hooks": [{**HOOK, "name": "jackfield_guest"}]}, "is a name that every plugin has"),
        ({"hooks": [{**HOOK, "name": "a b"}]}, "'a b' is no name of a hook"),
        ({"hooks": [{**HOOK, "name": "class"}]}, "'class' is no name of a hook"),
        ({"hooks": [{**HOOK, "name": "x" * 500}]}, "is no name of a hook"),
        ({"hooks": [{**HOOK, "point": "nowhere"}]}, "nowhere"),
        ({"hooks": [{**HOOK, "inner": True}]}, "hooks.check: inner is for dialects"),
        ({"hooks": [{**HOOK, "own_policy": True}]}, "hooks.check: own_policy is for dialects"),
        ({"hooks": [{**HOOK, "forward": True}]}, "hooks.check: forward is for dialects"),
        ({"hooks": [{**HOOK, "sees_errors": False}]}, "hooks.check: sees_errors is for dialects"),
        ({"hooks": [{**HOOK, "hold": 5}]}, "`hold` is for response_chunk"),
        ({"hooks": [{"point": "ingress", "name": "check", "on_failure": "open"}]}, "on_failure is always 'closed'"),
        ({"hooks": [{**CHUNK, "hold": 10**9}]}, "hooks.watch: holds more than"),
        ({"hooks": [{**CHUNK, "hold": -1}]}, "`hold` must be a whole number"),
        ({"hooks": [{**HOOK, "timeout_ms": 10**9}]}, "waits too long"),
        ({"hooks": [{**HOOK, "before": ["x"] * 1000}]}, "hooks.check: are more than 100 names"),
        ({"hooks": "all"}, "hooks"),
        ({"config_schema": {"description": "x" * 300_000}}, "config_schema: has 300,0"),
        ({"config_schema": {"type": "no type"}}, "config_schema: is no JSON Schema"),
        ({"config_schema": {"$ref": "http://elsewhere.example/"}}, "config_schema: is no JSON Schema"),
        ({"ui_schema": ["x" * 300_000]}, "ui_schema: has 300,0"),
        ({"aliases": ["x"] * 1000}, "aliases: are more than 100 names"),
        ({"aliases": ["x" * 1000]}, "aliases: are more than 100 names, or longer"),
        ({"agent": "A\r\nx-evil: 1"}, "agent: is no name of a program"),
        ({"serves": ["everything"]}, "everything"),
        ({"serves": ["http"]}, "serves: a provider over HTTP"),
        ([], "object"),
    ],
)
async def test_a_description_that_lies_is_refused(said: Any, reason: str) -> None:
    said = said if isinstance(said, dict) else {"manifest": said}
    with pytest.raises(JackfieldError) as refused:
        await read(said, Manifest(id="liar"))
    assert reason in str(refused.value)


async def test_a_schema_larger_than_any_message_is_not_even_read() -> None:
    with pytest.raises(PluginBroke, match="at most 16,777,216 are passed on"):
        await read({"config_schema": {"description": "x" * 50_000_000}}, Manifest(id="liar"))


async def test_a_manifest_of_its_own_is_checked_as_one_in_a_file() -> None:
    with pytest.raises(ManifestError, match=r"manifest\.permissions\.0: there is no permission 'world:rule'"):
        await read({"manifest": {"id": "liar", "permissions": ["world:rule"]}})


async def test_what_it_says_of_its_permissions_changes_nothing_where_its_file_says_it() -> None:
    said = {"manifest": {"id": "liar", "permissions": ["users:any"], "http": {"hosts": ["*.example.com"]}}}
    blueprint = await read(said, Manifest(id="liar"))
    assert (blueprint.manifest.permissions, blueprint.manifest.http.hosts) == ((), None)
    await blueprint.kind.code.aclose()


async def test_a_ring_plugin_has_the_hook_of_its_manifest_and_no_other() -> None:
    with pytest.raises(ManifestError, match=r"hooks\.check: is not the hook of its manifest"):
        await read(dialect="ring")


def test_no_name_of_the_hosts_own_is_left_to_guests() -> None:
    assert {"report", "counted", "diagnose", "agents", "complete", "stream", "embed", "services", "log"} <= TAKEN
