"""Holds one program and all that it starts: none of them outlives this process, and this one not its gateway.

Run by itself, with one argument (`runtimes.http.program` says what it holds) and the standard library alone. It reads
from its lifeline: `T` asks the program to end, and the end of the lifeline, however the gateway came to its own, ends
all of it at once. What becomes of the program it writes to its report, one JSON object a line.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import sys
from contextlib import suppress
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
LOOK_MS = 250
# Rounds of ending what started others meanwhile.
ROUNDS = 50
MB = 1024 * 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CANNOT_RUN = 126


def main() -> None:
    order: dict[str, Any] = json.loads(sys.argv[1])
    for descriptor in (order["lifeline"], order["report"]):
        # The gateway's word and ours: none of the program's business.
        os.set_inheritable(descriptor, False)
    report = os.fdopen(order["report"], "w", buffering=1)
    layers = _prepare()
    try:
        child = _start(order)
    except OSError as error:
        report.write(json.dumps({"refused": f"{order['argv'][0]}: {error.strerror or error}"}) + "\n")
        return
    report.write(json.dumps({"pid": child, "layers": layers}) + "\n")
    status, reason = _hold(child, order)
    _end_all(child)
    code = os.waitstatus_to_exitcode(status)
    report.write(json.dumps({"exit": code, "reason": reason}) + "\n")


def _prepare() -> list[str]:
    """Where memory runs out it is this, and not the gateway, that the kernel ends."""
    layers = ["session"]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0:
        layers.append("subreaper")
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        layers.append("no_new_privs")
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("500")
        layers.append("oom_score")
    return layers


def _start(order: dict[str, Any]) -> int:
    """The program's process, in a group of its own. Raises `OSError` where it cannot be run."""
    failed, tell = os.pipe()
    own = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            _become(order, own)
        except OSError as error:
            os.write(tell, str(error.errno or 0).encode())
        finally:
            os._exit(_CANNOT_RUN)
    os.close(tell)
    with os.fdopen(failed, "rb") as stream:
        said = stream.read()
    if said:
        os.waitpid(child, 0)
        raise OSError(int(said), os.strerror(int(said)))
    return child


def _become(order: dict[str, Any], holder: int) -> None:
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != holder:
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for name, value in order["limits"].items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    os.chdir(order["cwd"])
    os.execvpe(order["argv"][0], order["argv"], order["environ"])  # noqa: S606 - what it is for


def _hold(child: int, order: dict[str, Any]) -> tuple[int, str | None]:
    """Until the program ends: how it did, and why where that was ours to decide."""
    lifeline, pidfd, reason = order["lifeline"], os.pidfd_open(child), None
    waiting = select.poll()
    waiting.register(lifeline, select.POLLIN | select.POLLHUP)
    waiting.register(pidfd, select.POLLIN)
    while True:
        ready = dict(waiting.poll(LOOK_MS))
        if pidfd in ready:
            return os.waitpid(child, 0)[1], reason
        if lifeline in ready:
            if not os.read(lifeline, 64):
                waiting.unregister(lifeline)
                _end_all(child)
            else:
                _ask_to_end(child)
        elif reason is None and (reason := _judge(child, order)) is not None:
            _end_all(child)


def _ask_to_end(child: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGTERM)


def _judge(child: int, order: dict[str, Any]) -> str | None:
    """What all of it together is to be ended for."""
    _reap(child)
    members = _living()
    if len(members) > order["processes"]:
        return f"more than {order['processes']} processes"
    if sum(map(_memory, members)) > order["memory_mb"] * MB:
        return f"more than {order['memory_mb']} MB of memory"
    return None


def _end_all(child: int) -> None:
    """Whatever runs below us. Who is stopped starts no more, so all are stopped before the first is ended."""
    for _ in range(ROUNDS):
        members = _living()
        if not members:
            return
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for member in members:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(member, number)
        _reap(child)


def _reap(child: int) -> None:
    """Those that were left to us; how the program itself ended is asked elsewhere."""
    for orphan in _children(os.getpid()) - {child}:
        with suppress(ChildProcessError):
            os.waitpid(orphan, os.WNOHANG)


def _living() -> set[int]:
    found: set[int] = set()
    left = [os.getpid()]
    while left:
        fresh = _children(left.pop()) - found
        found |= fresh
        left += fresh
    return {pid for pid in found if _is_alive(pid)}


def _children(pid: int) -> set[int]:
    """Of all of its threads."""
    found: set[int] = set()
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found.update(int(word) for word in file.read().split())
    return found


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (OSError, IndexError):
        return False


def _memory(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


if __name__ == "__main__":
    main()
