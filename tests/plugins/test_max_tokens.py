"""`max_tokens`: how much a model may write, whatever the API calls that."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from jackfield.errors import ConfigError
from jackfield.plugins.max_tokens.plugin import HEADER, MaxTokens
from jackfield.sdk import ChatRequest
from jackfield.testing import FakeHost, Trial
from jackfield.testing.gateway import RunningGateway

StartGateway = Callable[..., Awaitable[RunningGateway]]
KNOWN = {"gpt-4o": 16_384, "tiny": 10}


class Facts:
    def __init__(self, known: dict[str, Any] | None = None) -> None:
        self.known = KNOWN if known is None else known

    def max_output(self, provider: str | None, model: str) -> int | None:
        return self.known.get(model)


async def ask(config: dict[str, Any], asked: int | None = None, *, model: str = "gpt-4o", **host: Any) -> Trial:
    async with FakeHost(MaxTokens, config=config, **host) as running:
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        return await running.request(body | ({"max_tokens": asked} if asked is not None else {}))


def sent(trial: Trial) -> int | None:
    """What the upstream was asked for."""
    request = trial.sent[0].request
    assert isinstance(request, ChatRequest)
    return request.max_tokens


SETTINGS = {"models": {"gpt-4o*": {"most": 100, "default": 50}, "gpt-4o-mini": {"most": 7}}, "most": 1000, "default": 9}


@pytest.mark.parametrize(
    ("model", "asked", "expected"),
    [
        ("gpt-4o", None, 50),
        ("gpt-4o", 99, 99),
        ("gpt-4o", 100, 100),
        ("gpt-4o", 101, 100),
        ("GPT-4o-2024", 5000, 100),
        ("vendor/gpt-4o", 5000, 100),
        ("gpt-4o-mini", 8, 7),
        ("gpt-4o-mini", None, 7),
        ("other", None, 9),
        ("other", 2000, 1000),
    ],
)
async def test_the_closest_entry_counts(model: str, asked: int | None, expected: int) -> None:
    assert sent(await ask(SETTINGS, asked, model=model)) == expected


async def test_without_settings_nothing_is_changed() -> None:
    for asked in (None, 10**8):
        trial = await ask({}, asked)
        assert (sent(trial), trial.headers.get(HEADER)) == (asked, None)


async def test_zero_is_left_alone() -> None:
    assert sent(await ask({"most": 10, "default": 5}, 0)) == 0


@pytest.mark.parametrize(
    ("config", "model", "asked", "expected"),
    [
        ({}, "tiny", 50, 10),
        ({}, "tiny", None, None),
        ({"default": "most"}, "tiny", None, 10),
        ({"default": "most"}, "unknown", None, None),
        ({"most": 5}, "tiny", 50, 5),
        ({"most": 50}, "tiny", 50, 10),
        ({"models": {"tiny": {"most": 30}}}, "tiny", 50, 30),
        ({"models": {"tiny": {"default": "most"}}}, "tiny", None, 10),
        ({"facts": False}, "tiny", 50, 50),
    ],
)
async def test_what_pricing_knows_bounds_too(
    config: dict[str, Any], model: str, asked: int | None, expected: int | None
) -> None:
    assert sent(await ask(config, asked, model=model, shared={"pricing": Facts()})) == expected


@pytest.mark.parametrize("nonsense", [True, -1, 0, "10", 10.0])
async def test_nonsense_of_another_plugin_bounds_nothing(nonsense: Any) -> None:
    trial = await ask({"most": 20}, 50, shared={"pricing": Facts({"gpt-4o": nonsense})})
    assert sent(trial) == 20


async def test_another_kind_of_pricing_is_told_and_not_used() -> None:
    async with FakeHost(MaxTokens, shared={"pricing": object()}) as host:
        assert host.degraded is not None
        assert "gives 'pricing' as object, not Facts" in host.degraded
        assert (await host.request("hi")).status == 200


async def test_the_client_is_told_of_a_change() -> None:
    lowered = await ask({"most": 10}, 50)
    filled = await ask({"default": 10})
    untold = await ask({"most": 10, "header": False}, 50)
    kept = await ask({"most": 10}, 10)
    told = [trial.headers.get(HEADER) for trial in (lowered, filled, untold, kept)]
    assert told == ["10; was=50", "10; was=none", None, None]
    assert sent(untold) == 10


async def test_a_stream_is_told_too() -> None:
    async with FakeHost(MaxTokens, config={"most": 10}) as host:
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 11}
        trial = await host.request(body, stream=True)
    assert (trial.headers[HEADER], sent(trial)) == ("10; was=11", 10)


async def test_too_much_is_refused_where_that_is_wanted() -> None:
    trial = await ask({"most": 10, "on_excess": "refuse"}, 11)
    assert trial.error is not None
    assert (trial.status, trial.error.code, trial.error.plugin) == (400, "max_tokens_exceeded", "max_tokens")
    assert "11 is more than the 10 that 'gpt-4o' may write" in trial.error.message
    assert sent(await ask({"default": 50, "most": 10, "on_excess": "refuse"})) == 10


@pytest.mark.parametrize(("newer", "older"), [(5, 500), (500, 5), (500, 500), (0, 500)])
async def test_the_older_name_beside_the_newer_one_is_no_way_around_it(newer: int, older: int) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    names = {"max_completion_tokens": newer, "max_tokens": older}
    async with FakeHost(MaxTokens, config={"most": 10}) as host:
        trial = await host.request(body | names)
        assert trial.sent[0].request is not None
        told = trial.sent[0].request.extra["max_tokens"]
        assert (sent(trial), json.loads(bytes(told))) == (min(newer, 10), min(older, 10))
        assert trial.headers[HEADER] == "10; was=500"
    async with FakeHost(MaxTokens, config={"most": 10, "on_excess": "refuse"}) as host:
        assert (await host.request(body | names)).status == 400


@pytest.mark.parametrize("api", ["openai", "anthropic"])
async def test_every_upstream_is_asked_in_its_own_words(api: Any) -> None:
    async with FakeHost(MaxTokens, config={"most": 10}, upstream=api) as host:
        for client in ("openai", "anthropic"):
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 500}
            assert sent(await host.request(body, api=client)) == 10


@pytest.mark.parametrize(
    "config",
    [{"most": 0}, {"default": "all"}, {"models": {"m": {"mots": 1}}}, {"on_excess": "ignore"}, {"limit": 1}],
)
async def test_settings_that_make_no_sense_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"plugins\.config\.max_tokens"):
        await ask(config)


async def test_pricing_may_come_and_go_while_the_gateway_runs(start_gateway: StartGateway, tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text('{"echo": {"max_output_tokens": 12}}')
    on: dict[str, Any] = {"plugins.config.max_tokens": {"enabled": True}}
    gateway = await start_gateway(**on, **{"plugins.config.pricing": {"enabled": True, "file": file}})
    for enabled, expected in ((True, "12; was=50"), (False, None), (True, "12; was=50")):
        switched = await gateway.admin("/api/v1/plugins/toggle", "POST", {"name": "pricing", "enabled": enabled})
        assert switched.status == 200, switched.body
        async with gateway.caller() as caller:
            body = {"model": "echo", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
            called = await caller.post("/v1/chat/completions", body)
        assert (called.status, called.headers.get(HEADER)) == (200, expected)
    assert (await gateway.plugin("max_tokens"))["state"] == "active"
