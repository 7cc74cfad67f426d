"""Accounts over a store, a clock that the test sets and a real OAuth server: what the gateway is made of, by hand."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.control.conftest import SetClock
from tests.oauth_server import CLIENT, OAuthServer

from jackfield.control.accounts.accounts import Accounts, AccountView
from jackfield.control.accounts.book import AccountBook
from jackfield.control.accounts.declared import Declared, SignIns
from jackfield.control.accounts.desk import Desk
from jackfield.control.accounts.endpoints import Endpoints
from jackfield.control.accounts.pending import PendingSignIns
from jackfield.control.accounts.renewal import Renewal
from jackfield.control.accounts.rows import AccountRows
from jackfield.control.accounts.sealing import Sealer
from jackfield.sdk.sign_in import SignIn
from jackfield.stores.database import Database
from jackfield.stores.leases import Leases
from jackfield.transport import Deadlines, EgressPolicy, HttpClient, OutgoingRequest

KEY = b"a key of the tests that is long enough for accounts"
PUBLIC_URL = "http://gateway.test"
BACK = "http://127.0.0.1:7777/callback"
DEADLINES = Deadlines(connect_s=5, first_byte_s=10, whole_s=10)


class Worker:
    """One of the workers that share a store."""

    def __init__(self, stack: AsyncExitStack, database: Database, clock: SetClock, declared: list[Declared]) -> None:
        self.client = HttpClient(policy=EgressPolicy.anywhere())
        stack.push_async_callback(self.client.aclose)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.declared = declared
        endpoints = Endpoints(self.client, self.client)
        self.book = AccountBook(AccountRows(database), lambda: Sealer(KEY), clock)
        sign_ins = SignIns({}, lambda: [(one.owner, (one.sign_in,)) for one in self.declared])
        self.pending = PendingSignIns(database, Sealer(KEY))
        self.renewal = Renewal(self.book, endpoints, Leases(database), clock, self._hear)
        self.accounts = Accounts(sign_ins, self.book, self.renewal, endpoints, clock, shared=True)
        stack.push_async_callback(self.accounts.aclose)
        self.desk = Desk(self.accounts, lambda: self.pending, endpoints, clock, self._hear, PUBLIC_URL)

    def _hear(self, type_: str, data: Any) -> None:
        self.told.append((type_, dict(data)))

    @property
    def heard(self) -> list[str]:
        return [type_ for type_, _ in self.told]

    async def get(self, url: str) -> str:
        """Where an address leads to."""
        answer = await self.client.send(OutgoingRequest("GET", url), DEADLINES)
        await answer.read()
        return (answer.header(b"location") or b"").decode()


class House(Worker):
    """The first worker, and the world around it."""

    def __init__(self, stack: AsyncExitStack, database: Database, clock: SetClock, server: OAuthServer) -> None:
        self.server, self.clock, self.database, self._stack = server, clock, database, stack
        super().__init__(stack, database, clock, [declare(server)])

    async def hire(self) -> Worker:
        """Another worker on the same store."""
        worker = Worker(self._stack, self.database, self.clock, self.declared)
        await worker.book.load()
        return worker

    async def consent(self, url: str) -> dict[str, str]:
        """The user says yes, in a browser: what the provider sends back."""
        back = await self.get(url)
        return {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}

    async def sign_in(self, user: str = "anna", label: str | None = None, name: str = "acme") -> AccountView:
        self.server.user = user
        begun = await self.desk.begin(name, "loopback", actor="operator", label=label, redirect_url=BACK)
        sent = await self.consent(begun.url)
        return await self.desk.finish(
            name, state=sent["state"], session=begun.session, code=sent["code"], redirect_url=BACK
        )

    async def allow(self, user_code: str, *, allowed: bool = True) -> None:
        self.server.granted[user_code] = ("anna", allowed)

    def access(self, value: str) -> str:
        return value.removeprefix("Bearer ")


def declare(server: OAuthServer, name: str = "acme", owner: str = "the_plugin", **more: Any) -> Declared:
    return Declared(sign_in=SignIn(name=name, **server.sign_in(**more)), owner=owner)


def authorize(server: OAuthServer, **fields: str) -> str:
    return f"{server.url}/authorize?{urlencode({'client_id': CLIENT, 'response_type': 'code'} | fields)}"
