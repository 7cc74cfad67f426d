"""Tasks that run again and again, and the scheduler that they are given to."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Protocol

import structlog

__all__ = ["ScheduledTask", "TaskRegistry", "TaskScheduler", "create_managed_task"]

SHORTEST_S = 1.0
LONGEST_PAUSE_S = 300.0

log = structlog.get_logger("plugin")


class TaskFailed(Exception):
    """A run that said so itself."""


class Scheduling(Protocol):
    """The gateway's own scheduler, as far as it is needed here."""

    async def schedule(self, name: str, when: float | str, handler: Callable[[], Awaitable[Any]]) -> str: ...
    async def cancel(self, task: str) -> bool: ...


class ScheduledTask:
    """Override `run`, which answers whether it went well. By itself it begins with `start`; given to a scheduler it is
    run by that."""

    def __init__(
        self,
        name: str,
        interval_seconds: float,
        enabled: bool = True,
        max_backoff_seconds: float = LONGEST_PAUSE_S,
        **_: Any,
    ) -> None:
        self.name, self.interval_seconds, self.enabled = name, max(SHORTEST_S, interval_seconds), enabled
        self.max_backoff_seconds = max_backoff_seconds
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._last_success: float | None = None

    async def run(self) -> bool:
        raise NotImplementedError(f"{type(self).__name__}: write `async def run(self) -> bool`")

    async def setup(self) -> None: ...

    async def cleanup(self) -> None: ...

    async def start(self) -> None:
        if self.enabled and not self.is_running:
            await self.setup()
            self._task = asyncio.create_task(self._run_again_and_again(), name=f"task-{self.name}")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            await self.cleanup()

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def consecutive_failures(self) -> int:
        return self._failures

    @property
    def pause_s(self) -> float:
        """Until the next run: longer after each that failed."""
        return min(self.interval_seconds * 2.0**self._failures, max(self.interval_seconds, self.max_backoff_seconds))

    def get_status(self) -> dict[str, Any]:
        ago = None if self._last_success is None else monotonic() - self._last_success
        return {
            "name": self.name,
            "enabled": self.enabled,
            "running": self.is_running,
            "interval_seconds": self.interval_seconds,
            "consecutive_failures": self._failures,
            "last_success_ago_seconds": ago,
            "next_run_in_seconds": self.pause_s if self.is_running else None,
        }

    async def run_once(self) -> None:
        """Raises `TaskFailed`, and whatever the run raises."""
        try:
            answer = await self.run()
        except BaseException:
            self._failures += 1
            raise
        if answer is False:
            self._failures += 1
            raise TaskFailed(f"the run of {self.name} answered False")
        self._failures, self._last_success = 0, monotonic()

    async def _run_again_and_again(self) -> None:
        while True:
            try:
                await self.run_once()
            except Exception as error:  # noqa: BLE001 - a boundary: one run that fails is no reason to end
                log.warning("task_failed", task=self.name, error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(self.pause_s)


class TaskRegistry:
    """Kinds of tasks by name."""

    def __init__(self) -> None:
        self._kinds: dict[str, type[Any]] = {}

    def register(self, name: str, kind: type[Any]) -> None:
        self._kinds[name] = kind

    def unregister(self, name: str) -> None:
        self._kinds.pop(name, None)

    def has(self, name: str) -> bool:
        return name in self._kinds

    def get(self, name: str) -> type[Any]:
        """Raises `KeyError`."""
        return self._kinds[name]

    def list(self) -> list[str]:
        return sorted(self._kinds)


class TaskScheduler:
    """One plugin's: what is added here runs while the plugin serves, never twice at a time, with the gateway's
    back-off, and is listed with its last and next run."""

    def __init__(self, scheduling: Scheduling) -> None:
        self.task_registry = TaskRegistry()
        self._scheduling = scheduling
        self._tasks: dict[str, tuple[str, Any]] = {}

    async def add_task(
        self, task_name: str, task_type: str, interval_seconds: float, enabled: bool = True, **given: Any
    ) -> None:
        """`given` goes to the task's constructor. Raises `KeyError` for a type that nobody registered."""
        kind = self.task_registry.get(task_type)
        made = kind(name=task_name, interval_seconds=interval_seconds, enabled=enabled, **given)
        if not enabled:
            return
        await _call(made, "setup")
        number = await self._scheduling.schedule(task_name, max(SHORTEST_S, interval_seconds), _runner(made))
        self._tasks[task_name] = (number, made)

    async def remove_task(self, task_name: str) -> None:
        number, made = self._tasks.pop(task_name, (None, None))
        if number is not None:
            await self._scheduling.cancel(number)
            await _call(made, "cleanup")

    def list_tasks(self) -> list[str]:
        return sorted(self._tasks)

    def has_task(self, task_name: str) -> bool:
        return task_name in self._tasks

    async def aclose(self) -> None:
        for name in self.list_tasks():
            await self.remove_task(name)


def _runner(task: Any) -> Callable[[], Awaitable[None]]:
    """One run of a task, also of a class that is no `ScheduledTask`."""
    if isinstance(task, ScheduledTask):
        return task.run_once

    async def run() -> None:
        if await _call(task, "run") is False:
            raise TaskFailed("the run answered False")

    return run


async def _call(owner: Any, name: str) -> Any:
    method = getattr(owner, name, None)
    answer = method() if callable(method) else None
    return await answer if inspect.isawaitable(answer) else answer


async def create_managed_task(coroutine: Any, *, name: str | None = None, **_: Any) -> asyncio.Task[Any]:
    """A task that is ended with the gateway."""
    return asyncio.create_task(coroutine, name=name)
