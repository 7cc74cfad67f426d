"""From the argument to the program that is run."""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from . import kernel, landlock, mounts, namespaces, seccomp

HOST = 3
# Out of the way of the descriptor that the program finds its host at.
_ASIDE = 16
_HIGHEST = 1 << 20


def main() -> None:
    """The one argument is what `runtimes.launch.Launch` says."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    report = _take_descriptors(order)
    try:
        layers, failures = _defend(order)
        _demand(order["minimum"], layers, failures)
        os.write(report, json.dumps({"layers": layers}).encode())
        if order["module"] is None:
            os.execve(order["argv"][0], order["argv"], order["environ"])  # noqa: S606 - what it is for
        run = _find_main(order)
    except Exception as error:  # noqa: BLE001 - the end of this program: the host is told, and decides
        os.write(report, b"\n" + json.dumps({"refused": f"{error}"}).encode())
        os._exit(126)
    os.close(report)
    run()


def _find_main(order: dict[str, Any]) -> Callable[[], None]:
    """The module's `main`, in a process that looks as if it had been started for it."""
    os.environ.clear()
    os.environ.update(order["environ"])
    time.tzset()
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path[:] = [*(place for place in sys.path if place != here), *order["module"]["path"]]
    sys.argv[:] = [""]
    sys.dont_write_bytecode = True
    run: Callable[[], None] = importlib.import_module(order["module"]["name"]).main
    return run


def _take_descriptors(order: dict[str, Any]) -> int:
    """The host's socket becomes descriptor 3; of all others only the standard ones outlive `exec`."""
    report = fcntl.fcntl(order["report"], fcntl.F_DUPFD_CLOEXEC, _ASIDE)
    host = fcntl.fcntl(order["host"], fcntl.F_DUPFD_CLOEXEC, _ASIDE)
    os.dup2(host, HOST, inheritable=True)
    os.closerange(HOST + 1, report)
    os.closerange(report + 1, _HIGHEST)
    return report


def _defend(order: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Tries each layer, in an order in which none takes what the next one needs: those that are up, and why others are
    not."""
    failures: dict[str, str] = {}
    layers: list[str] = []

    def attempt(name: str, put_up: Callable[[], object]) -> bool:
        try:
            put_up()
        except (OSError, ValueError, KeyError) as error:
            failures[name] = f"{error}"
            return False
        layers.append(name)
        return True

    os.nice(order["nice"])
    os.chdir(order["cwd"])
    attempt("rlimits", lambda: _limit(order["limits"]))
    attempt("user_namespace", namespaces.enter_user_namespace)
    if not order["network"]:
        attempt("network_namespace", namespaces.enter_network_namespace)
    if order["unix"]:
        attempt("mount_namespace", lambda: mounts.enter(order["read"] + order["run"] + order["write"], order["cwd"]))
    elif order["scratch_mb"]:
        attempt("private_scratch", lambda: mounts.cover(order["write"], order["scratch_mb"], order["cwd"]))
    attempt("no_capabilities", kernel.drop_capabilities)
    attempt("no_new_privs", lambda: kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1))
    # Last of those that change who we are: such a change takes it away.
    _die_with(order["parent"])
    attempt("landlock", lambda: landlock.restrict(order["read"], order["run"], order["write"], order["unix"]))
    attempt("seccomp", lambda: _filter(order))
    return layers, failures


def _filter(order: dict[str, Any]) -> None:
    becomes = order["module"] is None
    seccomp.install(network=order["network"], processes=order["processes"], becomes=becomes, unix=order["unix"])


def _limit(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _die_with(parent: int) -> None:
    """Whoever started us may be killed and have no time to end us."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(0)


def _demand(minimum: list[str], layers: list[str], failures: dict[str, str]) -> None:
    lacking = [f"{name} ({failures.get(name, 'unknown')})" for name in minimum if name not in layers]
    if lacking:
        raise PermissionError(f"what is demanded of the sandbox cannot be had here: {', '.join(lacking)}")
