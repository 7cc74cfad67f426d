"""`GET /health`: how a provider says that it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from jackfield.telemetry.text import escape_all_halves

LONGEST_MESSAGE = 500
LONGEST_DETAILS = 4_000


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """`latency_ms` is the provider's own word for it; `at` is when it looked, in seconds since the epoch."""

    healthy: bool
    message: str = ""
    latency_ms: float | None = None
    at: float | None = None
    details: Mapping[str, Any] = {}


def read_health(data: Any, now: float) -> HealthReport:
    """Whatever came; what is no report is one of ill health."""
    if not isinstance(data, dict) or not isinstance(data.get("healthy"), bool):
        return HealthReport(healthy=False, message="it answered no health: 'healthy' must be true or false", at=now)
    latency, details, message = data.get("latency_ms"), data.get("details"), data.get("message")
    is_number = isinstance(latency, int | float) and not isinstance(latency, bool) and math.isfinite(latency)
    return HealthReport(
        healthy=data["healthy"],
        message=str(escape_all_halves(message))[:LONGEST_MESSAGE] if isinstance(message, str) else "",
        latency_ms=float(latency) if is_number and latency is not None else None,
        at=read_time(data.get("timestamp")) or now,
        details=_bounded(details) if isinstance(details, dict) else {},
    )


def _bounded(details: dict[str, Any]) -> dict[str, Any]:
    return details if len(msgspec.json.encode(details)) <= LONGEST_DETAILS else {}


def read_time(value: Any) -> float | None:
    """Seconds since the epoch, from ISO 8601 with or without a zone (then it is UTC) or from a number; `None` for
    nonsense."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        seconds = value / 1000 if value > 1e11 else float(value)
        return seconds if math.isfinite(seconds) else None
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value.strip())
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
