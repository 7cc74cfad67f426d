"""Dates as HTTP writes them in headers."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime


def seconds_at(date: str) -> float:
    """Since the epoch; a date without a zone is in GMT, as all of HTTP's are. Raises `ValueError`, `TypeError` or
    `OverflowError` for what is no date."""
    at = parsedate_to_datetime(date)
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
