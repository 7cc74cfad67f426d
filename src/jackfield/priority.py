"""Threads that leave the processor to others."""

from __future__ import annotations

import os
import sys
import threading


def stand_back(niceness: int) -> None:
    """The calling thread stands back that far where others want the processor. On Linux only: here, and only here, a
    priority belongs to a thread."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(os.getpriority(os.PRIO_PROCESS, thread), niceness))
