"""Health as it is told over HTTP, read for the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from jackfield.sdk.plugin import Health

_WELL = ("pass", "ok", "up", "healthy")


def read_health(answer: Any) -> Health:
    """`warn` is degraded, and so is what cannot be understood."""
    if isinstance(answer, BaseModel):
        answer = answer.model_dump()
    if not isinstance(answer, Mapping):
        return Health(False, f"health_check answered {type(answer).__name__}, not a mapping with a status")
    status = str(answer.get("status", "")).lower()
    if status in _WELL:
        return Health()
    output = answer.get("output") or answer.get("details") or ""
    return Health(False, f"{status or 'no status'}: {output}" if output else status or "it states no status")
