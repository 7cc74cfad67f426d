"""From the configured upstreams and the running providers to routes."""

from __future__ import annotations

import difflib
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from jackfield.breaker import Breaker
from jackfield.clock import Clock
from jackfield.errors import ConfigError
from jackfield.host.routes import Routes, UpstreamLink
from jackfield.sdk.plugin import Plugin
from jackfield.sdk.providers import PROVIDERS, Provider, Upstream
from jackfield.settings import Upstream as UpstreamSettings
from jackfield.transport.check import EgressPolicy
from jackfield.transport.client import HttpClient, Stats
from jackfield.transport.messages import Deadlines

log = structlog.get_logger("jackfield.upstreams")


class Links:
    """Owns what outlives a snapshot: connections and breakers."""

    def __init__(self, upstreams: tuple[UpstreamSettings, ...], clock: Clock) -> None:
        self._upstreams = upstreams
        self._clients: dict[Path | None, HttpClient] = {}
        self.breakers = {upstream.name: Breaker(clock.monotonic) for upstream in upstreams}

    def routes(self, plugins: Mapping[str, Plugin[Any]], failed: frozenset[str]) -> Routes:
        """Raises `ConfigError` where an upstream names a provider that does not exist; one that failed to load leaves
        only its own upstreams out."""
        links: list[UpstreamLink] = []
        without_provider: list[str] = []
        for upstream in self._upstreams:
            provider = plugins.get(upstream.provider)
            if isinstance(provider, PROVIDERS):
                links.append(self._link(upstream, provider))
            elif upstream.provider in failed:
                log.error("upstream_without_provider", upstream=upstream.name, provider=upstream.provider)
                without_provider += upstream.models
            else:
                raise _unknown_provider(upstream, plugins)
        return Routes(links, without_provider)

    def stats(self) -> list[Stats]:
        return [client.stats() for client in self._clients.values()]

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    def _link(self, upstream: UpstreamSettings, provider: Provider) -> UpstreamLink:
        return UpstreamLink(
            Upstream(name=upstream.name, base_url=upstream.base_url or "", options=upstream.options),
            upstream.provider,
            provider,
            models=upstream.models,
            client=self._client(upstream),
            deadlines=Deadlines(
                connect_s=upstream.connect_s,
                first_byte_s=min(upstream.first_byte_s, upstream.timeout_s),
                idle_s=upstream.idle_s,
                whole_s=upstream.timeout_s,
            ),
            breaker=self.breakers[upstream.name],
            credential=upstream.api_key.reveal() if upstream.api_key else None,
            headers=tuple(
                (name.lower().encode("latin-1"), value.reveal().encode("latin-1"))
                for name, value in upstream.header_values
            ),
            weight=upstream.weight,
            priority=upstream.priority,
            max_retries=upstream.max_retries,
        )

    def _client(self, upstream: UpstreamSettings) -> HttpClient:
        """One client, and so one pool, for all upstreams that trust the same authorities."""
        ca_file = upstream.tls_ca_file
        if ca_file not in self._clients:
            try:
                tls = ssl.create_default_context(cafile=str(ca_file)) if ca_file else None
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(
                    f"cannot be used: {error}",
                    file=str(ca_file),
                    field=f"upstream {upstream.name}.tls_ca_file",
                ) from error
            self._clients[ca_file] = HttpClient(policy=EgressPolicy.anywhere(), tls=tls)
        return self._clients[ca_file]


def _unknown_provider(upstream: UpstreamSettings, plugins: Mapping[str, Plugin[Any]]) -> ConfigError:
    providers = [plugin_id for plugin_id, plugin in plugins.items() if isinstance(plugin, PROVIDERS)]
    close = difflib.get_close_matches(upstream.provider, providers, n=1)
    hint = f"; the nearest is {close[0]!r}" if close else f"; there are {', '.join(sorted(providers))}"
    return ConfigError(f"there is no provider {upstream.provider!r}{hint}", field=f"upstream {upstream.name}.provider")
