"""A connection that is lost, while the process lives: it is made again, and the session goes on as it was."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.examples.go_programs import RATE_LIMITER, build_beside_sdk
from tests.runtimes.grpc.sessions import StartGrpc
from tests.runtimes.grpc.test_go import OPENING, Store, seen
from tests.runtimes.programs import Host

from jackfield.clock import SystemClock
from jackfield.errors import SessionDenied, SessionLost
from jackfield.runtimes.grpc.program import GrpcProgram
from jackfield.runtimes.grpc.session import GrpcSession
from jackfield.testing.waiting import until

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def cut(session: GrpcSession) -> int:
    """Ends every connection between the gateway and the process; how many there were."""
    child: Any = session._child
    ends = [end for relay in child._connection._relays for end in relay._ends]
    for end in ends:
        end.abort()
    return len(ends)


@pytest.fixture(params=["go", "python"])
async def limiter(request: pytest.FixtureRequest) -> AsyncIterator[tuple[GrpcSession, Store, str]]:
    """A plugin of the examples, and the hook that counts."""
    if request.param == "go":
        path = build_beside_sdk(RATE_LIMITER)
        program, hook = GrpcProgram(command=path.name, folder=path.parent), "pre_flight"
    else:
        args = ("-B", "-m", "jackfield.guests.grpc_main")
        program, hook = GrpcProgram(command="python", folder=EXAMPLES / "grpc-rate-limiter-python", args=args), "count"
    store = Store({"requests": 100})
    store.granted = ["storage:read", "storage:write"]
    session = GrpcSession("limiter", program, store, SystemClock())
    await session.start()
    yield session, store, hook
    await session.stop(0)
    gc.collect()


async def test_what_waits_is_lost_and_what_is_asked_next_is_answered(start_grpc: StartGrpc, host: Host) -> None:
    session = await start_grpc()
    waiting = asyncio.create_task(session.call("wait", deadline_s=10))
    await until(lambda: asyncio.sleep(0, host.heard), bool, within=10)
    assert cut(session.inner) > 0
    with pytest.raises(SessionLost):
        await waiting
    assert await when_back(session.call, "ask", {"method": "who"}) == [None, None]
    assert (host.starts, host.losses, session.diagnose().state) == (1, [], "running")


async def when_back(call: Any, method: str, params: Any) -> Any:
    """The connection is made again by whoever asks first, and until that is done what is asked is lost."""

    async def ask() -> tuple[bool, Any]:
        try:
            return True, await call(method, params, deadline_s=5)
        except SessionLost:
            return False, None

    _, answer = await until(ask, lambda found: found[0], within=10)
    return answer


async def test_hooks_and_services_come_back_and_the_plugin_is_not_started_anew(
    limiter: tuple[GrpcSession, Store, str],
) -> None:
    session, store, hook = limiter
    call = {"name": hook, "exchange": ("e1", OPENING, seen("shop"))}
    assert await session.call("hook", call, deadline_s=5) is None
    assert list(store.counts) != []
    pid, apps = session.diagnose().pid, len(store.counts)
    for round_ in range(2):
        assert cut(session) > 0
        # Counting another app costs a call of the store: the plugin's own connection is there again too.
        other = {"name": hook, "exchange": (f"other{round_}", OPENING, seen(f"other{round_}"))}
        assert await counted(session, other) is None
        assert len(store.counts) == apps + round_ + 1
    # `on_session_ready` of a plugin in Go is told by the one `load`.
    assert (store.starts, store.losses, session.diagnose().pid) == (1, [], pid)


async def counted(session: GrpcSession, call: Any) -> Any:
    async def ask() -> tuple[bool, Any]:
        try:
            return True, await session.call("hook", call, deadline_s=5)
        except (SessionLost, SessionDenied):
            return False, None

    _, answer = await until(ask, lambda found: found[0], within=10)
    return answer
