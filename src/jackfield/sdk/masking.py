"""What a plugin writes down of others' requests holds no secrets: texts and values without them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from jackfield.sdk.context import CREDENTIAL_HEADERS, InboundRequest
from jackfield.settings.secret import MASK, sounds_secret
from jackfield.telemetry.masking import SHORTEST_SECRET, masked

Secrets = tuple[str, ...]
DEEPEST = 100
# Smaller numbers are counted things.
_LEAST_NUMBER = 100_000
_SCHEMES = frozenset({"bearer", "basic", "token"})
_SEPARATORS = re.compile(r"[\s;,=\"]+")


def secrets_of(inbound: InboundRequest) -> frozenset[str]:
    """What a request carries that is nobody's business, for `mask_text`: its credentials, what stands in headers whose
    names sound of secrets, and in its query. Credentials are there only until `auth`."""
    found: set[str] = set()
    for name, value in inbound.headers:
        if name in CREDENTIAL_HEADERS or sounds_secret(name.decode("latin-1")):
            found.update(_parts(value.decode("latin-1")))
    query = inbound.query.decode("latin-1")
    for field, text in parse_qsl(query, keep_blank_values=True, errors="replace"):
        found.add(text or field)
    found.update(part.partition("=")[2] or part for part in query.split("&"))
    return frozenset(text for text in found if len(text) >= SHORTEST_SECRET and text.lower() not in _SCHEMES)


def _parts(value: str) -> Iterator[str]:
    yield value
    yield from _SEPARATORS.split(value)
    if value[:6].lower() == "basic ":
        try:
            decoded = base64.b64decode(value[6:].strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return
        yield decoded
        yield from decoded.split(":", 1)


def mask_text(text: str, secrets: Collection[str] = ()) -> str:
    """Without `secrets`, without what looks like one, and without those that the gateway itself knows."""
    return _hide(text, _in_order(secrets))


def mask_value(value: Any, secrets: Collection[str] = ()) -> Any:
    """A JSON value whose texts and names are as of `mask_text`, and without what stands under names such as `password`,
    also in JSON that stands in a text. What is nested deeper than 100 is left out. It takes as long as there are texts
    times `secrets`: see to it that strangers cannot make both of them many."""
    return _mask(value, "", _in_order(secrets), DEEPEST)


def _in_order(secrets: Collection[str]) -> Secrets:
    """The longest first, since others may stand in it."""
    return tuple(sorted((one for one in secrets if len(one) >= SHORTEST_SECRET), key=len, reverse=True))


def _hide(text: str, secrets: Secrets) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK)
    return masked(text)


def _mask(value: Any, name: str, secrets: Secrets, depth: int) -> Any:
    if isinstance(value, Mapping | list | tuple):
        return _mask_nested(value, name, secrets, depth)
    if isinstance(value, str):
        return MASK if value and sounds_secret(name) else _mask_inside(value, secrets, depth)
    if isinstance(value, int | float) and abs(value) >= _LEAST_NUMBER and sounds_secret(name):
        return MASK
    return value


def _mask_nested(value: Any, name: str, secrets: Secrets, depth: int) -> Any:
    if not depth:
        return MASK
    if isinstance(value, Mapping):
        return {_hide(str(key), secrets): _mask(inner, str(key), secrets, depth - 1) for key, inner in value.items()}
    if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], str) and sounds_secret(value[0]):
        # A header's name and value.
        return [_hide(value[0], secrets), MASK]
    return [_mask(inner, name, secrets, depth - 1) for inner in value]


def _mask_inside(text: str, secrets: Secrets, depth: int) -> str:
    """Arguments of tools are JSON in a text."""
    if text[:1] in ("{", "[") and depth:
        try:
            inner = msgspec.json.decode(text)
        except (ValueError, RecursionError):
            return _hide(text, secrets)
        return msgspec.json.encode(_mask(inner, "", secrets, depth - 1)).decode()
    return _hide(text, secrets)
