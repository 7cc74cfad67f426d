"""Gateways forked from a process that has imported all of one. To start takes them a fifth of the time, and a signal to
one is a signal like any other; what the command line does before it imports is left to the tests of processes."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from select import poll
from typing import Any, cast

from jackfield.testing.processes import ERRORS, OUTPUT


class Child:
    """What of `asyncio.subprocess.Process` is needed of it. It is the child of the nursery, which alone can tell its
    exit code."""

    def __init__(self, pid: int, nursery: Nursery) -> None:
        self.pid, self._nursery = pid, nursery
        self._ending = os.pidfd_open(pid)
        self._returncode: int | None = None

    @property
    def returncode(self) -> int | None:
        if self._returncode is None:
            looking = poll()
            looking.register(self._ending)
            if looking.poll(0):
                self._bury()
        return self._returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        loop = asyncio.get_running_loop()
        while (code := self.returncode) is None:
            ended = asyncio.Event()
            # A descriptor of its own: several may wait, and a loop knows each one only once.
            watched = os.dup(self._ending)
            loop.add_reader(watched, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(watched)
                os.close(watched)
        return code

    def _bury(self) -> None:
        self._returncode = self._nursery.ask({"wait": self.pid})
        os.close(self._ending)


class Nursery:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    async def start_process(
        self, folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        """In the place of the one in `jackfield.testing.processes`."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("JACKFIELD_")}
        order = {"folder": str(folder), "arguments": arguments, "environ": inherited | dict(environ or {})}
        return cast(asyncio.subprocess.Process, Child(self.ask(order), self))

    def ask(self, order: Mapping[str, Any]) -> int:
        orders, answers = self._process.stdin, self._process.stdout
        assert orders is not None
        assert answers is not None
        orders.write(json.dumps(order) + "\n")
        orders.flush()
        return int(answers.readline())


@contextmanager
def open_nursery() -> Iterator[Nursery]:
    command = [sys.executable, str(Path(__file__).resolve())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Nursery(process)


def obey() -> None:
    """Until nobody gives orders any more."""
    import_module("jackfield.app")
    import_module("jackfield.server.admin.api").admin_routes()
    import_module("jackfield.cli.application").command()
    # Else the first collection of each child copies all that it has from here.
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        told = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1]) if "wait" in order else _fork(order)
        print(told, flush=True)


def _fork(order: Mapping[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        sys.exit(_become(order))
    return pid


def _become(order: Mapping[str, Any]) -> int:
    from jackfield.cli import main

    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environ"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, OUTPUT), (2, ERRORS)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    return main(order["arguments"])


if __name__ == "__main__":
    obey()
