"""What a provider hands out, as it is kept."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from jackfield.sdk.sign_in import is_scope

# Longer than any token of a provider; a header must hold it.
LONGEST = 16_384
MOST_S = 10 * 366 * 86_400.0


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """`expires_at` is in seconds since the epoch, `None` where the provider did not say. `subject` is who signed in,
    where it told."""

    access: str
    refresh: str | None = None
    expires_at: float | None = None
    scopes: tuple[str, ...] = ()
    subject: str | None = None

    def __repr__(self) -> str:
        return f"Tokens(expires_at={self.expires_at})"


class Nonsense(ValueError):
    """An answer that is none; says nothing of its values."""


def read_tokens(answer: Mapping[str, Any], *, now: float, former: Tokens | None = None) -> Tokens:
    """From the answer of a token endpoint. What it does not renew stays as it was `former`ly. Raises `Nonsense`."""
    access = _read_token(answer, "access_token")
    if access is None:
        raise Nonsense("the answer has no access_token")
    refresh = _read_token(answer, "refresh_token")
    scope = answer.get("scope")
    scopes = _read_scopes(scope) if isinstance(scope, str) else former.scopes if former else ()
    return Tokens(
        access=access,
        refresh=refresh or (former.refresh if former else None),
        expires_at=_read_expiry(answer.get("expires_in"), now),
        scopes=scopes,
        subject=_read_subject(answer.get("id_token")) or (former.subject if former else None),
    )


def _read_token(answer: Mapping[str, Any], name: str) -> str | None:
    """Such as may stand in a header: an answer must not write headers of its own."""
    value = answer.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LONGEST or not value.isascii() or not value.isprintable():
        raise Nonsense(f"the answer's {name} is no token")
    return value


def _read_scopes(scope: str) -> tuple[str, ...]:
    """For people to see: what is no scope of the standard's is left out."""
    return tuple(one for one in scope[:LONGEST].split() if is_scope(one))


def _read_expiry(value: Any, now: float) -> float | None:
    """Some providers send the number as text."""
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not math.isfinite(seconds) or seconds < 0:
        return None
    return now + min(seconds, MOST_S)


def _read_subject(id_token: Any) -> str | None:
    """For people to tell accounts apart, and for nothing else: the signature is not looked at."""
    if not isinstance(id_token, str) or id_token.count(".") != 2:
        return None
    part = id_token.split(".")[1]
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(claims, dict):
        return None
    for name in ("email", "preferred_username", "sub"):
        value = claims.get(name)
        if isinstance(value, str) and value and len(value) <= 100 and value.isprintable():
            return value
    return None
