"""`jackfield` for a page: asks a process that has imported everything to fork one that runs it here, and stands for it
until it ends. Needs nothing but the standard library, so that it is there at once."""

import json
import os
import signal
import socket
import sys
from contextlib import suppress

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(address: str, arguments: list[str]) -> int:
    """The exit code, negative where a signal ended it."""
    given = {"arguments": arguments, "folder": os.getcwd(), "environ": dict(os.environ)}
    order = json.dumps(given).encode()
    # What comes before there is anybody to hand it on to waits until there is.
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(address)
        socket.send_fds(asking, [len(order).to_bytes(4, "big")], [0, 1, 2])
        asking.sendall(order)
        with asking.makefile() as answers:
            pid = int(answers.readline())
            for number in FORWARDED:
                signal.signal(number, lambda number, _: forward(number, pid))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
            return int(answers.readline() or 1)


def forward(number: int, pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2:])
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)
