"""A provider class served over HTTP: what each endpoint answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, SecretStr, create_model

from jackfield.sdk import (
    ChatResponse,
    Choice,
    EmbeddingsResponse,
    Message,
    Plugin,
    PluginConfig,
    Text,
    TextDelta,
    Usage,
    UsageReport,
)
from jackfield.sdk.serve import Application, Model

from .provider_calls import HELLO, ask, call, get, post


class Settings(PluginConfig):
    api_key: SecretStr = Field(description="The key")
    endpoint: str = Field("https://api.example", description="Where it is", pattern="^https")
    timeout: int = Field(30, ge=1, le=300, description="Seconds")
    tier: Literal["slow", "fast"] | None = Field(None, description="How fast")
    region: str = Field("eu", min_length=2, max_length=10)


class Lantern(Plugin[Settings]):
    """Answers in the light of its settings.

    More of it.
    """

    version = "1.2.0"
    author = "A. Uthor <a@example.com>"
    homepage = "https://lantern.example"
    license = "MIT"
    capabilities = {"vision": True, "batching": True}  # noqa: RUF012 - as authors write it
    models = (Model(id="bright", name="Bright", context_window=8192, cost_per_mtoken=2.0), "dim")

    async def stream(self, request: Any, upstream: Any) -> AsyncIterator[Any]:
        yield TextDelta(text=f"{self.config.region}: ")
        yield TextDelta(text=request.last_user_text())
        yield UsageReport(usage=Usage(input=3, output=2))


class Whole(Plugin):
    """Has only whole answers."""

    async def complete(self, request: Any, upstream: Any) -> ChatResponse:
        message = Message(role="assistant", parts=(Text(text=f"{upstream.name} {request.model}"),))
        return ChatResponse(id="", model="", choices=(Choice(message=message, finish_reason="stop"),))


class Vectors(Plugin):
    async def embed(self, request: Any, upstream: Any) -> EmbeddingsResponse:
        import msgspec

        data = tuple(msgspec.Raw(json.dumps([float(len(text))]).encode()) for text in request.texts())
        return EmbeddingsResponse(model=request.model, data=data, usage=Usage(input=4))


class Mirror(Plugin):
    models = ("mirror",)

    async def stream(self, request: Any, upstream: Any) -> AsyncIterator[Any]:
        yield TextDelta(text=request.last_user_text()[::-1])


async def test_metadata_is_what_the_class_says() -> None:
    reply = await get(Application(Lantern), "/metadata")
    told = reply.json
    schema = told.pop("config_schema")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert told == {
        "name": "Lantern",
        "version": "1.2.0",
        "plugin_api_version": "1.0.0",
        "provider_type": "lantern",
        "description": "Answers in the light of its settings.",
        "author": "A. Uthor <a@example.com>",
        "homepage": "https://lantern.example",
        "license": "MIT",
        "capabilities": {
            "streaming": True,
            "function_calling": False,
            "vision": True,
            "embeddings": False,
            "fine_tuning": False,
            "batching": True,
        },
    }
    assert [field["name"] for field in schema] == ["api_key", "endpoint", "timeout", "tier", "region"]


async def test_the_config_model_becomes_the_schema() -> None:
    key, endpoint, timeout, tier, region = (await get(Application(Lantern), "/metadata")).json["config_schema"]
    assert key == {"name": "api_key", "type": "string", "required": True, "description": "The key", "sensitive": True}
    assert (endpoint["default"], endpoint["validation"]) == ("https://api.example", {"pattern": "^https"})
    assert (timeout["type"], timeout["default"], timeout["validation"]) == ("int", 30, {"min": 1, "max": 300})
    assert (tier["type"], tier["required"], tier["validation"]) == ("string", False, {"enum": ["slow", "fast"]})
    assert region["validation"] == {"min_length": 2, "max_length": 10}


@pytest.mark.parametrize(
    ("annotation", "default", "kind"),
    [(float, 0.5, "float"), (bool, True, "bool"), (list[str], ["a"], "array"), (Annotated[int, Field(ge=0)], 1, "int")],
)
async def test_types_are_told_in_the_words_of_hosts(annotation: Any, default: Any, kind: str) -> None:
    config = create_model("Config", __base__=PluginConfig, x=(annotation, default))

    class Provider(Mirror, Plugin[config]):  # type: ignore[valid-type]
        pass

    (field,) = (await get(Application(Provider), "/metadata")).json["config_schema"]
    assert (field["type"], field["default"]) == (kind, default)


async def test_all_that_is_wrong_with_a_config_is_told_and_no_value_of_it() -> None:
    given = {"api_key": "sk-secret", "endpoint": "nowhere", "timeout": 0, "unknown": 1}
    reply = await post(Application(Lantern), "/initialize", given)
    told = reply.json
    assert (reply.status, told["code"], told["transient"]) == (400, "invalid_request", False)
    assert {each["field"] for each in told["details"]["problems"]} == {"endpoint", "timeout", "unknown"}
    assert all(word in told["message"] for word in ("endpoint: ", "timeout: ", "unknown: "))
    assert "sk-secret" not in reply.body.decode()
    assert "nowhere" not in reply.body.decode()


async def test_a_completion_is_whole_and_tells_what_it_cost() -> None:
    app = Application(Lantern)
    assert (await post(app, "/initialize", {"api_key": "sk-1", "region": "us"})).json == {}
    completion = (await ask(app, model="bright")).json
    choice = completion["choices"][0]
    assert (choice["message"], choice["finish_reason"]) == (
        {"role": "assistant", "content": "us: Hello there"},
        "stop",
    )
    assert (completion["object"], completion["model"]) == ("chat.completion", "bright")
    assert completion["id"].startswith("chatcmpl")
    assert completion["created"] > 1_700_000_000
    usage = completion["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (3, 2, 5)
    assert usage["cost_usd"] == pytest.approx(5 * 2.0 / 1_000_000)


async def test_without_a_price_no_cost_is_told() -> None:
    app = Application(Lantern)
    await post(app, "/initialize", {"api_key": "sk-1"})
    assert "cost_usd" not in (await ask(app, model="dim")).json["usage"]


async def test_a_stream_has_a_beginning_an_end_and_its_cost() -> None:
    app = Application(Lantern)
    await post(app, "/initialize", {"api_key": "sk-1"})
    reply = await ask(app, model="bright", stream=True)
    first, *texts, finish, usage, done = reply.frames
    assert (reply.status, reply.headers["content-type"], reply.ended) == (200, "text/event-stream", True)
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert [chunk["choices"][0]["delta"]["content"] for chunk in texts] == ["eu: ", "Hello there"]
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 5)
    assert usage["usage"]["cost_usd"] == pytest.approx(5 * 2.0 / 1_000_000)
    assert done == "[DONE]"
    assert {chunk["id"] for chunk in (first, *texts, finish, usage)} == {first["id"]}


async def test_a_class_with_whole_answers_streams_them_and_one_that_streams_has_whole_answers() -> None:
    whole, streamed = await ask(Application(Whole)), await ask(Application(Whole), stream=True)
    assert whole.json["choices"][0]["message"]["content"] == "whole m"
    assert [chunk["choices"][0]["delta"].get("content") for chunk in streamed.frames[:-1]] == ["", "whole m", None]
    assert (await ask(Application(Mirror))).json["choices"][0]["message"]["content"] == "ereht olleH"


async def test_models_are_a_bare_list_of_what_hosts_read() -> None:
    bright, dim, more = (await get(Application(Lantern, models=["more"]), "/models")).json
    assert (bright["id"], bright["name"], bright["context_window"]) == ("bright", "Bright", 8192)
    assert bright["cost_per_mtoken"] == 2.0
    assert (dim["id"], dim["name"], dim["capabilities"]["vision"]) == ("dim", "dim", True)
    assert more["id"] == "more"


async def test_models_can_be_listed_as_they_are_now() -> None:
    class Listing(Mirror):
        async def list_models(self) -> list[Model]:
            return [Model(id="today", cost_per_mtoken=1.0)]

    app = Application(Listing)
    assert [model["id"] for model in (await get(app, "/models")).json] == ["mirror", "today"]


async def test_embeddings_are_there_where_the_class_has_them() -> None:
    app = Application(Vectors)
    assert (await get(app, "/metadata")).json["capabilities"]["embeddings"] is True
    reply = await post(app, "/embeddings", {"model": "v", "input": ["a", "bcd"]})
    assert [each["embedding"] for each in reply.json["data"]] == [[1.0], [3.0]]
    assert (await ask(app)).status == 404
    assert (await post(Application(Mirror), "/embeddings", {"model": "v", "input": "a"})).status == 404


async def test_unknown_fields_of_a_request_reach_the_class() -> None:
    class Reading(Plugin):
        async def stream(self, request: Any, upstream: Any) -> AsyncIterator[Any]:
            yield TextDelta(text=bytes(request.extra["plugin_specific"]).decode())

    answer = await ask(Application(Reading), plugin_specific={"a": 1})
    assert answer.json["choices"][0]["message"]["content"] == '{"a":1}'


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/elsewhere", b"", 404),
        ("GET", "/chat/completions", b"", 405),
        ("POST", "/metadata", b"", 405),
        ("POST", "/chat/completions", b"{", 400),
        ("POST", "/chat/completions", {"model": "m"}, 400),
        ("POST", "/chat/completions", {"model": "m", "messages": "Hello"}, 400),
        ("POST", "/initialize", [], 400),
        ("POST", "/initialize", b"{", 400),
        ("POST", "/initialize", b" " * (16 * 1024 * 1024 + 1), 413),
    ],
)
async def test_what_cannot_be_understood_is_refused_with_a_code(
    method: str, path: str, body: object, status: int
) -> None:
    reply = await call(Application(Mirror), method, path, body)
    assert (reply.status, reply.json["code"], reply.json["transient"]) == (status, "invalid_request", False)
    assert reply.json["message"]


async def test_pages_in_browsers_are_refused() -> None:
    """Any page that somebody looks at could otherwise send a config to what listens on their machine."""
    reply = await call(Application(Mirror), "POST", "/initialize", {}, origin="https://evil.example")
    assert (reply.status, reply.json["code"]) == (403, "invalid_request")
    assert (await call(Application(Mirror), "POST", "/chat/completions", HELLO)).status == 200


async def test_a_slash_too_many_does_no_harm() -> None:
    assert (await get(Application(Mirror), "//metadata")).status == 200
