"""What is around a process that a test starts: what a user would have around it, and nothing of the tests."""

from __future__ import annotations

import os

OURS = ("PYTEST_", "JACKFIELD_", "COV_")
# None of the tests that tests start use it, and it takes longer to import than most of them take to run.
LEAN = {"PYTEST_ADDOPTS": "-p no:hypothesispytest"}


def outside() -> dict[str, str]:
    """An environment."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | LEAN
