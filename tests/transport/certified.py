"""An authority for tests, and what it certifies."""

from __future__ import annotations

import ssl
from datetime import datetime
from functools import cache

import trustme


@cache
def found_authority() -> trustme.CA:
    return trustme.CA()


@cache
def trust() -> ssl.SSLContext:
    """What a client needs to believe it."""
    context = ssl.create_default_context()
    found_authority().configure_trust(context)
    return context


@cache
def certify(*names: str, not_before: datetime | None = None, not_after: datetime | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = found_authority().issue_cert(*names, not_before=not_before, not_after=not_after)
    certificate.configure_cert(context)
    return context
