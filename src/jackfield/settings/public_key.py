"""Public keys as operators write them: `ed25519:` and the key in base64."""

from __future__ import annotations

import base64

PREFIX = "ed25519:"
LENGTH = 32


def read_public_key(text: str) -> bytes:
    """Raises `ValueError` that says how a key is written."""
    given = text.strip()
    try:
        raw = base64.b64decode(given.removeprefix(PREFIX), validate=True) if given.startswith(PREFIX) else b""
    except ValueError:
        raw = b""
    if len(raw) != LENGTH:
        raise ValueError(f"expected a public key, written {PREFIX} and 44 characters of base64")
    return raw


def show_public_key(raw: bytes) -> str:
    return PREFIX + base64.b64encode(raw).decode("ascii")
