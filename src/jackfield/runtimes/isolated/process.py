"""One process of an isolated plugin."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from jackfield.clock import Clock
from jackfield.rpc.binary import MSGPACK
from jackfield.runtimes.base import Answerer
from jackfield.runtimes.child import Child
from jackfield.runtimes.isolated.program import GuestProgram, plan_launch
from jackfield.runtimes.isolated.scratch import Scratch
from jackfield.runtimes.launch import LaunchFailed
from jackfield.runtimes.limits import Limits
from jackfield.runtimes.process import Life, ProcessSession, Program

# How Python ends what it prints of an end that it did not want.
_FATAL = re.compile(r"^Fatal Python error: (.{1,300})", re.MULTILINE)
_ERROR = re.compile(r"[\w.]+(?:Error|Exception|Interrupt|Exit)\b")
Pause = Callable[[float], Awaitable[object]]


class IsolatedProcess(ProcessSession):
    """`ProcessSession`. What it writes, in a folder of its own in `scratch`, lives as long as one life of it."""

    def __init__(
        self,
        plugin_id: str,
        program: GuestProgram,
        answerer: Answerer,
        clock: Clock,
        limits: Limits,
        *,
        minimum: tuple[str, ...] = (),
        scratch: Path | None = None,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._scratch = Scratch(scratch, limits.scratch_mb) if scratch is not None else None
        launch = plan_launch(program, limits, minimum, self._scratch.folder if self._scratch is not None else None)
        load = {"module": program.module, "arguments": program.arguments}
        running = Program(launch, load, explain=_explain, codec=MSGPACK)
        super().__init__(plugin_id, running, answerer, clock, limits, pause)

    @property
    def waiting(self) -> int:
        """How many calls and streams are not answered."""
        return self._child.peer.waiting if self._child is not None else 0

    @property
    def is_running(self) -> bool:
        return self._state_now() == "running"

    async def give_up(self) -> None:
        """Ends it, such that it may be started again."""
        if self._is_stopped():
            return
        await self.stop(0)
        self._state = "failed"

    async def _open_child(self) -> Life:
        scratch = self._scratch
        if scratch is None:
            return await super()._open_child()
        try:
            await scratch.make()
            child = await super()._open_child()
        except BaseException as error:
            await scratch.remove()
            if isinstance(error, OSError):
                raise LaunchFailed(f"its folder to write into cannot be made: {error}") from error
            raise
        if isinstance(child, Child):
            child.inspect = scratch.inspect
        return child

    async def _let_go(self, reason: str, grace_s: float = 0.0) -> None:
        await super()._let_go(reason, grace_s)
        if self._scratch is not None:
            await self._scratch.remove()


def _explain(words: str) -> str | None:
    """What `faulthandler` says of a crash in native code, or the last line of a traceback that ended the process."""
    if found := _FATAL.search(words):
        return found[1]
    last = words.rpartition("\n")[2]
    return f"nobody caught {last}" if "Traceback (most recent call last)" in words and _ERROR.match(last) else None
