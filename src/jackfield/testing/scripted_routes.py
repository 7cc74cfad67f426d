"""Routes to scripted upstreams, or to the plugin on trial where that is a provider itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

from jackfield.breaker import Breaker
from jackfield.host.routes import Routes, UpstreamLink
from jackfield.plugins.anthropic import Anthropic
from jackfield.plugins.openai import OpenAI
from jackfield.sdk.context import Candidate
from jackfield.sdk.plugin import Plugin, PluginConfig
from jackfield.sdk.providers import PROVIDERS, HttpProvider, Provider, Upstream
from jackfield.testing.asked import Api
from jackfield.testing.scripted import Script, ScriptedClient, Sent
from jackfield.transport.client import HttpClient
from jackfield.transport.messages import Deadlines
from jackfield.wire import format_named
from jackfield.wire.base import Operation, WireFormat

BASE_URL = "http://upstream.example"
SECRET = "upstream-secret"  # noqa: S105 - scripted upstreams ask for none

_PROVIDERS: Mapping[str, Any] = {
    "openai": OpenAI("openai", PluginConfig()),
    "anthropic": Anthropic("anthropic", PluginConfig()),
}


class AnyModel(Routes):
    """Routes on which every model is one that all upstreams serve."""

    __slots__ = ()

    def candidates(self, model: str, operation: Operation) -> tuple[Candidate, ...]:
        links = [link for link in self.links.values() if operation in link.operations]
        if not links:
            return super().candidates(model, operation)
        return tuple(
            Candidate(upstream=link.name, model=model, provider=link.provider_id, priority=link.priority)
            for link in links
        )

    def check(self, model: str) -> None:
        """There is every model."""


def route_to(
    api: Api,
    plugin: Plugin[Any],
    breakers: Mapping[str, Breaker],
    models: Collection[str] | None,
    operation: Operation,
    script: Script | None,
    sent: list[Sent],
) -> Routes:
    """The routes of one exchange, whose upstreams note in `sent` what they are asked."""
    provider: Provider = plugin if isinstance(plugin, PROVIDERS) else _PROVIDERS[api]
    told = (provider, models or (), operation, script, sent)
    links = [_link(name, breaker, *told) for name, breaker in breakers.items()]
    return AnyModel(links) if models is None else Routes(links)


def _link(
    name: str,
    breaker: Breaker,
    provider: Provider,
    models: Iterable[str],
    operation: Operation,
    script: Script | None,
    sent: list[Sent],
) -> UpstreamLink:
    return UpstreamLink(
        Upstream(name=name, base_url=BASE_URL),
        getattr(provider, "id", name),
        provider,
        models={model: model for model in models},
        client=cast(HttpClient, ScriptedClient(name, _format_of(provider, operation), script, sent)),
        deadlines=Deadlines(),
        breaker=breaker,
        credential=SECRET,
        max_retries=0,
    )


def _format_of(provider: Provider, operation: Operation) -> WireFormat:
    """What the upstream speaks; for a provider in process, whose upstream is never asked, any."""
    formats = provider.formats if isinstance(provider, HttpProvider) else {}
    return format_named(formats.get(operation, "openai_chat"))
