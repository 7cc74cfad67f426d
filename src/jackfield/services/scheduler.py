"""The tasks of one plugin: each runs when it is due, and once among all that share the store."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextvars import Context
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import Any

import msgspec
import structlog

from jackfield.clock import Clock
from jackfield.errors import JackfieldError
from jackfield.hooks.deadline import Expired, finish_within
from jackfield.hooks.guard import PluginStats
from jackfield.ids import new_id
from jackfield.sdk.scheduler import ScheduledTask, TaskHandler
from jackfield.services.allowance import Allowance
from jackfield.services.base import Announcer
from jackfield.services.kv import owner_of
from jackfield.services.schedules import Schedule, read_schedule
from jackfield.settings import conceal
from jackfield.stores.leases import Lease, Leases
from jackfield.telemetry.text import describe_error, escape_halves

READ, WRITE = "scheduler:read", "scheduler:write"
SCHEDULER_PERMISSIONS = frozenset({READ, WRITE})
MOST_TASKS = 100
LONGEST_NAME = 200
RUN_S = 300.0
# How long a run stays another's after its holder was last heard of.
LEASE_S = 15.0
RENEWED_EVERY_S = 5.0
# The wall clock may be set while a timer waits.
LONGEST_WAIT_S = 60.0
RETRY_S = 5.0
# Others may look a little later for what has ended.
REMEMBERED_S = 3600.0
ENDING_S = 1.0
LEAVING_S = 0.5

log = structlog.get_logger("jackfield.scheduler")

StatsOf = Callable[[str], PluginStats | None]


class TaskStep(msgspec.Struct, frozen=True):
    """A run, as it is reported while it keeps the loop."""

    plugin: str
    name: str


class Planned:
    """One task. `since` is when it was scheduled here, `due` when it is to run next, unless it ran after `latest`
    already, `wake` when to look at it."""

    __slots__ = (
        "due",
        "given",
        "handler",
        "id",
        "latest",
        "name",
        "once",
        "schedule",
        "since",
        "timer",
        "timezone",
        "wake",
    )

    def __init__(
        self,
        task: str,
        name: str,
        given: float | str,
        timezone: str,
        schedule: Schedule,
        handler: TaskHandler,
        once: bool,
    ) -> None:
        self.id, self.name, self.given, self.timezone = task, name, given, timezone
        self.schedule, self.handler, self.once = schedule, handler, once
        self.since = self.due = self.latest = self.wake = 0.0
        self.timer: asyncio.TimerHandle | None = None

    def plan(self, anchor: float, now: float) -> None:
        self.due = self.wake = self.schedule.next_due(anchor, now)
        self.latest = self.schedule.latest_anchor(anchor, self.due)

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def told(self, lease: Lease | None, now: float) -> ScheduledTask:
        task = ScheduledTask(
            id=self.id, name=self.name, schedule=self.given, timezone=self.timezone, next_run=_moment(self.due)
        )
        if lease is None:
            return task
        last_run = None if lease.last_run is None else _moment(lease.last_run)
        error = None if lease.until > now else lease.last_error
        return msgspec.structs.replace(task, last_run=last_run, runs=lease.runs, last_error=error)


class PluginScheduler:
    """One plugin's tasks, a `Part` of it."""

    def __init__(
        self, allowance: Allowance, leases: Leases, announcer: Announcer, clock: Clock, stats_of: StatsOf
    ) -> None:
        """`stats_of` finds the statistics of a plugin by its id."""
        self._allowance, self._leases, self._announcer = allowance, leases, announcer
        self._clock, self._stats_of = clock, stats_of
        self._plugin, self._owner = allowance.plugin, owner_of(allowance.plugin)
        self._tasks: dict[str, Planned] = {}
        self._turns: set[asyncio.Task[None]] = set()
        self._serving = self._rested = False

    async def schedule(
        self, name: str, when: float | str, handler: TaskHandler, *, timezone: str = "UTC", once: bool = False
    ) -> str:
        self._allowance.check(WRITE)
        task = id_of(self._plugin, _checked_name(name))
        if not callable(handler):
            raise ValueError(f"task {name!r}: the handler must be a function")
        planned = Planned(task, name, when, timezone, read_schedule(when, timezone), handler, once)
        self._check_room(name)
        self._allowance.take(WRITE)
        planned.since = now = self._clock.wall()
        anchor = await self._leases.introduce(self._owner, name, at=now, afresh=name in self._tasks)
        planned.plan(anchor, now)
        self._check_room(name)
        former, self._tasks[name] = self._tasks.get(name), planned
        if former is not None:
            former.stop()
        self._arm(planned)
        return task

    def _check_room(self, name: str) -> None:
        if name not in self._tasks and len(self._tasks) >= MOST_TASKS:
            raise ValueError(f"plugin {self._plugin} has {MOST_TASKS} scheduled tasks already")

    async def cancel(self, task: str) -> bool:
        self._allowance.take(WRITE)
        found = next((planned for planned in self._tasks.values() if planned.id == task), None)
        if found is None:
            return False
        self._drop(found)
        now = self._clock.wall()
        await self._leases.end(self._owner, found.name, at=now, keep_s=max(0.0, found.due - now) + REMEMBERED_S)
        return True

    async def list(self) -> tuple[ScheduledTask, ...]:
        self._allowance.take(READ)
        return await self.planned()

    async def planned(self) -> tuple[ScheduledTask, ...]:
        """The same for operators."""
        leases, now = await self._leases.of(self._owner), self._clock.wall()
        return tuple(planned.told(leases.get(planned.name), now) for planned in self._tasks.values())

    def open(self) -> None:
        """After a rest, what was due in it is not made up for."""
        now = self._clock.wall()
        self._serving = True
        for planned in self._tasks.values():
            if self._rested and planned.due <= now:
                planned.plan(now, now)
            self._arm(planned)

    def rest(self) -> None:
        self._serving, self._rested = False, True
        for planned in self._tasks.values():
            planned.stop()

    async def run_due(self) -> None:
        """Runs what is due, to its end: for those who move the clock by hand."""
        now = self._clock.wall()
        for planned in [one for one in self._tasks.values() if self._serving and one.wake <= now]:
            planned.stop()
            Context().run(self._wake, planned)
        if self._turns:
            await asyncio.wait(self._turns)

    async def aclose(self) -> None:
        """Gives runs that are under way a moment, then ends them, or leaves them where they do not let themselves be
        ended."""
        self.rest()
        turns = self._turns - {asyncio.current_task()}
        if not turns:
            return
        _, late = await asyncio.wait(turns, timeout=ENDING_S)
        for turn in late:
            # With a message it counts as ours, whatever the handler does with it.
            turn.cancel("the plugin is gone")
        if late:
            _, late = await asyncio.wait(late, timeout=LEAVING_S)
        if late:
            log.error("task_does_not_end", plugin=self._plugin, tasks=len(late))

    def _arm(self, planned: Planned) -> None:
        """A context of its own: whoever happens to schedule it, it runs on nobody's behalf."""
        planned.stop()
        if self._serving and self._is_current(planned):
            wait_s = min(max(0.0, planned.wake - self._clock.wall()), LONGEST_WAIT_S)
            loop = asyncio.get_running_loop()
            planned.timer = loop.call_later(wait_s, self._wake, planned, context=Context())

    def _wake(self, planned: Planned) -> None:
        if self._clock.wall() < planned.wake:
            self._arm(planned)
            return
        turn = asyncio.create_task(self._turn(planned), name=f"task-{self._plugin}-{planned.name}")
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)

    def _is_current(self, planned: Planned) -> bool:
        return self._tasks.get(planned.name) is planned

    def _drop(self, planned: Planned) -> None:
        planned.stop()
        if self._is_current(planned):
            del self._tasks[planned.name]

    async def _turn(self, planned: Planned) -> None:
        """It is due: runs it, or finds out who does."""
        holder, now = new_id("run"), self._clock.wall()
        try:
            failures = await self._leases.take(
                self._owner,
                planned.name,
                holder=holder,
                due=planned.due,
                latest=planned.latest,
                at=now,
                until=now + LEASE_S,
                since=planned.since,
            )
            await (self._look(planned) if failures is None else self._run(planned, holder, failures))
        except JackfieldError as error:
            # Without the store nobody knows who runs it: then nobody does.
            log.warning("task_not_run", plugin=self._plugin, task=planned.name, error=error.message)
            planned.wake = max(planned.due, self._clock.wall() + RETRY_S)
        self._arm(planned)

    async def _look(self, planned: Planned) -> None:
        """Another has had this time, or still holds the one before."""
        lease, now = await self._leases.find(self._owner, planned.name), self._clock.wall()
        if lease is None:
            await self._leases.introduce(self._owner, planned.name, at=planned.since)
            planned.wake = now + RETRY_S
        elif lease.ended_at is not None and lease.ended_at > planned.since:
            self._drop(planned)
        elif lease.anchor <= planned.latest:
            planned.wake = max(now, lease.until)
        elif planned.once:
            self._drop(planned)
        else:
            planned.plan(lease.anchor, now)

    async def _run(self, planned: Planned, holder: str, failures: int) -> None:
        """After so many that failed in a row."""
        began = perf_counter_ns()
        error: str | None = "it was cancelled"
        if self._is_current(planned):
            renewing = asyncio.create_task(self._renew(planned, holder), name=f"renewal-{planned.name}")
            try:
                error = await self._call(planned)
            except asyncio.CancelledError:
                await self._release(planned, holder, "it was stopped with its plugin", self._clock.wall())
                raise
            finally:
                renewing.cancel()
            self._tell(planned, error, perf_counter_ns() - began)
        # The next time counts also where the store cannot be told of this one.
        now, pause_s = self._clock.wall(), planned.schedule.pause_after(0 if error is None else failures + 1)
        if planned.once:
            self._drop(planned)
        else:
            planned.plan(max(now, planned.due) + pause_s, now)
        await self._release(planned, holder, error, now, pause_s)

    async def _release(self, planned: Planned, holder: str, error: str | None, at: float, pause_s: float = 0.0) -> None:
        keep_s = REMEMBERED_S if planned.once else None
        await self._leases.release(
            self._owner, planned.name, holder=holder, at=at, error=error, pause_s=pause_s, keep_s=keep_s
        )

    async def _renew(self, planned: Planned, holder: str) -> None:
        held = True
        while held:
            await asyncio.sleep(RENEWED_EVERY_S)
            until = self._clock.wall() + LEASE_S
            try:
                held = await self._leases.renew(self._owner, planned.name, holder=holder, until=until)
            except JackfieldError as error:
                log.warning("lease_not_renewed", plugin=self._plugin, task=planned.name, error=error.message)
        log.error("lease_lost", plugin=self._plugin, task=planned.name)

    async def _call(self, planned: Planned) -> str | None:
        """What went wrong. A boundary: whatever the handler raises is that."""
        began = perf_counter_ns()
        timeout = False
        try:
            await finish_within(TaskStep(self._plugin, planned.name), _start(planned.handler), RUN_S)
            return None
        except Expired:
            timeout, error = True, f"no end within {RUN_S:g} s"
        except GeneratorExit:
            raise
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            error = "cancelled from within"
        except BaseException as failed:  # noqa: BLE001 - a boundary: it is the run's error, `sys.exit` too
            error = describe_error(failed)
        finally:
            if (stats := self._stats_of(self._plugin)) is not None:
                stats.add(perf_counter_ns() - began)
        return self._note(planned, conceal(escape_halves(error)), timeout=timeout)

    def _note(self, planned: Planned, error: str, *, timeout: bool) -> str:
        if (stats := self._stats_of(self._plugin)) is not None:
            stats.errors += 1
            stats.timeouts += timeout
            stats.last_error = f"{planned.name}: {error}"
        log.warning("task_failed", plugin=self._plugin, task=planned.name, error=error)
        return error

    def _tell(self, planned: Planned, error: str | None, duration_ns: int) -> None:
        told = {
            "taskId": planned.id,
            "name": planned.name,
            "pluginId": self._plugin,
            "success": error is None,
            "durationMs": duration_ns / 1e6,
        }
        self._announcer.announce("scheduler:task_executed", told)


class GrantedScheduler:
    """What the plugin itself holds: nothing of it has tasks run while it does not serve."""

    __slots__ = ("_tasks",)

    def __init__(self, tasks: PluginScheduler) -> None:
        self._tasks = tasks

    async def schedule(
        self, name: str, when: float | str, handler: TaskHandler, *, timezone: str = "UTC", once: bool = False
    ) -> str:
        return await self._tasks.schedule(name, when, handler, timezone=timezone, once=once)

    async def cancel(self, task: str) -> bool:
        return await self._tasks.cancel(task)

    async def list(self) -> tuple[ScheduledTask, ...]:
        return await self._tasks.list()


def id_of(plugin: str, name: str) -> str:
    """The same in every worker and after every restart."""
    return f"task_{hashlib.sha256(f'{plugin}/{name}'.encode()).hexdigest()[:24]}"


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"a task's name is 1 to {LONGEST_NAME} printable characters, not {name!r:.100}")
    return name


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


async def _start(handler: TaskHandler) -> Any:
    return await handler()
