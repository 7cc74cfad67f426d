"""Services that do what their protocols say, in memory: what a plugin asked of them can be looked at, and what happens
around it is told by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from jackfield.errors import EgressRefused
from jackfield.sdk.caller import Caller, acting_for
from jackfield.sdk.events import Event, EventHandler
from jackfield.sdk.http import HttpResponse
from jackfield.sdk.memory import Memory, MemoryType
from jackfield.sdk.scheduler import ScheduledTask, TaskHandler
from jackfield.sdk.users import User
from jackfield.services.allowance import Allowance
from jackfield.services.grants import Offer

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


class Bus:
    """All plugins' subscriptions; events are told when a test says so."""

    def __init__(self) -> None:
        self.handlers: list[tuple[str, str, EventHandler]] = []
        self.emitted: list[Event] = []

    async def tell(
        self, type_: str, data: Mapping[str, Any], *, source: str = "system", caller: Caller | None = None
    ) -> list[Any]:
        """What the handlers answer, one after the other."""
        event = Event(type=type_, data=data, source=source, at=NOON)
        with acting_for(caller):
            return [await handler(event) for _, wanted, handler in [*self.handlers] if wanted == type_]


class FakeEvents:
    def __init__(self, allowance: Allowance, bus: Bus) -> None:
        self._allowance, self._bus = allowance, bus

    def on(self, type: str, handler: EventHandler) -> None:  # noqa: A002
        self._allowance.check("events:subscribe")
        self._bus.handlers.append((self._allowance.plugin, type, handler))

    def off(self, type: str, handler: EventHandler) -> None:  # noqa: A002
        self._bus.handlers.remove((self._allowance.plugin, type, handler))

    def emit(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002
        self._allowance.take("events:emit")
        self._bus.emitted.append(Event(type=type, data=data, source=self._allowance.plugin, at=NOON))


class FakeHttp:
    """`answers` by URL; what is not among them may not be reached."""

    def __init__(self, allowance: Allowance, answers: Mapping[str, HttpResponse], asked: list[dict[str, Any]]) -> None:
        self._allowance, self._answers, self._asked = allowance, answers, asked

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        timeout_s: float = 10.0,
    ) -> HttpResponse:
        self._allowance.take("http:outbound")
        self._asked.append({"method": method, "url": url, "headers": headers, "body": body, "timeout_s": timeout_s})
        if url not in self._answers:
            raise EgressRefused(f"{url} may not be reached", sent=False)
        return self._answers[url]

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        return await self.request("GET", url, headers=headers)

    async def post(self, url: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        return await self.request("POST", url, body=body, headers=headers)


def json_answer(url: str, body: bytes, *, status: int = 200, kind: str = "application/json") -> HttpResponse:
    headers = {"content-type": kind}
    return HttpResponse(status=status, reason="OK", headers=headers, body=body, url=url)


class Agenda:
    """All plugins' tasks by id; they run when a test says so."""

    def __init__(self) -> None:
        self.tasks: dict[str, tuple[ScheduledTask, TaskHandler]] = {}

    def when(self, name: str) -> float | str:
        return next(task.schedule for task, _ in self.tasks.values() if task.name == name)

    async def run(self, name: str) -> None:
        (handler,) = [handler for task, handler in self.tasks.values() if task.name == name]
        await handler()


class FakeScheduler:
    def __init__(self, allowance: Allowance, agenda: Agenda) -> None:
        self._allowance, self._agenda = allowance, agenda

    async def schedule(
        self, name: str, when: float | str, handler: TaskHandler, *, timezone: str = "UTC", once: bool = False
    ) -> str:
        self._allowance.take("scheduler:write")
        if isinstance(when, str) and len(when.split()) != 5:
            raise ValueError(f"{when!r} is no cron expression of five fields")
        task = f"{self._allowance.plugin}:{name}"
        self._agenda.tasks[task] = (ScheduledTask(id=task, name=name, schedule=when, next_run=NOON), handler)
        return task

    async def cancel(self, task: str) -> bool:
        self._allowance.take("scheduler:write")
        return self._agenda.tasks.pop(task, None) is not None

    async def list(self) -> tuple[ScheduledTask, ...]:
        self._allowance.take("scheduler:read")
        own = f"{self._allowance.plugin}:"
        return tuple(task for key, (task, _) in self._agenda.tasks.items() if key.startswith(own))


class FakeMemories:
    def __init__(self, allowance: Allowance, kept: list[tuple[str, Memory]]) -> None:
        self._allowance, self._kept = allowance, kept

    async def search(self, query: str, user: str, limit: int = 10) -> tuple[Memory, ...]:
        self._allowance.check_user(user)
        self._allowance.take("memory:read")
        return tuple(memory for owner, memory in self._kept if owner == user and query in memory.content)[:limit]

    async def create(self, user: str, content: str, type: MemoryType, importance: int = 5) -> str:  # noqa: A002
        self._allowance.check_user(user)
        self._allowance.take("memory:write")
        found = Memory(
            id=f"mem_{len(self._kept)}",
            content=content,
            type=type,
            importance=importance,
            similarity=0.75,
            created_at=NOON,
        )
        self._kept.append((user, found))
        return found.id


class FakeUsers:
    def __init__(self, allowance: Allowance, known: Mapping[str, User], preferences: Mapping[str, Any]) -> None:
        self._allowance, self._known, self._preferences = allowance, known, preferences

    async def get(self, user: str) -> User | None:
        self._allowance.check_user(user)
        self._allowance.take("users:read")
        return self._known.get(user)

    async def preferences(self, user: str) -> Mapping[str, Any]:
        self._allowance.check_user(user)
        self._allowance.take("users:read")
        return self._preferences if user in self._known else {}


class FakeServices:
    """`answers` are what the internet says by URL, `asked` what it was asked; `bus`, `agenda`, `memories` (with whose
    they are), `users` and `preferences` are what the services of their names work on."""

    def __init__(self) -> None:
        self.bus, self.agenda = Bus(), Agenda()
        self.answers: dict[str, HttpResponse] = {}
        self.asked: list[dict[str, Any]] = []
        self.memories: list[tuple[str, Memory]] = []
        self.users: dict[str, User] = {"alice": User(id="alice", name="Alice", created_at=NOON)}
        self.preferences: dict[str, Any] = {"language": "en"}

    def offers(self) -> dict[str, Offer]:
        def offer(make: Callable[..., Any], *permissions: str, of: tuple[Any, ...]) -> Offer:
            return Offer(frozenset(permissions), lambda grant: make(grant.allowance, *of))

        return {
            "http": offer(FakeHttp, "http:outbound", of=(self.answers, self.asked)),
            "events": offer(FakeEvents, "events:subscribe", "events:emit", of=(self.bus,)),
            "scheduler": offer(FakeScheduler, "scheduler:read", "scheduler:write", of=(self.agenda,)),
            "memory": offer(FakeMemories, "memory:read", "memory:write", of=(self.memories,)),
            "users": offer(FakeUsers, "users:read", of=(self.users, self.preferences)),
        }
