"""What a hook may answer. A sealed set of frozen values; `None` means that the hook has nothing to say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from jackfield.wire.chat import Response

LONGEST_RETRY_S = 86_400 * 365
Headers = tuple[tuple[bytes, bytes], ...]


class Outcome(msgspec.Struct, frozen=True):
    """The parent of all outcomes; not for use by itself."""


class Continue(Outcome, frozen=True):
    """Go on unchanged; the same as returning `None`."""


class Replace(Outcome, frozen=True):
    """Go on with `value` in place of what the hook was given. What it must be is listed with each hook point."""

    value: Any


class Reject(Outcome, frozen=True):
    """End the exchange with an error in the format of the API that was called. `status` is 400 to 599."""

    status: int
    code: str
    message: str
    retry_after_s: float | None = None

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"Reject: status must be 400 to 599, not {self.status}")
        if not isinstance(self.code, str) or not isinstance(self.message, str):
            raise TypeError("Reject: code and message must be texts")
        if self.retry_after_s is not None and not 0 <= self.retry_after_s <= LONGEST_RETRY_S:
            raise ValueError(f"Reject: retry_after_s must be 0 to {LONGEST_RETRY_S}, not {self.retry_after_s}")


class Answer(Outcome, frozen=True):
    """Answer the client without asking an upstream: a cached or made-up completion, streamed if the client wants a
    stream."""

    response: Response


class Drop(Outcome, frozen=True):
    """Leave this stream event out."""


class Identity(Outcome, frozen=True, kw_only=True):
    """Who calls. `credential` is a stable id, never the secret. `models` limits what may be asked for; empty means
    all."""

    user: str | None = None
    app: str | None = None
    credential: str | None = None
    namespace: str = "default"
    role: str = "inference"
    models: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = MappingProxyType({})
