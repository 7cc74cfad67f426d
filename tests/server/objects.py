"""The admin API over a store of its own, without a gateway around it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote

from sqlalchemy import delete

from jackfield.clock import SystemClock
from jackfield.control import access, people
from jackfield.control.credentials import Credentials
from jackfield.control.directory import Directory
from jackfield.control.objects import ControlObjects
from jackfield.host.host import Host
from jackfield.sdk.tools import ToolSpec
from jackfield.server.admin.api import AdminApi
from jackfield.server.admin.services import AdminServices
from jackfield.services.tool_table import ToolDirectory, ToolTable
from jackfield.stores.audit import AuditLog
from jackfield.stores.database import Database
from jackfield.stores.kv import KeyValueStore
from jackfield.stores.tables import audit

SECRET = b"a secret of the tests, long enough"
NOTHING = cast(Any, None)


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def refused(self, status: int, code: str, param: str | None = None) -> str:
        """Checks that it is a refused change, and gives its message."""
        assert self.status == status, self.body
        told = self.json
        assert (told["error"]["code"], told["error"]["param"]) == (code, param)
        assert told.get("changed") is False
        return str(told["error"]["message"])


class FakeHost:
    """A world in which one plugin offers tools."""

    def __init__(self) -> None:
        self.table = ToolTable("weather", "Weather")
        self.snapshot = SimpleNamespace(tools=ToolDirectory([self.table]), generation=1)

    async def follow(self) -> None: ...

    def offer(self, name: str, **spec: Any) -> None:
        async def handle(arguments: dict[str, Any], context: object) -> None: ...

        self.table.register(ToolSpec(name=name, **spec), handle)


class AdminOfObjects:
    """`access` and `people` are what follows; `audit` tells what was changed by whom."""

    def __init__(self, database: Database) -> None:
        clock = SystemClock()
        self.access = access.ToolAccess()
        self.people = people.People(KeyValueStore(database, clock), clock)
        self.audit = AuditLog(database)
        self.directory = Directory(database, SECRET, clock, followers=(self.access, self.people))
        self.credentials = Credentials(database, SECRET, clock)
        self.host = FakeHost()
        self.objects = ControlObjects(database, clock, {**access.BODIES, **people.BODIES})
        self.database = database
        self._app = AdminApi(self._services(), 1024 * 1024)
        self.actor, self._key = "", ""

    def _services(self) -> AdminServices:
        return AdminServices(
            directory=self.directory,
            credentials=self.credentials,
            usage=NOTHING,
            traces=NOTHING,
            audit=self.audit,
            host=cast(Host, self.host),
            installer=NOTHING,
            flush=NOTHING,
            flush_traces=NOTHING,
            generations=NOTHING,
            objects=self.objects,
            memories=NOTHING,
        )

    async def prepare(self) -> None:
        issued = await self.credentials.create(role="admin", actor="test")
        self.actor, self._key = issued.credential.id, issued.text
        await self.directory.refresh()

    async def clear(self) -> None:
        """As it was after `prepare`: a database and an API take longer to make than a test to run."""
        for kind in (*access.BODIES, *people.BODIES):
            for stored in await self.objects.stored.list(kind):
                await self.objects.delete(kind, stored.id, actor="test")
        await self.directory.refresh()
        async with self.database.writing() as transaction:
            await transaction.execute(delete(audit))
        self.host.table.clear()

    async def get(self, path: str) -> Answer:
        return await self.call("GET", path)

    async def post(self, path: str, body: Any) -> Answer:
        return await self.call("POST", path, body)

    async def put(self, path: str, body: Any, if_match: str | None = None) -> Answer:
        return await self.call("PUT", path, body, if_match)

    async def delete(self, path: str, if_match: str | None = None) -> Answer:
        return await self.call("DELETE", path, if_match=if_match)

    async def call(self, method: str, path: str, body: Any = None, if_match: str | None = None) -> Answer:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = [(b"authorization", f"Bearer {self._key}".encode())]
        headers += [] if if_match is None else [(b"if-match", if_match.encode())]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(_scope(method, path, headers), receive, send)
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:]))


def _scope(method: str, path: str, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


@asynccontextmanager
async def admin_of_objects(folder: Path) -> AsyncIterator[AdminOfObjects]:
    database = await Database.open("sqlite", folder)
    try:
        admin = AdminOfObjects(database)
        await admin.prepare()
        yield admin
    finally:
        await database.dispose()
