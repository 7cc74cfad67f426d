"""How deep a body may be nested: up to a limit of the gateway's own, wherever and however it is written."""

from __future__ import annotations

import json
from itertools import cycle, islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import Malformed
from jackfield.wire.anthropic_messages import AnthropicMessages
from jackfield.wire.base import WireFormat
from jackfield.wire.json import DEEPEST, read_document
from jackfield.wire.openai_chat import OpenAIChat
from jackfield.wire.openai_embeddings import OpenAIEmbeddings
from jackfield.wire.openai_responses import OpenAIResponses

HI = {"role": "user", "content": "hi"}
REQUESTS: list[tuple[WireFormat, dict[str, Any]]] = [
    (OpenAIChat(), {"model": "m", "messages": [HI]}),
    (AnthropicMessages(), {"model": "m", "messages": [HI], "max_tokens": 9}),
    (OpenAIResponses(), {"model": "m", "input": [HI]}),
    (OpenAIEmbeddings(), {"model": "m", "input": "hi"}),
]
# A list, or an object; what stands before what is nested further, and what stands after it.
SHELLS = [("[", "]"), ('{"a":', "}"), ('[1,"]]]",', "]"), ('{"b":"{","a":', ',"c":[]}'), ("[ ", ' , "\\"["]')]


def nested(layers: list[tuple[str, str]], innermost: str) -> str:
    return "".join(opened for opened, _ in layers) + innermost + "".join(closed for _, closed in reversed(layers))


@settings(max_examples=50)
@given(st.integers(-3, 3), st.lists(st.sampled_from(SHELLS), min_size=1, max_size=5))
def test_the_limit_is_one_of_levels_and_of_nothing_else(beyond: int, pattern: list[tuple[str, str]]) -> None:
    """The body is the first level; that some values are twice as deep as another, or that texts are full of brackets,
    does not count."""
    layers = [("[", "]"), *islice(cycle(pattern), DEEPEST - 3 + beyond), ("[", "]")]
    body = f'{{"text":"{"[" * 300}","x":{nested(layers, "1")},"y":[]}}'.encode()
    if beyond <= 0:
        assert list(read_document(body)) == ["text", "x", "y"]
        return
    with pytest.raises(Malformed, match=f"nested more than {DEEPEST} levels deep") as caught:
        read_document(body)
    assert caught.value.param == "x"


@pytest.mark.parametrize("innermost", ["[]", "{}", "[[],[]]"])
def test_what_is_empty_is_a_level_too(innermost: str) -> None:
    levels = DEEPEST - 1 - innermost.count("[[") - 1
    read_document(f'{{"x":{"[" * levels}{innermost}{"]" * levels}}}'.encode())
    with pytest.raises(Malformed):
        read_document(f'{{"x":{"[" * (levels + 1)}{innermost}{"]" * (levels + 1)}}}'.encode())


@pytest.mark.parametrize(("form", "request_body"), REQUESTS, ids=lambda value: getattr(value, "name", ""))
@pytest.mark.parametrize("depth", [DEEPEST - 1, DEEPEST, 900, 100_000])
def test_every_format_keeps_to_it(form: WireFormat, request_body: dict[str, Any], depth: int) -> None:
    text = json.dumps(request_body)[:-1] + ', "vendor": ' + "[" * depth + "]" * depth + "}"
    if depth < DEEPEST:
        assert form.decode_request(text.encode()).extra
        return
    with pytest.raises(Malformed, match="nested"):
        form.decode_request(text.encode())
