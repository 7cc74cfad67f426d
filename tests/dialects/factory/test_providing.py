"""Providers whose adapter speaks HTTP: their models are the gateway's, and requests go through the adapter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.dialects.factory.names.models import HttpAdapter
from jackfield.dialects.factory.providing import find_spoken, is_http_adapter
from jackfield.testing import Answer, Reply, Upstream
from jackfield.testing.setup import link

from .guide import system
from .test_events import WATCHER

SECRET = "acme-token-0123456789abcdef"
PROVIDER = """
import asyncio
import json

from fastapi import APIRouter, Request
from starlette.responses import Response

from ccproxy.api.decorators import with_format_chain
from ccproxy.core.constants import __FORMAT__
from ccproxy.core.plugins import BaseProviderPluginFactory, ProviderPluginRuntime
from ccproxy.core.plugins.declaration import RouterSpec
from ccproxy.models.provider import ModelMappingRule, ProviderConfig
from ccproxy.services.adapters.http_adapter import BaseHTTPAdapter

seen = []


class Config(ProviderConfig):
    name: str = "acme"
    base_url: str = "__URL__"
    models_endpoint: list = [{"id": "acme-1"}, {"id": "acme-2"}]
    model_mappings: list[ModelMappingRule] = [ModelMappingRule(match="acme-2", target="acme-2-large")]


class Adapter(BaseHTTPAdapter):
    def __init__(self, config, context):
        self.config, self.context = config, context

    async def get_target_url(self, endpoint):
        return self.config.base_url + endpoint

    async def prepare_provider_request(self, body, headers, endpoint):
        await asyncio.sleep(0)
        asked = json.loads(body)
        seen.append((endpoint, asked.get("stream", False), sorted(headers)))
        if asked["model"] == "acme-1" and asked.get("user") == "unlucky":
            raise KeyError("no account")
        if asked.get("user") == "no header":
            return body, {"a b": "c"}
        if asked.get("user") == "two lines":
            return body, {"x-own": "a\\nb: c"}
        asked["metadata"] = {"from": "adapter"}
        return json.dumps(asked).encode(), {**headers, "Authorization": "Bearer __SECRET__", "x-acme": "1",
                                             "anthropic-version": "2023-06-01"}

    async def process_provider_response(self, response, endpoint):
        told = response.json()
        if told.get("choices", [{"message": {}}])[0]["message"].get("content") == "nothing":
            return None
        if told.get("choices", [{"message": {}}])[0]["message"].get("content") == "refused":
            return Response('{"error": {"message": "not today"}}', status_code=403)
        told["id"] = "processed"
        return Response(json.dumps(told), status_code=response.status_code)


router = APIRouter()


@router.post("/v1/chat/completions")
@with_format_chain(["openai.chat_completions", __FORMAT__], endpoint=__ENDPOINT__)
async def chat(request: Request):
    return await request.app.state.plugin_registry.get_runtime("acme").adapter.handle_request(request)


class Runtime(ProviderPluginRuntime):
    pass


class Factory(BaseProviderPluginFactory):
    plugin_name, plugin_description = "acme", "Serves acme"
    runtime_class, adapter_class, config_class = Runtime, Adapter, Config
    routers = [RouterSpec(router, "/acme")]


factory = Factory()
"""


def provider(url: str, format: str = "FORMAT_OPENAI_CHAT", endpoint: str = "None") -> str:  # noqa: A002
    source = PROVIDER
    for word, text in {"FORMAT": format, "ENDPOINT": endpoint, "SECRET": SECRET, "URL": url}.items():
        source = source.replace(f"__{word}__", text)
    return source


async def serve(open_house: Any, upstream: Upstream, **settings: Any) -> Any:
    return await open_house(plugins={"watcher": WATCHER, "acme": provider(upstream.openai_url)}, **settings)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_of_a_provider_is_asked_through_its_adapter(
    open_house: Any, upstream: Upstream, stream: bool
) -> None:
    house = await serve(open_house, upstream)
    async with house.gateway.caller() as caller:
        models = [one["id"] for one in (await caller.get("/v1/models")).json["data"]]
    assert {"acme-1", "acme-2"} <= set(models)
    upstream.script(Answer.reply(Reply(text="one two three")))
    called = await house.chat(model="acme-2", stream=stream)
    assert called.status == 200, called.body
    asked = upstream.requests[-1]
    body = json.loads(asked.body)
    assert (body["model"], body["metadata"], body.get("stream", False)) == ("acme-2-large", {"from": "adapter"}, stream)
    assert (asked.header("authorization"), asked.header("x-acme")) == (f"Bearer {SECRET}", "1")
    assert asked.header("content-type") == "application/json"
    if stream:
        assert b"[DONE]" in called.body
    else:
        assert called.json["id"] == "processed"
    assert house.module("acme").seen[-1] == ("/chat/completions", stream, ["content-type"])


@pytest.mark.parametrize("stream", [False, True])
async def test_events_are_told_of_it_as_of_others_and_hold_no_secret_of_its_adapter(
    open_house: Any, upstream: Upstream, stream: bool
) -> None:
    house = await serve(open_house, upstream)
    await house.settle()
    seen = house.module("watcher").seen
    seen.clear()
    assert (await house.chat(model="acme-1", stream=stream)).status == 200
    await house.settle()
    about = [one for one in seen if one.metadata.get("request_id")]
    prepared = next(one for one in about if one.event.value == "provider.request.prepared")
    assert (prepared.provider, prepared.data["body"]["metadata"]) == ("acme", {"from": "adapter"})
    assert prepared.data["headers"]["x-acme"] == "1"
    assert [one.event.value for one in about].count("provider.request.sent") == 1
    assert SECRET not in repr([vars(one) for one in about])


async def test_a_client_of_another_api_is_translated(open_house: Any, upstream: Upstream) -> None:
    house = await serve(open_house, upstream)
    called = await house.chat("/v1/messages", model="acme-1", max_tokens=20)
    assert (called.status, called.json["type"]) == (200, "message")
    assert json.loads(upstream.requests[-1].body)["messages"] == [{"role": "user", "content": "hello"}]


async def test_one_that_speaks_the_other_format_takes_it_at_its_own_endpoint(
    open_house: Any, upstream: Upstream
) -> None:
    source = provider(upstream.anthropic_url, "FORMAT_ANTHROPIC_MESSAGES", '"/v1/messages"')
    house = await open_house(plugins={"acme": source})
    called = await house.chat(model="acme-1")
    assert (called.status, called.json["object"]) == (200, "chat.completion")
    assert upstream.requests[-1].target.endswith("/v1/messages")


async def test_an_adapter_that_fails_is_an_upstream_that_does_and_another_answers(
    open_house: Any, upstream: Upstream
) -> None:
    mine = {"name": "mine", "provider": "acme", "models": ["acme-1"], "max_retries": 0}
    house = await serve(open_house, upstream, upstreams=[mine])
    assert (await house.chat(model="acme-1", user="unlucky")).status == 502
    assert "KeyError: 'no account'" in repr(house.module("watcher").seen)
    assert (await house.chat(model="acme-1")).status == 200
    both = await serve(open_house, upstream, upstreams=[mine, link(upstream, models=("acme-1",), priority=1)])
    assert (await both.chat(model="acme-1", user="unlucky")).status == 200


@pytest.mark.parametrize(
    ("user", "text", "status"),
    [("no header", "x", 502), ("two lines", "x", 502), ("fine", "nothing", 502), ("fine", "refused", 403)],
)
async def test_nonsense_of_an_adapter_is_that_of_an_upstream(
    open_house: Any, upstream: Upstream, user: str, text: str, status: int
) -> None:
    mine = {"name": "mine", "provider": "acme", "models": ["acme-1"], "max_retries": 0}
    house = await serve(open_house, upstream, upstreams=[mine])
    upstream.script(Answer.reply(Reply(text=text)))
    called = await house.chat(model="acme-1", user=user)
    assert called.status == status, called.body
    assert len(upstream.requests) == (user == "fine")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "no address", "http://127.0.0.1:99999", ""])
async def test_an_address_that_is_none_is_an_upstream_that_failed(open_house: Any, url: str) -> None:
    mine = {"name": "mine", "provider": "acme", "models": ["acme-1"], "max_retries": 0}
    house = await open_house(plugins={"acme": provider(url)}, upstreams=[mine])
    assert (await house.chat(model="acme-1")).status == 502


async def test_an_upstream_of_the_operators_may_name_it(open_house: Any, upstream: Upstream) -> None:
    mine = {"name": "mine", "provider": "acme", "models": ["scripted"]}
    house = await serve(open_house, upstream, upstreams=[mine])
    assert (await house.chat(model="scripted")).status == 200
    record = await house.gateway.record()
    assert record["upstream"] == "mine"


async def test_what_is_no_http_adapter_serves_its_own_routes_alone(open_house: Any) -> None:
    house = await open_house(plugins={"quiet": system("quiet")})
    assert not hasattr(house.member("quiet"), "target")


def test_which_adapters_speak_http() -> None:
    class Whole(HttpAdapter):
        async def get_target_url(self, endpoint: str) -> str:
            return endpoint

        async def prepare_provider_request(self, body: bytes, headers: Any, endpoint: str) -> Any:
            return body, headers

        async def process_provider_response(self, response: Any, endpoint: str) -> Any:
            return response

    class Half(HttpAdapter):
        async def get_target_url(self, endpoint: str) -> str:
            return endpoint

    assert [is_http_adapter(one) for one in (Whole(), Half(), None, 3)] == [True, False, False, False]
    config: Any = type("Config", (), {"format": "anthropic.messages"})()
    assert find_spoken(Whole(), config, ()) == ("anthropic.messages", "/v1/messages")
    assert find_spoken(Whole(), object(), ()) is None  # type: ignore[arg-type]
