"""`metadata["rotator"]`: what it offers, and what it keeps from plugins."""

from __future__ import annotations

import json
from collections import UserDict
from logging import Logger
from types import MappingProxyType
from typing import Any

import pytest

from jackfield.dialects.rings.facade import Rotator
from jackfield.dialects.rings.pii import Security
from jackfield.dialects.rings.world import RingWorld, tell_settings
from jackfield.host.routes import UpstreamLink
from jackfield.sdk.context import InboundRequest
from jackfield.settings import Settings

from .course import Course

PRIVATE = {
    "EMAIL": "bob.o'neil+x@mail.example.co.uk",
    "PHONE": "+1 415 555 0132",
    "CARD": "4111 1111 1111 1111",
    "IBAN": "DE89 3704 0044 0532 0130 00",
    "SSN": "123-45-6789",
    "IP": "192.168.17.4",
    "KEY": "sk-proj-abcdefghijklmnop123456",
}


@pytest.mark.parametrize("kind", PRIVATE)
def test_what_identifies_people_is_masked_and_comes_back(kind: str) -> None:
    security = Security()
    text = f"please use {PRIVATE[kind]} today"
    masked = security.mask_pii(text)
    assert PRIVATE[kind] not in masked
    assert f"[PII_{kind}_" in masked
    assert security.sanitize_response(masked) == text


@pytest.mark.parametrize(
    "other", ["(415) 555-0132", "+49 30 901820", "2001:db8::8a2e:370:7334", "AKIAIOSFODNN7EXAMPLE"]
)
def test_other_ways_of_writing_them(other: str) -> None:
    assert other not in Security().mask_pii(f"it is {other}.")


@pytest.mark.parametrize(
    "harmless",
    [
        "4111 1111 1111 1112",
        "DE00 3704 0044 0532 0130 00",
        "version 1.2.3 of 2024-01-15 at 10:30:00",
        "000-12-3456",
        "999.1.1.300",
        "a total of 12345 things, 1999-2024",
        "std::vector and a::b",
    ],
)
def test_what_only_looks_like_it_stays(harmless: str) -> None:
    assert Security().mask_pii(harmless) == harmless


def test_the_same_original_has_the_same_token() -> None:
    security = Security()
    first, second = security.mask_pii("a@b.example c@d.example a@b.example").split()[::2]
    assert first == second
    assert len(security.pii_vault) == 2


def test_nobody_elses_tokens_are_unmasked() -> None:
    mine, other = Security(), Security()
    token = mine.mask_pii("bob@example.com")
    assert other.sanitize_response(token) == token


def test_json_stays_json() -> None:
    security = Security()
    security.pii_vault["[NAME_1]"] = 'Bob "the \\ builder"'
    told = security.sanitize_response(json.dumps({"text": "ask [NAME_1]"}))
    assert json.loads(told) == {"text": 'ask Bob "the \\ builder"'}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\u200bb\u202ec\ufeff", "abc"),
        ("tag\U000e0041\U000e0042s", "tags"),
        ("a\u200db", "ab"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_characters_that_nobody_sees_go(text: str, clean: str) -> None:
    assert Security().sanitize_response(text) == clean


async def rotator(course: Course) -> Rotator:
    found: list[Any] = []

    async def look(ctx: Any) -> None:
        found.append(ctx.metadata["rotator"])

    await course.add(look)
    await course.chat()
    return found[-1]


async def test_it_offers_what_ring_plugins_use() -> None:
    host = await rotator(Course())
    await host._add_log("told", level="WARNING", metadata={"a": 1}, trace_id="t")
    await host._add_log("told", level="odd")
    host.logger.info("told")
    assert host.priority_mode is False
    assert host.routing_cost_weight == 0.3
    assert dict(host.config) == {}
    identity = await host.zt_manager.verify_tailscale_identity("192.0.2.7")
    assert identity == host.zt_manager.verify_tailscale_identity("192.0.2.7")
    assert identity["status"] == "disabled"
    await host.store.set_state("a", 1)
    assert await host.store.get_state("a") == 1


async def test_the_pool_is_the_live_upstreams_without_their_secrets() -> None:
    course = Course()
    host = await rotator(course)
    pool = await host.store.get_pool()
    assert [(endpoint.id, endpoint.url) for endpoint in pool] == [
        ("alpha", "http://alpha.example"),
        ("beta", "http://beta.example"),
    ]
    assert pool[0].metadata == {"models": ["echo", "small", "only-alpha"], "provider": "echo", "priority": 0}
    course.links.pop()
    assert len(host.store.get_pool()) == 1


async def test_a_breaker_says_whether_an_upstream_is_worth_asking() -> None:
    course = Course()
    manager = (await rotator(course)).circuit_manager
    assert await manager.get_breaker("alpha").can_execute()
    assert (await manager.get_breaker("alpha")).can_execute()
    for _ in range(20):
        course.links[0].breaker.failure()
    assert not await manager.get_breaker("alpha").can_execute()
    assert not await manager.get_breaker("unknown").can_execute()


async def test_it_leads_to_nothing_else() -> None:
    host = await rotator(Course())
    public = {name for name in dir(host) if not name.startswith("_")}
    assert public == {
        "circuit_manager",
        "config",
        "logger",
        "priority_mode",
        "routing_cost_weight",
        "security",
        "store",
        "zt_manager",
    }
    assert {name for name in dir(host.store) if not name.startswith("_")} == {"get_pool", "get_state", "set_state"}


@pytest.mark.parametrize("vault", [{}, MappingProxyType({"[MINE]": "me"}), UserDict({"[PII_EMAIL_2]": "x"})])
def test_the_vault_may_be_any_mapping(vault: Any) -> None:
    security = Security()
    security.pii_vault = vault
    masked = security.mask_pii("bob@example.com and ann@example.com")
    assert "example.com" not in masked
    assert security.sanitize_response(masked) == "bob@example.com and ann@example.com"
    assert set(vault) <= set(security.pii_vault)


def reach(thing: Any, seen: dict[int, Any]) -> dict[int, Any]:
    """All that attributes and entries lead to, loggers apart."""
    if id(thing) in seen or isinstance(thing, Logger):
        return seen
    seen[id(thing)] = thing
    below: list[Any] = []
    if isinstance(thing, dict):
        below = list(thing.values())
    elif isinstance(thing, list | tuple | set | frozenset):
        below = list(thing)
    elif not isinstance(thing, str | bytes | int | float | type):
        below = [getattr(thing, name, None) for name in dir(thing) if not name.startswith("__")]
    for one in below:
        reach(one, seen)
    return seen


@pytest.mark.parametrize("ring", ["ingress", "pre_flight", "background"])
async def test_no_path_leads_to_a_credential_or_to_what_holds_them(ring: str) -> None:
    course, found = Course(), []

    async def look(ctx: Any) -> None:
        breaker = ctx.metadata["rotator"].circuit_manager.get_breaker("alpha")
        found.extend(reach([ctx, breaker], {}).values())

    await course.add(look, ring, timeout_ms=5_000)
    await course.chat()
    assert len(found) > 10
    assert not [one for one in found if isinstance(one, RingWorld | UpstreamLink | InboundRequest)]
    assert not [one for one in found if isinstance(one, str | bytes) and "secret-0123456789" in str(one)]


async def test_what_a_plugin_does_to_the_settings_no_other_request_sees() -> None:
    course = Course(RingWorld(settings={"server": {"port": 8090, "tags": ["a"]}}))
    seen: list[Any] = []

    async def change(ctx: Any) -> None:
        host = ctx.metadata["rotator"]
        seen.append(json.dumps([ctx.state.config, host.config]))
        for config in (ctx.state.config, host.config):
            config["server"]["port"] = 1
            config["server"]["tags"].append("b")
        ctx.state.config = None

    await course.add(change)
    await course.chat()
    await course.chat()
    assert seen == [json.dumps([{"server": {"port": 8090, "tags": ["a"]}}] * 2)] * 2


async def test_the_vault_is_the_requests_own() -> None:
    course, vaults = Course(), []

    async def mask(ctx: Any) -> None:
        ctx.metadata["rotator"].security.mask_pii("bob@example.com")
        vaults.append(dict(ctx.metadata["rotator"].security.pii_vault))

    await course.add(mask)
    await course.chat()
    await course.chat()
    assert vaults[0] == vaults[1] == {"[PII_EMAIL_1]": "bob@example.com"}


def test_settings_are_told_without_secrets() -> None:
    settings = Settings.model_validate(
        {
            "store": {"url": "sqlite:///secret/place"},
            "upstreams": [
                {"name": "a", "provider": "openai", "models": ["m"], "base_url": "http://a", "api_key_env": "NAMED"}
            ],
            "plugins": {"config": {"other": {"token": "hidden"}}},
        }
    )
    told = tell_settings(settings)
    assert told["server"]["port"] == 8090
    assert told["upstreams"][0]["models"] == {"m": "m"}
    assert not any(word in json.dumps(told) for word in ("secret", "NAMED", "hidden"))
