"""`Retry-After` in each of its forms, and in none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from jackfield.pipeline.ask import _retry_after

# Sun, 06 Nov 1994 08:49:37 GMT
NOON = 784111777.0


class Told:
    def __init__(self, value: bytes | None) -> None:
        self._value = value

    def header(self, name: bytes) -> bytes | None:
        assert name == b"retry-after"
        return self._value


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0.0),
        (b"30", 30.0),
        (b"1.5", 1.5),
        (b"Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        (b"Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        (b"Sun Nov  6 08:50:37 1994", 60.0),
        (b"Sun, 06 Nov 1994 09:50:37 +0100", 60.0),
        (b"Sun, 06 Nov 1994 08:49:00 GMT", 0.0),
        (b"Mon, 07 Nov 1994 08:49:37 GMT", 86_400.0),
        (b"Mon, 07 Nov 1999 08:49:37 GMT", None),
        (b"604800", 604_800.0),
        (b"99999999", None),
        (b"-1", None),
        (b"soon", None),
        (b"5, 10", None),
        (b"1e999", None),
        (b"Sun, 99 Nov 1994 08:49:37 GMT", None),
        (b"\xff", None),
        (b"", None),
        (None, None),
    ],
)
@pytest.mark.usefixtures("far_from_greenwich")
def test_what_a_header_means(value: bytes | None, seconds: float | None) -> None:
    assert _retry_after(cast("Any", Told(value)), NOON) == seconds
