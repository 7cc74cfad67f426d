"""A provider that is talked to: what is told of what it does otherwise than its guide says, or hosts expect."""

from __future__ import annotations

from typing import Any

import pytest

from jackfield.dialects.provider.metadata import Metadata
from jackfield.dialects.provider.schema import read_schema
from jackfield.testing.check.live import Verdict, check_endpoint
from jackfield.testing.check.live.configs import make_config

from .provider_answers import CHUNKS, COMPLETION, HEALTH, MODELS, Provider, events, serving

GUIDE_SCHEMA = [
    {"name": "api_key", "type": "string", "required": True, "description": "API key", "sensitive": True},
    {"name": "timeout", "type": "int", "default": 30, "description": "Seconds", "validation": {"min": 1, "max": 300}},
]


async def look(provider: Provider, config: dict[str, Any] | None = None) -> list[Verdict]:
    async with serving(provider):
        return await check_endpoint(provider.url, lambda kind: config or {})


async def told(provider: Provider, config: dict[str, Any] | None = None) -> list[tuple[str, str, str]]:
    """What is not well."""
    return [(one.level, one.step, one.message) for one in await look(provider, config) if one.level != "ok"]


async def test_a_provider_that_is_as_it_should_be_is_well_in_everything() -> None:
    provider = Provider()
    verdicts = await look(provider)
    assert {verdict.level for verdict in verdicts} == {"ok"}
    assert [verdict.step for verdict in verdicts] == [
        "GET /metadata",
        "POST /initialize",
        "GET /health",
        "GET /models",
        "POST /chat/completions",
        "POST /chat/completions with stream",
        "POST /chat/completions without messages",
        "POST /chat/completions that is no JSON",
        "GET /no-such-path",
        "POST /cleanup",
        "POST /initialize after /cleanup",
    ]
    assert provider.asked[-1] == ("POST /cleanup", b"")


async def test_it_is_initialized_with_the_defaults_and_what_is_given() -> None:
    provider = Provider()
    await look(provider, {"region": "eu"})
    assert ("POST /initialize", {"tier": "slow", "region": "eu"}) in provider.asked


async def test_the_first_model_that_it_lists_is_asked() -> None:
    provider = Provider()
    await look(provider)
    asked = [body for step, body in provider.asked if step == "POST /chat/completions" and isinstance(body, dict)]
    assert {body["model"] for body in asked if "messages" in body} == {"bright"}


@pytest.mark.parametrize(
    ("answers", "level", "step", "message"),
    [
        ({"metadata": {"version": "1"}}, "error", "GET /metadata", "name is required"),
        ({"metadata": []}, "error", "GET /metadata", "must be an object"),
        ({"metadata": (302, {})}, "error", "GET /metadata", "hosts follow no redirects"),
        ({"metadata": None}, "error", "GET /metadata", "there was no answer"),
        ({"metadata": ("text/html", b"<p>")}, "error", "GET /metadata", "the answer is not JSON"),
        ({"initialize": (500, {"code": "x", "message": "no"})}, "error", "POST /initialize", "answered 500 x: no"),
        ({"initialize": (404, b"")}, "warning", "POST /initialize", "no config can be given"),
        (
            {"health": {**HEALTH, "healthy": False, "message": "DB down"}},
            "error",
            "GET /health",
            "not healthy: DB down",
        ),
        ({"health": {**HEALTH, "healthy": "yes"}}, "error", "GET /health", "there is no healthy"),
        ({"health": {"healthy": True}}, "warning", "GET /health", "there is no latency_ms"),
        (
            {"health": {**HEALTH, "timestamp": "2026-01-21T10:00:00.123456"}},
            "warning",
            "GET /health",
            "the timestamp has no time zone",
        ),
        ({"models": {"data": MODELS}}, "warning", "GET /models", "the guide has a bare list"),
        ({"models": []}, "warning", "GET /models", "there is no model"),
        ({"models": (404, b"")}, "warning", "GET /models", "must name its models themselves"),
        ({"models": "bright"}, "error", "GET /models", "is not a list"),
        ({"models": [{"name": "x"}]}, "error", "GET /models", "[0] has no id"),
        ({"models": [{"id": "x", "cost_per_mtoken": "0.5"}]}, "error", "GET /models", "is not a price"),
        (
            {"models": [{"id": "x", "capabilities": {"vision": True}}]},
            "warning",
            "GET /models",
            "claims vision, which the provider itself does not",
        ),
        ({"complete": {"id": "x"}}, "error", "POST /chat/completions", "there are no choices"),
        ({"complete": {**COMPLETION, "choices": [{}]}}, "error", "POST /chat/completions", "choices[0] has no message"),
        ({"complete": {**COMPLETION, "usage": None}}, "warning", "POST /chat/completions", "there is no usage"),
        (
            {"complete": {**COMPLETION, "usage": {**COMPLETION["usage"], "total_tokens": 9}}},
            "warning",
            "POST /chat/completions",
            "usage does not add up",
        ),
        (
            {"complete": {**COMPLETION, "usage": {**COMPLETION["usage"], "cost_usd": "1"}}},
            "error",
            "POST /chat/completions",
            "cost_usd is not a number",
        ),
        ({"refuse": COMPLETION}, "warning", "POST /chat/completions without messages", "was answered"),
        (
            {"refuse": (500, b"<h1>")},
            "warning",
            "POST /chat/completions without messages",
            "answered 500 without a code",
        ),
        (
            {"refuse": (400, {"code": "no_idea", "message": "?"})},
            "warning",
            "POST /chat/completions without messages",
            "the code 'no_idea' is none of",
        ),
        (
            {"refuse": (400, {"code": "invalid_request", "message": "?", "transient": "no"})},
            "error",
            "POST /chat/completions without messages",
            "transient must be true or false",
        ),
        (
            {"unreadable": (500, b"")},
            "warning",
            "POST /chat/completions that is no JSON",
            "answered 500 without a code",
        ),
        ({"absent": {}}, "warning", "GET /no-such-path", "answered 200"),
        ({"cleanup": (500, b"")}, "error", "POST /cleanup", "answered 500"),
        ({"cleanup": (404, b"")}, "warning", "POST /cleanup", "it is not told when it is no longer used"),
    ],
)
async def test_what_is_otherwise_is_told(answers: dict[str, Any], level: str, step: str, message: str) -> None:
    found = await told(Provider(**answers))
    assert (level, step) in [(one, where) for one, where, _ in found], found
    assert any(message in what for one, where, what in found if (one, where) == (level, step)), found


STREAM = "POST /chat/completions with stream"


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (("text/event-stream", events(CHUNKS)), []),
        (("application/x-ndjson", "\n".join(map(str, [])).encode()), [("error", "there are no choices in any frame")]),
        (("text/html", b"<p>"), [("error", "the content type 'text/html' is none of")]),
        (("application/json", COMPLETION), [("warning", "answered in one piece")]),
        (
            ("text/event-stream", b"data: {\n\n"),
            [("error", "frame 0 is not an object"), ("error", "there are no choices")],
        ),
        (
            ("text/event-stream", events(CHUNKS)[:-2]),
            [("error", "ends in the middle of an event"), ("warning", "[DONE]")],
        ),
        (("text/event-stream", events(CHUNKS, end="")), [("warning", "ends without [DONE] and without done: true")]),
        (("text/event-stream", events([*CHUNKS, {"choices": [], "done": True}], end="")), []),
        (("text/event-stream", events(CHUNKS[:1])), [("warning", "finish_reason"), ("warning", "there is no usage")]),
        (
            ("text/event-stream", events([CHUNKS[0], {"code": "timeout", "message": "late", "transient": True}])),
            [("error", "frame 1 is an error: timeout: late")],
        ),
        ((500, {"code": "internal_error", "message": "no"}), [("error", "answered 500 internal_error: no")]),
    ],
)
async def test_streams_are_read_as_hosts_read_them(stream: Any, expected: list[tuple[str, str]]) -> None:
    found = [(level, message) for level, step, message in await told(Provider(stream=stream)) if step == STREAM]
    assert [level for level, _ in found] == [level for level, _ in expected], found
    assert all(text in message for (_, message), (_, text) in zip(found, expected, strict=True)), found


async def test_a_line_of_json_for_each_chunk_is_a_stream_too() -> None:
    import json

    lines = "\n".join(json.dumps(chunk) for chunk in [*CHUNKS, {"done": True}]).encode()
    assert await told(Provider(stream=("application/x-ndjson", lines))) == []


async def test_what_is_not_declared_is_not_asked_for() -> None:
    provider = Provider()
    provider.metadata["capabilities"] = {"streaming": False}
    provider.answers["models"] = []
    await look(provider)
    assert not any(isinstance(body, dict) and body.get("stream") for _, body in provider.asked)


async def test_embeddings_are_asked_for_where_they_are_declared() -> None:
    provider = Provider()
    provider.metadata["capabilities"] = {"embeddings": True}
    found = await told(provider)
    assert ("error", "POST /embeddings") in [(level, step) for level, step, _ in found]


async def test_wrong_configs_should_be_refused() -> None:
    provider = Provider()
    provider.metadata["config_schema"] = GUIDE_SCHEMA
    found = await told(provider, {"api_key": "sk-secret-1"})
    assert found == [
        ("warning", f"POST /initialize where {what}", f"was answered: though {what}")
        for what in ("api_key is required", "timeout is no number", "timeout is above its max")
    ]


async def test_a_config_that_does_not_fit_is_told_before_it_is_sent() -> None:
    provider = Provider()
    provider.metadata["config_schema"] = GUIDE_SCHEMA
    found = await told(provider, {"api_key": "sk-secret-1", "timeout": 500})
    assert found == [("error", "the config that was given", "timeout: must be at most 300, not 500")]
    assert [step for step, _ in provider.asked] == ["GET /metadata"]


async def test_variables_in_the_config_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANTERN_KEY", "sk-secret-1")
    provider = Provider()
    provider.metadata["config_schema"] = GUIDE_SCHEMA
    await look(provider, {"api_key": "${LANTERN_KEY}"})
    assert ("POST /initialize", {"api_key": "sk-secret-1", "timeout": 30}) in provider.asked


async def test_secrets_are_in_no_verdict() -> None:
    provider = Provider(initialize=(400, {"code": "invalid_request", "message": "sk-secret-1 is wrong"}))
    provider.metadata["config_schema"] = GUIDE_SCHEMA
    verdicts = await look(provider, {"api_key": "sk-secret-1"})
    assert any("***" in verdict.message for verdict in verdicts)
    assert "sk-secret-1" not in str(verdicts)


async def test_where_a_key_had_to_be_made_up_that_it_opens_nothing_is_no_error() -> None:
    refused = (401, {"code": "authentication_failed", "message": "Invalid API key"})
    provider = Provider(complete=refused)
    provider.metadata["config_schema"] = GUIDE_SCHEMA
    made_up = await told(provider)
    assert "error" not in {level for level, *_ in made_up}
    assert any("api_key had to be made up: give a config to tell" in message for *_, message in made_up)
    given = await told(provider, {"api_key": "sk-1"})
    assert ("error", "POST /chat/completions") in [(level, step) for level, step, _ in given]


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({"provider_type": "lantern", "name": "Lantern"}, []),
        ({"provider_type": "lantern", "name": "Other"}, [("warning", "the manifest says 'Other'")]),
        ({"provider_type": "other", "name": "Lantern"}, [("error", "provider type mismatch: manifest=other")]),
    ],
)
async def test_who_answers_is_who_the_manifest_means(manifest: dict[str, str], expected: list[tuple[str, str]]) -> None:
    async with serving(Provider()) as provider:
        verdicts = await check_endpoint(provider.url, lambda kind: {}, Metadata(**manifest))
    found = [(verdict.level, verdict.message) for verdict in verdicts if verdict.level != "ok"]
    assert [level for level, _ in found] == [level for level, _ in expected]
    assert all(text in message for (_, message), (_, text) in zip(found, expected, strict=True))


async def test_a_strangers_words_do_not_steer_the_terminal() -> None:
    health = {**HEALTH, "healthy": False, "message": "\x1b[2J\x07gone"}
    verdicts = await look(Provider(health=health))
    printed = "\n".join(map(str, verdicts))
    assert "is not healthy: \\x1b[2J\\x07gone" in printed
    assert printed.replace("\n", "").isprintable()


async def test_of_many_faults_of_a_kind_some_are_told() -> None:
    verdicts = [verdict for verdict in await look(Provider(models=[{}] * 1000)) if verdict.level == "error"]
    assert len(verdicts) == 11
    assert verdicts[-1].message == "and 990 more of the kind"


async def test_a_value_that_is_made_up_fits_and_is_no_burden() -> None:
    rules = {"int": {"min": 5}, "string": {"min_length": 10**9}, "float": {"max": 0.5}}
    schema = [{"name": name, "type": name, "required": True, "validation": rule} for name, rule in rules.items()]
    schema.append({"name": "tier", "type": "string", "required": True, "validation": {"enum": ["fast", "slow"]}})
    read = read_schema(schema, "", [])
    config, invented = make_config(read, {})
    assert (config["int"], config["tier"], len(config["string"])) == (5, "fast", 10_000)
    assert config["float"] <= 0.5
    assert invented == ("int", "string", "float", "tier")


async def test_an_endpoint_where_nobody_is_is_an_error_and_all() -> None:
    provider = Provider()
    async with serving(provider):
        pass
    (verdict,) = await check_endpoint(provider.url, lambda kind: {})
    assert (verdict.level, verdict.step) == ("error", "GET /metadata")
    assert "there was no answer" in verdict.message


async def test_a_verdict_shows_what_was_sent_and_what_came() -> None:
    verdicts = await look(Provider(complete={"id": "x"}))
    (wrong,) = [verdict for verdict in verdicts if verdict.level == "error"]
    first, sent, got = str(wrong).splitlines()
    assert first == f"{wrong.endpoint}: error POST /chat/completions there are no choices"
    assert sent.startswith('    sent {"model": "bright"')
    assert got == '    got 200 {"id": "x"}'
