"""What a scripted upstream remembers of each request."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(eq=False, kw_only=True)
class Received:
    """One request. `at` and `closed_at` are in seconds of the event loop's clock.

    `closed_early` tells that the peer left before the upstream had ended its answer.
    """

    number: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float
    connection: int
    answered: bool = False
    closed_early: bool = False
    closed_at: float | None = None
    fields: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.fields = dict(self.headers)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return self.fields.get(name.lower())
