"""Forks a `jackfield` for each command of a page, from a process that has imported all of it: to import it again for
each of them would take most of the time of all pages. See `command.py` for the other end."""

from __future__ import annotations

import gc
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

# What the commands import when they are run.
IMPORTED = (
    *("jackfield.app", "jackfield.testing.check", "jackfield.testing.check.registry", "jackfield.testing.scaffolds"),
    *("jackfield.testing.host", "jackfield.testing.own_tests", "jackfield.testing.trial", "jackfield.testing.target"),
    *("jackfield.cli.output", "jackfield.cli.plugin_output", "jackfield.cli.trial_input", "jackfield.cli.trial_report"),
)


@contextmanager
def quick_commands(folder: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """A folder for the `PATH`, with a `jackfield` in it. What reads the environment when it is imported has read this
    one."""
    address, command = folder / "address", folder / "jackfield"
    words = (sys.executable, "-IS", str(Path(__file__).with_name("command.py")), str(address))
    command.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    asked = [sys.executable, str(Path(__file__).resolve()), str(address)]
    pipe = subprocess.PIPE
    with subprocess.Popen(asked, stdin=pipe, stdout=pipe, env=dict(environ)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield folder
        assert process.stdin is not None
        process.stdin.close()


def serve(address: str) -> None:
    """Until the input ends."""
    for name in IMPORTED:
        import_module(name)
    import_module("jackfield.server.admin.api").admin_routes()
    import_module("jackfield.cli.application").command()
    gc.freeze()
    # Nobody waits for those that attend to the commands.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as place:
        place.bind(address)
        place.listen()
        print("ready", flush=True)
        while 0 not in ready(0, place):
            with place.accept()[0] as asking:
                if os.fork() == 0:
                    place.close()
                    sys.exit(attend(asking))


def ready(*watched: int | socket.socket) -> list[Any]:
    """Which of them have something to tell, once one has."""
    return select.select(watched, [], [])[0]


def attend(asking: socket.socket) -> int:
    """Runs one command, which ends with the one who asked for it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, descriptors, *_ = socket.recv_fds(asking, 4, 3)
    with asking.makefile("rb") as orders:
        order = json.loads(orders.read(int.from_bytes(length, "big")))
    pid = os.fork()
    if pid == 0:
        asking.close()
        return become(order, descriptors)
    # Where the command has closed its output, nobody else may keep it open.
    for number in (*descriptors, 0, 1, 2):
        os.close(number)
    asking.sendall(b"%d\n" % pid)
    ending = os.pidfd_open(pid)
    if ending not in ready(ending, asking):
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    asking.sendall(b"%d\n" % code)
    os._exit(0)


def become(order: Mapping[str, Any], descriptors: list[int]) -> int:
    from jackfield.cli import main

    for number, given in enumerate(descriptors):
        os.dup2(given, number)
        os.close(given)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environ"])
    sys.argv = ["jackfield", *order["arguments"]]
    return main()


if __name__ == "__main__":
    serve(sys.argv[1])
