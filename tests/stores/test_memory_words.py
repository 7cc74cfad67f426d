"""What two texts have in common."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.stores.memory_words import MOST_WORDS, Words, digest_of


def shared(one: str, other: str) -> float:
    """The cosine, as the database counts it."""
    left, right = Words.of("u", one), Words.of("u", other)
    common = sum(weight**2 for word, weight in left.weights.items() if word in right.weights)
    return common / (left.length * right.length) if common else 0.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Restaurants", "restaurant"),
        ("Hobbies", "a hobby"),
        ("naïve café", "NAIVE CAFE"),
        ("\ufb01ne", "fine"),
        ("full width", "full width"),
        ("C++", "c ++"),
        ("costs €5", "5€"),
        ("likes 🍕!", "🍕"),
        ("猫が好きです", "猫"),
        ("我住在北京", "北京"),
        ("그는 서울에 산다", "서울"),
        ("snake_case", "case"),
        ('quote " OR NEAR( *', "near"),
    ],
)
def test_texts_share_words_however_they_are_written(one: str, other: str) -> None:
    assert shared(one, other) > 0


@pytest.mark.parametrize(("one", "other"), [("bus", "bu"), ("glass", "glas"), ("dark", "dart"), ("", ""), ("?", "!")])
def test_other_words_are_not_shared(one: str, other: str) -> None:
    assert shared(one, other) == 0


def test_long_words_tell_more_than_short_ones() -> None:
    asked = "what is the capital of France"
    assert shared(asked, "Paris became the capital") > shared(asked, "what is the use of it")


@given(st.text(max_size=200))
def test_a_text_is_the_same_as_itself(text: str) -> None:
    words = Words.of("u", text)
    assert words == Words.of("u", text)
    assert not words.weights or math.isclose(shared(text, text), 1)


def test_users_have_no_words_in_common() -> None:
    assert not Words.of("alice", "the same text").weights.keys() & Words.of("bob", "the same text").weights.keys()


def test_of_a_long_text_the_words_that_tell_most_are_kept() -> None:
    text = " ".join(f"w{number}" for number in range(100)) + " " + " ".join(f"longer{n:05}" for n in range(MOST_WORDS))
    words = Words.of("u", text)
    assert len(words.weights) == MOST_WORDS
    assert words == Words.of("u", text)


@pytest.mark.parametrize("text", ["Likes tea.", " likes\n tea", "LIKES TEA", "likes \uff54ea ."])
def test_what_makes_no_difference_is_not_in_the_digest(text: str) -> None:
    assert digest_of(text) == digest_of("likes tea")


@pytest.mark.parametrize("text", ["likes teas", "likes tea?", "likes tea+", "like stea", ""])
def test_what_makes_a_difference_is(text: str) -> None:
    assert digest_of(text) != digest_of("likes tea")


@pytest.mark.parametrize("text", ["\0", "\ud800", "\ud83c\udf55", "a\u0301" * 50_000, "x" * 1_000_000, "\u202e"])
def test_any_text_has_words_and_a_digest(text: str) -> None:
    assert Words.of("u", text).length >= 0
    assert len(digest_of(text)) == 64
