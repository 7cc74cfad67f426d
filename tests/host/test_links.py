"""Upstreams that name the wire format they are asked in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from jackfield.errors import ConfigError, Conflict, Unavailable
from jackfield.host.formats import AddedFormat, Formats, collect_formats, refuse_same
from jackfield.host.links import Links
from jackfield.host.routes import Routes
from jackfield.plugins.anthropic import Anthropic
from jackfield.plugins.echo import Echo
from jackfield.plugins.openai import OpenAI
from jackfield.sdk import FormatSpec, Plugin, PluginConfig
from jackfield.settings import Upstream
from jackfield.wire import format_named

from .world import StillClock

Make = Callable[..., Routes]


class Other:
    """The chat format under another name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(format_named("openai_chat"), name)


def added(name: str = "plain", plugin: str = "ours", path: str | None = "/v1/plain") -> AddedFormat:
    return AddedFormat(FormatSpec(format=Other(name), path=path, upstream_path="/talk"), plugin)


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """The routes of one upstream, with a plugin that adds the format `plain`."""
    async with AsyncExitStack() as stack:

        def make(failed: frozenset[str] = frozenset(), **upstream: Any) -> Routes:
            given = {"name": "far", "provider": "openai", "models": {"m": "m"}, **upstream}
            links = Links((Upstream(**given),), StillClock())
            stack.push_async_callback(links.aclose)
            own = PluginConfig()
            plugins = {"openai": OpenAI("openai", own), "anthropic": Anthropic("anthropic", own)}
            return links.routes({**plugins, "echo": Echo("echo", own)}, failed, Formats([added()]))

        yield make


async def test_it_is_asked_in_no_other(make: Make) -> None:
    link = make(format="plain", base_url="http://far.example/api").links["far"]
    for client in ("openai_chat", "plain", "openai_responses"):
        assert link.format_for("chat", client).name == "plain"
    assert link.speaks("chat", "plain")
    assert not link.speaks("chat", "openai_chat")
    target = link.destination("chat", "m", "plain").target
    assert (target.url, target.credential) == ("http://far.example/api/talk", (b"authorization", b"Bearer {}"))


async def test_it_has_its_providers_other_operations(make: Make) -> None:
    link = make(format="plain", base_url="http://far.example/api").links["far"]
    assert link.format_for("embeddings", "plain").name == "openai_embeddings"
    assert link.destination("embeddings", "m", "openai_embeddings").target.url == "http://far.example/api/embeddings"


async def test_one_of_several_may_be_chosen(make: Make) -> None:
    link = make(format="openai_responses").links["far"]
    assert link.format_for("chat", "openai_chat").name == "openai_responses"
    assert link.destination("chat", "m", "openai_responses").target.url.endswith("/responses")


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        ({"format": "openai_chats"}, "there is no wire format 'openai_chats'; the nearest is 'openai_chat'"),
        ({"format": "anthropic_messages"}, "does not speak anthropic_messages"),
        ({"format": "plain"}, "needs a base_url"),
        ({"format": "plain", "provider": "echo", "base_url": "http://far.example"}, "a provider over HTTP"),
    ],
)
async def test_one_that_cannot_be_is_refused(make: Make, upstream: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**upstream)


async def test_one_whose_plugin_may_have_failed_leaves_only_its_upstream_out(make: Make) -> None:
    routes = make(frozenset({"theirs"}), format="theirs", base_url="http://far.example")
    with pytest.raises(Unavailable):
        routes.candidates("m", "chat")


class Offering(Plugin):
    wire_formats: tuple[Any, ...] = ()


def collect(*specs: Any, approved: tuple[str, ...] = ("formats:register",)) -> tuple[AddedFormat, ...]:
    plugin = Offering("ours", PluginConfig())
    plugin.wire_formats = specs
    return collect_formats(plugin, "ours", approved)


def spec(name: str = "plain", path: str | None = "/v1/plain") -> FormatSpec:
    return FormatSpec(format=Other(name), path=path)


def test_formats_need_leave() -> None:
    assert [one.name for one in collect(spec())] == ["plain"]
    assert collect(approved=()) == ()
    with pytest.raises(ConfigError, match="formats:register"):
        collect(spec(), approved=())


@pytest.mark.parametrize("path", ["/v1/models", "/v1/responses/x", "/v1/chat/completions", "/v1/messages/more"])
def test_the_gateways_own_paths_stay_its_own(path: str) -> None:
    with pytest.raises(ConfigError, match="among the gateway's own paths"):
        collect(spec(path=path))


@pytest.mark.parametrize(
    ("name", "path"),
    [("Plain", "/v1/plain"), ("", "/v1/plain"), ("plain", "/plain"), ("plain", "/v1/"), ("plain", "/v1/{id}")],
)
def test_names_and_paths_are_plain(name: str, path: str) -> None:
    with pytest.raises(ValueError, match="not '"):
        spec(name, path)


def test_no_plugin_offers_one_twice() -> None:
    with pytest.raises(ConfigError, match="twice"):
        collect(spec(), spec(path="/v1/other"))
    with pytest.raises(ConfigError, match="twice"):
        collect(spec(), spec("other"))


@pytest.mark.parametrize("other", [added(plugin="theirs", path=None), added("other", plugin="theirs")])
def test_no_two_plugins_offer_one(other: AddedFormat) -> None:
    with pytest.raises(Conflict, match="'theirs'"):
        refuse_same(collect(spec()), [other])
