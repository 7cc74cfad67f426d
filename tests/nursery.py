"""Gateways forked from a process that has imported all of one. To start takes them a fifth of the time, and the kill of
one is a kill like any other; what the command line does before it imports is left to the tests of processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from jackfield.testing.processes import ERRORS, OUTPUT


class Child:
    """What of `asyncio.subprocess.Process` is needed of it."""

    def __init__(self, pid: int, nursery: Nursery) -> None:
        self.pid, self._nursery = pid, nursery
        self.returncode: int | None = None

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    async def wait(self) -> int:
        """Of one that was killed: until then everybody waits."""
        if self.returncode is None:
            self.returncode = self._nursery.ask({"wait": self.pid})
        return self.returncode


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
    for line in sys.stdin:
        order = json.loads(line)
        told = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1]) if "wait" in order else _fork(order)
        print(told, flush=True)


def _fork(order: Mapping[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            _become(order)
        finally:
            os._exit(1)
    return pid


def _become(order: Mapping[str, Any]) -> None:
    from jackfield.cli import main

    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environ"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, OUTPUT), (2, ERRORS)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os._exit(main(order["arguments"]))


if __name__ == "__main__":
    obey()
