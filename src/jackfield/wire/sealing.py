"""Reasoning that only the upstream that wrote it can read, on its way through a client of another format.

One API signs its reasoning, another encrypts it; either comes back with the next turn, in the field that the client's
own format has for such a thing. A mark says whose it is, so that it returns to that kind of upstream and to no other.
"""

from __future__ import annotations

from jackfield.wire.chat import Thinking

_ENCRYPTED = "openai_responses:"
_SIGNED = "jackfield_signature:"
_REDACTED = "jackfield_redacted:"


def is_encrypted(part: Thinking) -> bool:
    """Whether what stands as its signature is encrypted content of an upstream that speaks Responses."""
    return part.signature is not None and part.signature.startswith(_ENCRYPTED)


def seal(signature: str | None, redacted: str | None) -> str | None:
    """What is written as encrypted content."""
    if redacted is not None:
        return _REDACTED + redacted
    if not signature:
        return None
    own = signature.removeprefix(_ENCRYPTED)
    return own if own != signature else _SIGNED + signature


def unseal(encrypted: str | None) -> tuple[str | None, str | None]:
    """The signature and the redacted data that encrypted content stands for."""
    if not encrypted:
        return None, None
    if encrypted.startswith(_SIGNED):
        return encrypted.removeprefix(_SIGNED), None
    if encrypted.startswith(_REDACTED):
        return None, encrypted.removeprefix(_REDACTED)
    return _ENCRYPTED + encrypted, None
