"""What providers answer, and what of it is believed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from jackfield.control.accounts.tokens import MOST_S, Nonsense, Tokens, read_tokens


def id_token(claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.c2ln"


def read(**answer: Any) -> Tokens:
    return read_tokens({"access_token": "token"} | answer, now=1000.0)


def test_what_is_not_renewed_stays_as_it_was() -> None:
    former = Tokens(access="a", refresh="r", scopes=("one",), subject="anna")
    renewed = read_tokens({"access_token": "b", "expires_in": 60}, now=10.0, former=former)
    assert renewed == Tokens(access="b", refresh="r", expires_at=70.0, scopes=("one",), subject="anna")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3600, 4600.0),
        ("3600", 4600.0),
        (0, 1000.0),
        (None, None),
        (-1, None),
        ("soon", None),
        ("nan", None),
        ([], None),
        (1e300, 1000.0 + MOST_S),
    ],
)
def test_when_a_token_ends(given: Any, expected: float | None) -> None:
    assert read(expires_in=given).expires_at == expected


@pytest.mark.parametrize("access", [None, "", 7, "two\r\nx-evil: lines", "caf\u00e9", "x" * 20_000, ["t"]])
def test_what_cannot_stand_in_a_header_is_no_token(access: Any) -> None:
    with pytest.raises(Nonsense) as refused:
        read(access_token=access)
    assert "evil" not in str(refused.value)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"email": "anna@acme.example", "sub": "1"}, "anna@acme.example"),
        ({"sub": "user-1"}, "user-1"),
        ({"email": "two\nlines", "sub": "user-1"}, "user-1"),
        ({"email": 7}, None),
        (["email"], None),
    ],
)
def test_who_signed_in_is_read_for_people(claims: Any, expected: str | None) -> None:
    assert read(id_token=id_token(claims)).subject == expected


@pytest.mark.parametrize("broken", ["", "a.b", "a.!!!.c", 7, "a.bm90IGpzb24.c"])
def test_a_broken_id_token_says_nothing(broken: Any) -> None:
    assert read(id_token=broken).subject is None


def test_tokens_do_not_show_themselves() -> None:
    assert "token" not in repr(read(refresh_token="other")).replace("Tokens", "")
