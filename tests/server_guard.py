"""Runs a server for as long as anybody holds a shared lock on the file `users` of its folder: killed or not, nobody
leaves it behind. `python server_guard.py FOLDER SIGNAL USER COMMAND...`"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

STOP_S = 5.0


def guard(folder: Path, stop: signal.Signals, user: str, command: list[str]) -> None:
    with (folder / "log").open("ab") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **owner(user))
    (folder / "pid").write_text(str(server.pid))
    signal.signal(signal.SIGCHLD, lambda *_: os._exit(1) if server.poll() is not None else None)
    if server.poll() is None:
        with (folder / "users").open("ab") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            end(server, stop)
            shutil.rmtree(folder)


def end(server: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    server.send_signal(stop)
    try:
        server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(STOP_S)


def owner(user: str) -> dict[str, object]:
    return {"user": user, "group": "nogroup", "extra_groups": []} if user else {}


if __name__ == "__main__":
    guard(Path(sys.argv[1]), signal.Signals(int(sys.argv[2])), sys.argv[3], sys.argv[4:])
