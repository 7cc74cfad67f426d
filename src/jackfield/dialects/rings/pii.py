"""Masking what identifies people, and giving it back to who wrote it.

Each request has a vault of its own: a token says nothing outside it, so nobody can have another's data unmasked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, MutableMapping
from ipaddress import ip_address

# Zero-width, bidirectional and tag characters. Joiners stay between letters of scripts, and in emoji, that need them.
_INVISIBLE = (
    "[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\U000e0000-\U000e007f]"
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)
_invisible = re.compile(_INVISIBLE)
_NOT_A_DIGIT = re.compile(r"\D")


def _is_card(text: str) -> bool:
    """Whether the digits fit Luhn's check."""
    digits = [int(digit) for digit in _NOT_A_DIGIT.sub("", text)]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(digits[::-2]) + doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    compact = text.replace(" ", "").upper()
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])) % 97 == 1


def _is_phone(text: str) -> bool:
    return 8 <= len(_NOT_A_DIGIT.sub("", text)) <= 15


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_long_address(text: str) -> bool:
    """Short ones, such as `a::b`, are more often something else."""
    return len(text) >= 8 and any(sign.isdigit() for sign in text) and _is_address(text)


def _always(text: str) -> bool:
    return True


# In the order of trying: what is longer or surer before what could be a part of it.
_KINDS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("EMAIL", r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}", _always),
    (
        "KEY",
        r"\b(?:sk|pk|rk|jf|gsk|xai|hf|ghp|gho|github_pat|glpat|xox[abpr])[-_][A-Za-z0-9_-]{12,}|\bAKIA[0-9A-Z]{16}\b"
        r"|\bAIza[A-Za-z0-9_-]{30,}",
        _always,
    ),
    ("IBAN", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", _is_iban),
    ("CARD", r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])", _is_card),
    ("SSN", r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])", _always),
    ("IP", r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)", _is_address),
    ("IP", r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:])", _is_long_address),
    (
        "PHONE",
        r"(?<![\w.-])(?<!\d )(?:\+|00)[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){5,12}(?![\w-])",
        _is_phone,
    ),
    ("PHONE", r"(?<![\w.-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])", _is_phone),
)
_kinds = tuple((name, re.compile(pattern), check) for name, pattern, check in _KINDS)


def _token_for(vault: MutableMapping[str, str], kind: str, original: str) -> str:
    """The same for the same original."""
    for token, known in vault.items():
        if known == original:
            return token
    number = len(vault) + 1
    while (token := f"[PII_{kind}_{number}]") in vault:
        number += 1
    vault[token] = original
    return token


def unmask(text: str, vault: Mapping[str, str]) -> str:
    """The text with tokens replaced by their originals. JSON stays JSON."""
    is_json = _is_json(text)
    for token, original in vault.items():
        if token in text:
            shown = str(original)
            text = text.replace(token, json.dumps(shown, ensure_ascii=False)[1:-1] if is_json else shown)
    return text


class Security:
    """`rotator.security`, of one request. `pii_vault` holds originals by token; plugins may add tokens of their own,
    and put another mapping in its place."""

    __slots__ = ("pii_vault",)

    def __init__(self) -> None:
        self.pii_vault: Mapping[str, str] = {}

    def mask_pii(self, text: str) -> str:
        """Addresses, numbers and keys replaced by tokens."""
        vault = self.pii_vault
        if not isinstance(vault, MutableMapping):
            self.pii_vault = vault = dict(vault)

        for kind, pattern, check in _kinds:

            def hide(match: re.Match[str], kind: str = kind, check: Callable[[str], bool] = check) -> str:
                return _token_for(vault, kind, match[0]) if check(match[0]) else match[0]

            text = pattern.sub(hide, text)
        return text

    def sanitize_response(self, text: str) -> str:
        """The text with this request's own tokens unmasked and without characters that nobody can see. JSON stays
        JSON."""
        return _invisible.sub("", unmask(text, self.pii_vault))


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
