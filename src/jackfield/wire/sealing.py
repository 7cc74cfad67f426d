"""Reasoning that only the upstream that wrote it can read, on its way through a client of another format.

One API signs its reasoning, another encrypts it; either comes back with the next turn, in the field that the client's
own format has for such a thing. A mark says whose it is, so that it returns to that kind of upstream and to no other.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from jackfield.wire.chat import Thinking
from jackfield.wire.json import NULL, Fields, encode, encoded, read_document, read_text_or_fields_list

_ENCRYPTED = "openai_responses:"
_SIGNED = "jackfield_signature:"
_REDACTED = "jackfield_redacted:"
# By format, how texts begin that no upstream of it can read, as they stand in a body.
_FOREIGN: Mapping[str, tuple[bytes, ...]] = {
    "openai_responses": (f'"{_SIGNED}'.encode(), f'"{_REDACTED}'.encode()),
    "anthropic_messages": (f'"{_ENCRYPTED}'.encode(),),
}


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


def is_sealed(encrypted: str) -> bool:
    """Whether it is the mark of another kind of upstream than those that speak Responses."""
    return encrypted.startswith((_SIGNED, _REDACTED))


def without_foreign(format_name: str, body: bytes) -> bytes:
    """A request in this format without the reasoning that another kind of upstream wrote: forwarded as it is, it would
    be refused, and with it the whole conversation. Other bodies stay the same bytes. Raises `Malformed`."""
    marks = _FOREIGN.get(format_name)
    if marks is None or not any(mark in body for mark in marks):
        return body
    fields = read_document(body)
    name, keep = ("input", _own_items) if format_name == "openai_responses" else ("messages", _own_turns)
    said = read_text_or_fields_list(fields.get(name, NULL), name)
    if isinstance(said, str):
        return body
    return encode({**fields, name: encoded(keep(said))})


def _own_items(items: list[Fields]) -> list[Fields]:
    return [item for item in items if not is_sealed(_text_of(item.get("encrypted_content", NULL)))]


def _own_turns(messages: list[Fields]) -> list[Fields]:
    """A turn of which nothing is left is left out."""
    told = []
    for place, message in enumerate(messages):
        content = read_text_or_fields_list(message.get("content", NULL), f"messages[{place}].content")
        if not isinstance(content, str):
            own = [part for part in content if not _text_of(part.get("signature", NULL)).startswith(_ENCRYPTED)]
            if not own and content:
                continue
            message = message if len(own) == len(content) else {**message, "content": encoded(own)}
        told.append(message)
    return told


def _text_of(raw: Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return ""
