"""Tests of guests make plugins fail on purpose, often."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[EventDict]]:
    """What is logged meanwhile. Tracebacks are not drawn: that takes longer than the tests."""
    with capture_logs() as lines:
        yield lines
