"""What there is to be granted to plugins, made of what the gateway has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import msgspec

from jackfield.clock import Clock
from jackfield.control.accounts.accounts import Accounts
from jackfield.control.people import People
from jackfield.hooks.guard import PluginStats
from jackfield.host.host import Host
from jackfield.host.plugin import LoadedPlugin
from jackfield.mcp.mounts import CONNECT, make_mounts
from jackfield.mcp.servers import McpServers
from jackfield.services.allowance import Allowance
from jackfield.services.credentials import USE, PluginCredentials
from jackfield.services.events import EventBus, GrantedEvents, PluginEvents
from jackfield.services.grants import Grant, Offer
from jackfield.services.http import OUTBOUND, PluginHttp
from jackfield.services.kv import STORAGE, PluginStorage
from jackfield.services.memory import MEMORY, PluginMemories, Recollection
from jackfield.services.scheduler import GrantedScheduler, PluginScheduler
from jackfield.services.secrets import Secrets
from jackfield.services.tool_gate import ToolGate
from jackfield.services.tool_table import ToolDirectory
from jackfield.services.tools import EXECUTE, REGISTER, PluginTools
from jackfield.services.usage import READ as READ_USAGE
from jackfield.services.usage import Books, PluginLedger
from jackfield.services.users import READ as READ_USERS
from jackfield.services.users import PluginUsers
from jackfield.stores.kv_base import KeyValues
from jackfield.stores.leases import Leases
from jackfield.transport import HttpClient


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What all plugins' services are made of."""

    kv: KeyValues
    egress: HttpClient
    secrets: Secrets
    bus: EventBus
    leases: Leases
    recollection: Recollection
    people: People
    gate: ToolGate
    servers: McpServers
    world: World
    accounts: Accounts
    lent: Mapping[str, tuple[str, ...]]
    books: Books
    clock: Clock


class World:
    """The plugins that serve now, for what is made before any does: plugins that are loaded first use it, too."""

    host: Host

    def stats_of(self, plugin: str) -> PluginStats | None:
        found = self.host.snapshot.plugins.get(plugin) if self.host.has_begun else None
        return found.guard.stats if found is not None else None

    def plugins(self) -> tuple[LoadedPlugin, ...]:
        return tuple(self.host.snapshot.plugins.values()) if self.host.has_begun else ()

    @contextmanager
    def tools(self) -> Iterator[ToolDirectory]:
        """Those of now; their plugins stay loaded while they are used."""
        if not self.host.has_begun:
            yield ToolDirectory()
            return
        snapshot = self.host.snapshot
        snapshot.pins += 1
        try:
            yield snapshot.tools
        finally:
            snapshot.unpin()


def make_offers(shared: Shared) -> Mapping[str, Offer]:
    return {
        "kv": Offer(STORAGE, lambda grant: PluginStorage(_for_storage(grant), shared.kv)),
        "http": Offer(frozenset({OUTBOUND}), partial(_http, shared)),
        "events": Offer(frozenset({"events:subscribe", "events:emit"}), partial(_events, shared)),
        "scheduler": Offer(frozenset({"scheduler:read", "scheduler:write"}), partial(_scheduler, shared)),
        "memory": Offer(MEMORY, lambda grant: PluginMemories(grant.allowance, shared.recollection)),
        "users": Offer(frozenset({READ_USERS}), lambda grant: PluginUsers(grant.allowance, shared.people)),
        "tools": Offer(frozenset({REGISTER, EXECUTE}), partial(_tools, shared)),
        "usage": Offer(frozenset({READ_USAGE}), lambda grant: PluginLedger(grant.allowance, shared.books)),
        "credentials": Offer(frozenset({USE}), partial(_credentials, shared)),
        "mcp": Offer(frozenset({CONNECT}), partial(make_mounts, shared.servers)),
    }


def _for_storage(grant: Grant) -> Allowance:
    """What comes with Jackfield uses it sparingly, and more often the more workers there are: their share of a limit
    would not be enough."""
    return grant.allowance.uncounted() if grant.asker.built_in else grant.allowance


def _http(shared: Shared, grant: Grant) -> PluginHttp:
    asker = grant.asker
    return PluginHttp(grant.allowance, shared.egress, shared.secrets, asker.http_hosts, agent=asker.agent)


def _credentials(shared: Shared, grant: Grant) -> PluginCredentials:
    return PluginCredentials(grant.allowance, shared.accounts, shared.lent)


def _events(shared: Shared, grant: Grant) -> GrantedEvents:
    events = PluginEvents(grant.allowance, shared.bus)
    grant.parts.append(events)
    return GrantedEvents(events)


def _scheduler(shared: Shared, grant: Grant) -> GrantedScheduler:
    scheduler = PluginScheduler(grant.allowance, shared.leases, shared.bus, shared.clock, shared.world.stats_of)
    grant.parts.append(scheduler)
    return GrantedScheduler(scheduler)


def _tools(shared: Shared, grant: Grant) -> PluginTools:
    return PluginTools(grant.allowance, grant.tools, shared.gate, shared.world.tools)
