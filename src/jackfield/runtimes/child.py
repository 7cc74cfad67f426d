"""One process of a plugin, from its start to its end: what it says, what it uses, and how it ended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jackfield.clock import Clock
from jackfield.errors import JackfieldError
from jackfield.rpc.calls import CLOSED, Peer
from jackfield.rpc.codec import JSON, Codec
from jackfield.rpc.desk import Handler
from jackfield.runtimes.cgroups import LAYER, Group, enclose, find_place
from jackfield.runtimes.launch import Launch, Launched, LaunchFailed, read_report, spawn
from jackfield.runtimes.limits import MB, Limits, Watch, read_usage
from jackfield.runtimes.output import Output

LOOK_S = 0.2
# A look that comes so late came late because our own loop stood: that is not the plugin's fault.
_LATE_S = 1.0
# How long a process whose connection ended may take to end by itself.
_END_S = 0.5
_KILLED_S = 5.0
# How often it is tried to remove the control group of who is gone.
_PATIENCE = 10
_TOLD = 500
# Who printed so much is told of as who floods.
FLOOD = MB

# What the exit means, from the end of what the process printed.
Explain = Callable[[str], str | None]
# What it is to be killed for, besides what all are.
Inspect = Callable[[], str | None]


class Child:
    """`ended` becomes how it ended, which `peer` has failed with by then."""

    def __init__(
        self,
        who: str,
        launched: Launched,
        handler: Handler,
        clock: Clock,
        limits: Limits,
        codec: Codec = JSON,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._launched, self._clock, self._limits, self._codec = launched, clock, limits, codec
        self.peer = self._make_peer(who, handler)
        self.output = Output(launched.output)
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self.layers: tuple[str, ...] = ()
        self._group: Group | None = None
        self._explain: Explain = lambda words: None
        self.inspect: Inspect = lambda: None
        self._reason: str | None = None
        self._watch = Watch(limits)
        self._ping: asyncio.Task[None] | None = None
        self._pinged = self._looked = 0.0
        self._heard = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(launched.pidfd, self._on_exit)

    def _make_peer(self, who: str, handler: Handler) -> Peer:
        return Peer(who, handler, self._on_gone, codec=self._codec)

    @property
    def pid(self) -> int:
        return self._launched.pid

    async def connect(self, report: int, explain: Explain) -> None:
        """Raises `LaunchFailed`."""
        self._explain = explain
        try:
            await self._loop.create_unix_connection(lambda: self.peer, sock=self._launched.socket)
        except BaseException:
            os.close(report)
            raise
        layers = await read_report(report)
        self.layers = (*layers, LAYER) if self._group is not None else layers
        self._begin_to_look()

    def _begin_to_look(self) -> None:
        self._looked = self._clock.monotonic()
        self._timer = self._loop.call_later(LOOK_S, self._look)

    # What it uses

    def _look(self) -> None:
        now = self._clock.monotonic()
        late, self._looked = now - self._looked - LOOK_S, now
        usage = read_usage(self.pid)
        if usage is None or self.ended.done():
            return
        reason = self._watch.judge(now, usage) or self._judge_silence(now, max(0.0, late)) or self.inspect()
        if reason is not None:
            self.kill(reason)
            return
        self._timer = self._loop.call_later(LOOK_S, self._look)

    def _judge_silence(self, now: float, late: float) -> str | None:
        """While calls wait it is asked whether its loop turns."""
        if self._ping is None or self._ping.done():
            if self.peer.waiting:
                self._pinged = now
                self._ping = self._loop.create_task(self._ask())
            return None
        if late > _LATE_S:
            self._pinged += late
        if self.peer.heard != self._heard:
            # Who says so much that its answer is far behind is not silent.
            self._heard, self._pinged = self.peer.heard, now
        if now - self._pinged > self._limits.hang_s:
            return f"it answered nothing for {self._limits.hang_s:g} s"
        return None

    async def _ask(self) -> None:
        try:
            await self.peer.ping()
        except JackfieldError:
            # It is gone, which is seen elsewhere.
            return

    # How it ends

    def kill(self, reason: str | None = None) -> None:
        """It, and whatever it started. Its end comes in a later turn of the loop."""
        if self.ended.done():
            return
        self._reason = self._reason or reason
        try:
            # Its number is its own until `_on_exit` asked how it ended.
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            # It has ended, and we are about to hear of it.
            return

    def _on_gone(self, reason: str) -> None:
        """The connection ended: so does the process, by itself or not."""
        if self.ended.done():
            return
        if reason != CLOSED:
            self._reason = self._reason or reason
        self._loop.call_later(_END_S, self.kill, "it closed its connection")

    def _on_exit(self) -> None:
        self._loop.remove_reader(self._launched.pidfd)
        # Those that it started and left behind; its number is still its own.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        os.close(self._launched.pidfd)
        code = self._launched.process.wait()
        self.output.close()
        if self._timer is not None:
            self._timer.cancel()
        words = self.output.last_words
        meaning = self._leave_group() or self._explain(words)
        exit_ = _describe(code, self._reason or meaning) + _tell_flood(self.output.total)
        # What was explained was read from them: there they tell no more.
        told = f"; its last words: {words[-_TOLD:]}" if words and meaning is None else ""
        self.peer.fail(f"its process is gone: {exit_}{told}")
        self.ended.set_result(exit_)

    def enclose(self, place: Path | None) -> None:
        """In a control group of its own, where that can be made in `place`."""
        self._group = enclose(self.pid, self._limits, place)

    def _leave_group(self, patience: int = _PATIENCE) -> str | None:
        """What the kernel killed it for. What ends in the group may take a moment to be gone."""
        group = self._group
        if group is None:
            return None
        reason = group.explain()
        if not group.remove() and patience:
            self._loop.call_later(_END_S, self._leave_group, patience - 1)
        return reason

    async def aclose(self, reason: str, grace_s: float) -> None:
        """Asks it to end, then ends it."""
        self.peer.close()
        self.peer.fail(reason)
        if not await self._await_end(grace_s):
            self.kill()
            await self._await_end(_KILLED_S)
        await self.peer.aclose(reason)
        if self._timer is not None:
            self._timer.cancel()
        if self._ping is not None:
            await asyncio.wait([self._ping], timeout=_END_S)

    async def _await_end(self, seconds: float) -> bool:
        if seconds > 0 and not self.ended.done():
            await asyncio.wait([self.ended], timeout=seconds)
        return self.ended.done()


def _describe(code: int, reason: str | None) -> str:
    try:
        how = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
    except ValueError:
        how = f"killed by signal {-code}"
    return f"{how}: {reason}" if reason else how


def _tell_flood(printed: int) -> str:
    """What waits to be read from it takes its memory, and explains what that says nothing of."""
    return f"; it printed {printed // MB} MB" if printed >= FLOOD else ""


async def start_child(
    who: str,
    launch: Launch,
    handler: Handler,
    clock: Clock,
    limits: Limits,
    explain: Explain,
    codec: Codec = JSON,
) -> Child:
    """Raises `LaunchFailed`; nothing is left of it then."""
    launched, report = spawn(launch)
    child = Child(who, launched, handler, clock, limits, codec)
    child.enclose(find_place())
    try:
        await child.connect(report, explain)
        if LAYER in launch.minimum and LAYER not in child.layers:
            raise LaunchFailed(f"what is demanded of the sandbox cannot be had here: {LAYER} (no group can be made)")
    except BaseException as error:
        await child.aclose("it did not start", 0)
        if isinstance(error, LaunchFailed) and child.output.last_words:
            raise LaunchFailed(f"{error}; its last words: {child.output.last_words[-_TOLD:]}") from error
        raise
    return child
