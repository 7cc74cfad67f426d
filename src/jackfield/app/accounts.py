"""Accounts at providers, and the desk where operators sign in with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache

import structlog

from jackfield.app.lifetime import own
from jackfield.app.offers import World
from jackfield.clock import Clock
from jackfield.control.accounts.accounts import Accounts
from jackfield.control.accounts.book import AccountBook
from jackfield.control.accounts.declared import SignIns, own_sign_ins
from jackfield.control.accounts.desk import Desk
from jackfield.control.accounts.endpoints import Endpoints
from jackfield.control.accounts.pending import PendingSignIns
from jackfield.control.accounts.renewal import OWNER, Announce, Renewal
from jackfield.control.accounts.rows import AccountRows
from jackfield.control.accounts.sealing import load_sealer
from jackfield.sdk.sign_in import SignIn, sign_ins_of
from jackfield.settings import ServerSettings, Settings
from jackfield.stores.database import Database
from jackfield.stores.leases import Leases
from jackfield.telemetry.text import describe_error
from jackfield.transport import EgressPolicy, HttpClient, Limits

log = structlog.get_logger("jackfield.accounts")

# Of tokens and errors there is no need for more.
LARGEST_ANSWER = 1024 * 1024
EVERYWHERE: Mapping[str, str] = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "*": "127.0.0.1"}  # noqa: S104 - never bound


class OpenAccounts:
    """`shared` is whether other workers use the same store, `world` knows the plugins that serve now."""

    accounts: Accounts
    desk: Desk

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        database: Database,
        clock: Clock,
        world: World,
        *,
        shared: bool,
    ) -> None:
        self._settings, self._environ, self._database, self._clock = settings, environ, database, clock
        self._world, self._shared = world, shared
        self._unlisted: set[str] = set()

    @asynccontextmanager
    async def open(self, public: HttpClient, leases: Leases, announce: Announce) -> AsyncIterator[OpenAccounts]:
        """`public` is for the addresses that plugins declare."""
        settings, clock = self._settings, self._clock
        sealer = cache(lambda: load_sealer(settings.store.data_dir, self._environ))
        async with AsyncExitStack() as stack:
            anywhere = HttpClient(policy=EgressPolicy.anywhere(), limits=Limits(max_body_bytes=LARGEST_ANSWER))
            stack.push_async_callback(anywhere.aclose)
            endpoints = Endpoints(public, anywhere)
            book = AccountBook(AccountRows(self._database), sealer, clock)
            sign_ins = SignIns(own_sign_ins(settings.sign_in), self._of_plugins)
            renewal = Renewal(book, endpoints, leases, clock, announce)
            self.accounts = Accounts(sign_ins, book, renewal, endpoints, clock, shared=self._shared)
            stack.push_async_callback(self.accounts.aclose)
            if not self._shared:
                # Who held one is gone: nobody need wait until it has fallen free.
                await leases.forget(OWNER)
            await book.load()
            if book.accounts:
                # Without a sound key the gateway does not begin; later, it goes on with what it has.
                sealer()
            self.desk = Desk(
                self.accounts,
                cache(lambda: PendingSignIns(self._database, sealer())),
                endpoints,
                clock,
                announce,
                public_url(settings),
            )
            own(stack, self.accounts.run(), "accounts")
            yield self

    def _of_plugins(self) -> Iterator[tuple[str, tuple[SignIn, ...]]]:
        for plugin in self._world.plugins():
            if plugin.instance is not None:
                yield plugin.id, self._listed_by(plugin.id, plugin.instance)

    def _listed_by(self, plugin_id: str, instance: object) -> tuple[SignIn, ...]:
        """A boundary: what one plugin lists, and did well when it was loaded, is not to stop the others' accounts."""
        try:
            return sign_ins_of(instance)
        except Exception as error:  # noqa: BLE001 - a stranger's code
            if plugin_id not in self._unlisted:
                self._unlisted.add(plugin_id)
                log.error("sign_ins_unreadable", plugin=plugin_id, error=describe_error(error))
            return ()


def public_url(settings: Settings) -> str | None:
    """Where browsers reach the gateway, never what a request says of that."""
    server: ServerSettings = settings.server
    if settings.accounts.public_url is not None:
        return settings.accounts.public_url
    if server.port == 0:
        return None
    host = EVERYWHERE.get(server.host, f"[{server.host}]" if ":" in server.host else server.host)
    return f"http://{host}:{server.port}"
