"""What runs in the process of an isolated plugin: speaks with the host on descriptor 3, and begins the module that the
host names. `launcher/` has shut the process in before.

That module's `async def begin(arguments, rpc)` answers with the program (`runtimes/guest.py`) whose methods the host
calls.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import importlib
import io
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from jackfield.rpc.binary import MSGPACK
from jackfield.rpc.calls import Peer
from jackfield.runtimes.guest import Rpc, Runner

HOST = 3
LOAD = "$load"


def main() -> None:
    _speak_by_line()
    faulthandler.enable()
    # The host's terminal is none of the plugin's; the host ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _run(_serve())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    # Threads of the plugin do not keep it.
    os._exit(0)


def _run(serving: Any) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(serving)
    else:
        uvloop.run(serving)


def _speak_by_line() -> None:
    """What was printed is told even if the next thing is the end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    gone: asyncio.Future[str] = loop.create_future()
    guest = _Guest()
    peer = Peer("host", guest, gone.set_result, wary=False, codec=MSGPACK)
    guest.attach(peer)
    await loop.create_unix_connection(lambda: peer, sock=socket.socket(fileno=HOST))
    await gone


class _Guest:
    """Nothing but `$load` until that is through, and from then on the program."""

    def __init__(self) -> None:
        self._runner: Runner | None = None

    def attach(self, peer: Peer) -> None:
        self._peer, self._rpc = peer, Rpc(peer)

    def answer(self, method: str, params: Any) -> Awaitable[Any]:
        if self._runner is None and method == LOAD:
            return self._load(params)
        return self._find_runner(method).answer(method, params)

    def produce(self, method: str, params: Any) -> AsyncIterator[Any]:
        return self._find_runner(method).produce(method, params)

    def hear(self, method: str, params: Any) -> None:
        if self._runner is not None:
            self._runner.hear(method, params)

    def _find_runner(self, method: str) -> Runner:
        if self._runner is None:
            raise LookupError(f"no method {method}")
        return self._runner

    async def _load(self, params: Any) -> None:
        module = importlib.import_module(params["module"])
        program = await module.begin(params["arguments"], self._rpc)
        runner = Runner(program, _report)
        runner.rpc = self._rpc
        self._peer.kinds = getattr(program, "kinds", {})
        self._runner = runner
        # What is there now stays: it need not be looked through again and again.
        gc.collect()
        gc.freeze()


def _report(method: str, error: str) -> None:
    print(f"not heard: {method}: {error}", file=sys.stderr)
