"""Secrets never reach a log line, wherever they occur."""

from __future__ import annotations

import pytest

from jackfield.settings import Secret
from jackfield.telemetry.masking import Masker


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hidden-value-1",
        "authorization='Token hidden-value-1'",
        "Authorization: Basic aGlkZGVuLXZhbHVlLTE=hidden",
        '{"x-api-key": "hidden-value-1"}',
        "(b'x-api-key', b'hidden-value-1')",
        "{'api_key': 'hidden-value-1'}",
        "sent sk-hidden-value-1 to the upstream",
        "sk-proj-hidden_value1 and jf-hiddenvalue1",
        "cookie: session=hidden; other=hidden",
        '\\"authorization\\": \\"hidden-value-1\\"',
        "postgresql://user:hidden@db/x",
        "bearer   hidden.value.1==",
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    cleaned = Masker().clean(text)
    assert "hidden" not in cleaned
    assert "***" in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "the bearer of bad news",
        "task-management took 3 ms",
        "upstream openai answered 429 for gpt-4o-mini",
        "http://127.0.0.1:8090/v1/chat/completions",
        "max_tokens=100 api keys are hashed",
    ],
)
def test_plain_text_is_left_alone(text: str) -> None:
    assert Masker().clean(text) == text


def test_a_registered_secret_is_masked_plain_in_json_and_in_a_url() -> None:
    masker = Masker()
    masker.add(Secret('pa"ss/word'))
    assert masker.clean('is pa"ss/word, "pa\\"ss/word" and ?k=pa%22ss%2Fword') == 'is ***, "***" and ?k=***'


def test_the_longer_of_two_registered_secrets_goes_first() -> None:
    masker = Masker()
    masker.add("abcdef")
    masker.add("abcdefghi")
    assert masker.clean("abcdefghi") == "***"


def test_a_secret_too_short_to_tell_from_words_is_not_registered() -> None:
    masker = Masker()
    masker.add("abc")
    assert masker.clean("abc") == "abc"
