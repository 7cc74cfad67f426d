"""Work that runs later, or again and again."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from jackfield.sdk.marks import marked_members

TaskHandler = Callable[[], Awaitable[Any]]


class ScheduledTask(msgspec.Struct, frozen=True, kw_only=True):
    """`schedule` is as it was given: seconds between runs, or five fields of cron."""

    id: str
    name: str
    schedule: float | str
    timezone: str = "UTC"
    last_run: datetime | None = None
    next_run: datetime | None = None
    runs: int = 0
    last_error: str | None = None


class Scheduler(Protocol):
    """Scheduling and cancelling need `scheduler:write`, listing `scheduler:read`. What lacks raises `NotGranted`.

    A task is known by its name: to schedule a name again replaces it. It runs while its plugin serves, never twice at
    the same time, and where several gateways or workers share a store, once among them.
    """

    async def schedule(
        self, name: str, when: float | str, handler: TaskHandler, *, timezone: str = "UTC", once: bool = False
    ) -> str:
        """The task's id. `when` is seconds (at least 1) between the end of one run and the next, or five fields of cron
        in `timezone`; with `once` the first run is the only one. After a run that raised the seconds are doubled, again
        after each further one, up to 300. Raises `ValueError` naming what is wrong."""

    async def cancel(self, task: str) -> bool:
        """Whether there was such a task. A run that is under way ends by itself."""

    async def list(self) -> tuple[ScheduledTask, ...]: ...


def _is_async(method: object) -> bool:
    return inspect.iscoroutinefunction(method)


F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
_MARK = "__jackfield_task__"


def task(*, every_s: float | None = None, cron: str | None = None, timezone: str = "UTC") -> Callable[[F], F]:
    """Marks a method as a task that runs while the plugin serves: every so many seconds, or by five fields of cron."""
    if (every_s is None) == (cron is None):
        raise TypeError("@task: give either every_s or cron")

    def mark(method: F) -> F:
        if not _is_async(method):
            raise TypeError(f"@task: {method.__qualname__} must be `async def`")
        setattr(method, _MARK, (every_s if every_s is not None else cron, timezone))
        return method

    return mark


def tasks_of(plugin: object) -> tuple[tuple[str, float | str, str, TaskHandler], ...]:
    """The marked methods of an instance: name, when, time zone, and the method itself."""
    marked = marked_members(type(plugin), _MARK)
    return tuple((name, *getattr(method, _MARK), getattr(plugin, name)) for name, method in marked)
