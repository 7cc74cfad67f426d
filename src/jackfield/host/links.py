"""From the configured upstreams and the running providers to routes."""

from __future__ import annotations

import difflib
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from jackfield.breaker import Breaker
from jackfield.clock import Clock
from jackfield.control.accounts.accounts import Accounts, AccountUse
from jackfield.errors import ConfigError
from jackfield.host.formats import NO_FORMATS, Formats
from jackfield.host.routes import Routes, UpstreamLink
from jackfield.sdk.plugin import Plugin
from jackfield.sdk.providers import PROVIDERS, HttpProvider, LiveProvider, Provider, Upstream
from jackfield.sdk.sign_in import sign_ins_of
from jackfield.settings import Upstream as UpstreamSettings
from jackfield.transport.check import EgressPolicy
from jackfield.transport.client import HttpClient, Stats
from jackfield.transport.messages import Deadlines, Limits
from jackfield.wire import FORMATS

# Upstreams that the operator has configured come before those that come with a provider.
IMPLICIT_PRIORITY = 100
# What a provider's service may answer with.
LIVE_LIMITS = Limits(max_body_bytes=16 * 1024 * 1024)
LIVE_CONNECT_S = 5.0

log = structlog.get_logger("jackfield.upstreams")


class Links:
    """Owns what outlives a snapshot: connections and breakers."""

    def __init__(
        self,
        upstreams: tuple[UpstreamSettings, ...],
        clock: Clock,
        accounts: Callable[[], Accounts] | None = None,
    ) -> None:
        """`accounts` are asked for when an upstream uses one."""
        self._upstreams, self._clock, self._accounts = upstreams, clock, accounts
        self._clients: dict[Path | Limits | None, HttpClient] = {}
        self.breakers = {upstream.name: Breaker(clock.monotonic) for upstream in upstreams}

    def routes(
        self, plugins: Mapping[str, Plugin[Any]], failed: frozenset[str], formats: Formats = NO_FORMATS
    ) -> Routes:
        """Raises `ConfigError` where an upstream names a provider, or a wire format, that does not exist; a plugin that
        failed to load leaves only its own upstreams out."""
        called = _by_name(plugins)
        links: list[UpstreamLink] = []
        without_provider: list[str] = []
        for upstream in self._upstreams:
            plugin_id = called.get(upstream.provider, upstream.provider)
            provider = plugins.get(plugin_id)
            if failed and _lacks_format(upstream, formats):
                log.error("upstream_without_format", upstream=upstream.name, format=upstream.format)
                without_provider += upstream.models
            elif isinstance(provider, PROVIDERS):
                self._check_account(upstream, provider, plugins, failed)
                links.append(self._link(upstream, plugin_id, provider, formats))
            elif upstream.provider in failed:
                log.error("upstream_without_provider", upstream=upstream.name, provider=upstream.provider)
                without_provider += upstream.models
            else:
                raise _unknown_provider(upstream, plugins)
        links += self._implicit_links(plugins, links)
        return Routes(links, without_provider)

    def _implicit_links(self, plugins: Mapping[str, Plugin[Any]], links: list[UpstreamLink]) -> list[UpstreamLink]:
        """An upstream for each provider that knows its own models and that no configured upstream names."""
        used, names = {link.provider_id for link in links}, {link.name for link in links}
        return [
            self._implicit_link(plugin_id if plugin_id not in names else f"{plugin_id}@provider", plugin_id, plugin)
            for plugin_id, plugin in plugins.items()
            if isinstance(plugin, LiveProvider) and isinstance(plugin, PROVIDERS) and plugin_id not in used
        ]

    def stats(self) -> list[Stats]:
        return [client.stats() for client in self._clients.values()]

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    def _implicit_link(self, name: str, plugin_id: str, provider: Any) -> UpstreamLink:
        patience_s = provider.patience_s()
        return UpstreamLink(
            Upstream(name=name),
            plugin_id,
            provider,
            models=None,
            client=self._live_client(),
            deadlines=Deadlines(LIVE_CONNECT_S, patience_s, patience_s),
            breaker=self.breakers.setdefault(name, Breaker(self._clock.monotonic)),
            priority=IMPLICIT_PRIORITY,
        )

    def _link(self, upstream: UpstreamSettings, plugin_id: str, provider: Provider, formats: Formats) -> UpstreamLink:
        own_authorities = upstream.tls_ca_file is not None
        is_live = isinstance(provider, LiveProvider) and not own_authorities
        return UpstreamLink(
            Upstream(name=upstream.name, base_url=upstream.base_url or "", options=upstream.options),
            plugin_id,
            provider,
            models=upstream.models,
            client=self._live_client() if is_live else self._client(upstream),
            deadlines=Deadlines(
                connect_s=upstream.connect_s,
                first_byte_s=min(upstream.first_byte_s, upstream.timeout_s),
                idle_s=upstream.idle_s,
                whole_s=upstream.timeout_s,
            ),
            breaker=self.breakers[upstream.name],
            credential=upstream.api_key.reveal() if upstream.api_key else None,
            account=self._account(upstream),
            headers=tuple(
                (name.lower().encode("latin-1"), value.reveal().encode("latin-1"))
                for name, value in upstream.header_values
            ),
            weight=upstream.weight,
            priority=upstream.priority,
            max_retries=upstream.max_retries,
            formats=formats,
            only=upstream.format,
        )

    def _account(self, upstream: UpstreamSettings) -> AccountUse | None:
        if upstream.account is None or self._accounts is None:
            return None
        return AccountUse(self._accounts(), upstream.account)

    def _check_account(
        self, upstream: UpstreamSettings, provider: Provider, plugins: Mapping[str, Plugin[Any]], failed: frozenset[str]
    ) -> None:
        """That of a plugin which does not run is missing for now: requests are told so."""
        if upstream.account is None:
            return
        field = f"upstream {upstream.name}.account"
        if self._accounts is None or not isinstance(provider, HttpProvider):
            raise ConfigError(f"provider {upstream.provider} does not ask over HTTP, and needs no account", field=field)
        name = upstream.account.partition("/")[0]
        of_plugins = (one.name for plugin in plugins.values() for one in sign_ins_of(plugin))
        known = {*self._accounts().sign_ins.own, *of_plugins}
        if name in known:
            return
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; the nearest is {close[0]!r}" if close else ""
        if not failed:
            raise ConfigError(f"there is no sign-in {name!r}{hint}", field=field)
        log.error("upstream_without_sign_in", upstream=upstream.name, sign_in=name, hint=hint.removeprefix("; "))

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

    def _live_client(self) -> HttpClient:
        if LIVE_LIMITS not in self._clients:
            self._clients[LIVE_LIMITS] = HttpClient(policy=EgressPolicy.anywhere(), limits=LIVE_LIMITS)
        return self._clients[LIVE_LIMITS]


def _lacks_format(upstream: UpstreamSettings, formats: Formats) -> bool:
    return upstream.format is not None and upstream.format not in formats and upstream.format not in FORMATS.names


def _by_name(plugins: Mapping[str, Plugin[Any]]) -> dict[str, str]:
    """The plugins by the other names that they go by; an id is always its own plugin's."""
    named = [(name, plugin) for name, plugin in plugins.items() if isinstance(plugin, LiveProvider)]
    return {other: name for name, plugin in reversed(named) for other in plugin.names if other not in plugins}


def _unknown_provider(upstream: UpstreamSettings, plugins: Mapping[str, Plugin[Any]]) -> ConfigError:
    providers = [plugin_id for plugin_id, plugin in plugins.items() if isinstance(plugin, PROVIDERS)]
    close = difflib.get_close_matches(upstream.provider, providers, n=1)
    hint = f"; the nearest is {close[0]!r}" if close else f"; there are {', '.join(sorted(providers))}"
    return ConfigError(f"there is no provider {upstream.provider!r}{hint}", field=f"upstream {upstream.name}.provider")
