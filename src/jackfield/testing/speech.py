"""How one API is spoken by an upstream: requests understood, replies and errors written, in dicts of its own.

It shares no code with `jackfield.wire`, so that a test compares two independent readings of each API.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from jackfield.testing.replies import Asked, Reply

Json = dict[str, Any]


class WrongRequestError(Exception):
    """The API would refuse this request; `status` as it would."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.status = message, status


class Speech(Protocol):
    @property
    def headers(self) -> tuple[tuple[str, str], ...]: ...

    def understand(self, body: Json, headers: Mapping[str, str]) -> Asked:
        """Raises `WrongRequestError` as the API would refuse."""

    def whole(self, asked: Asked, reply: Reply, number: int) -> Json: ...

    def events(self, asked: Asked, reply: Reply, number: int) -> list[bytes]:
        """All server-sent events but the last."""

    def end(self) -> bytes:
        """The event that ends a stream."""

    def failure(self, status: int, message: str) -> Json: ...

    def failure_event(self, message: str) -> bytes: ...


def write_event(data: Json | str, event: str | None = None) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return (f"event: {event}\n" if event else "").encode() + f"data: {text}\n\n".encode()


def require(body: Json, *names: str) -> None:
    for name in names:
        if name not in body:
            raise WrongRequestError(f"{name}: Field required")
