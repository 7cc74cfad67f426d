"""Points in time as a person writes and reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import typer

_SPAN = re.compile(r"(\d{1,5})([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def read_expiry(text: str, now: float) -> float:
    """A span from now, or a date and time; UTC where it names no zone."""
    span = _SPAN.fullmatch(text)
    if span:
        return now + int(span.group(1)) * _SECONDS[span.group(2)]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a span such as 30d nor a date such as 2030-01-31", param_hint="'--expires'"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def show_time(seconds: float | None) -> str:
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
