"""Reasoning that an upstream cannot read is not sent to it, also where the client's own bytes are passed on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jackfield.errors import Malformed
from jackfield.wire.sealing import is_sealed, seal, without_foreign

SIGNED, REDACTED = seal("sig", None), seal(None, "data")
USER = {"role": "user", "content": "Hi"}


def sent(format_name: str, body: Any) -> Any:
    return json.loads(without_foreign(format_name, json.dumps(body).encode()))


def test_a_mark_tells_of_another_kind_of_upstream() -> None:
    assert [is_sealed(text or "") for text in (SIGNED, REDACTED, seal("openai_responses:x", None), "x")] == [
        True,
        True,
        False,
        False,
    ]


def test_items_that_others_signed_are_left_out() -> None:
    items = [{"type": "reasoning", "id": f"rs_{text}", "encrypted_content": text} for text in (SIGNED, "own", REDACTED)]
    assert sent("openai_responses", {"model": "m", "input": [USER, *items]})["input"] == [USER, items[1]]


def test_thinking_that_others_encrypted_is_left_out() -> None:
    theirs, own = [{"type": "thinking", "thinking": "", "signature": text} for text in ("openai_responses:x", "x")]
    text = {"type": "text", "text": "so"}
    turns = [{"role": "assistant", "content": content} for content in ([theirs, text], [theirs], [own], [])]
    told = sent("anthropic_messages", {"model": "m", "messages": [USER, *turns]})["messages"]
    assert told == [USER, {"role": "assistant", "content": [text]}, turns[2], turns[3]]


@pytest.mark.parametrize(
    ("format_name", "body"),
    [
        ("openai_responses", b'{ "input": "jackfield_signature:x" }'),
        ("openai_responses", b'{ "input": [{"encrypted_content": "openai_responses:x"}] }'),
        ("anthropic_messages", b'{ "messages": [{"content": [{"signature": "jackfield_signature:x"}]}] }'),
        ("openai_chat", b'{ "messages": [{"content": "openai_responses:x"}] }'),
        ("openai_embeddings", b"not even JSON"),
    ],
)
def test_other_bodies_stay_the_same_bytes(format_name: str, body: bytes) -> None:
    assert without_foreign(format_name, body) is body


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(Malformed):
        without_foreign("openai_responses", b'{"input":[7,"jackfield_signature:x"]}')
