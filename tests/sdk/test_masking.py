"""What a plugin writes down of others' requests holds no secrets."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from jackfield.sdk import InboundRequest, mask_text, mask_value, secrets_of
from jackfield.sdk.masking import DEEPEST


def request(*headers: tuple[str, str], query: str = "") -> InboundRequest:
    encoded = tuple((name.encode(), value.encode()) for name, value in headers)
    return InboundRequest("POST", "/v1/messages", encoded, b"", query.encode())


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("authorization", "Bearer open-sesame", "open-sesame"),
        ("authorization", "Basic " + base64.b64encode(b"alice:open-sesame").decode(), "open-sesame"),
        ("x-api-key", "open-sesame", "open-sesame"),
        ("cookie", 'a=1; session="open-sesame"; b=2', "open-sesame"),
        ("x-auth-token", "open-sesame", "open-sesame"),
        ("x-client-secret", "open-sesame", "open-sesame"),
    ],
)
def test_what_headers_carry_is_known_again(name: str, value: str, secret: str) -> None:
    found = secrets_of(request((name, value)))
    assert secret in found
    assert mask_text(f"I said {secret}!", found) == "I said ***!"


def test_words_that_are_no_secret_are_left_alone() -> None:
    found = secrets_of(
        request(("authorization", "Bearer abc"), ("content-type", "application/json"), query="beta=true")
    )
    assert mask_text("Bearer of application/json is true", found) == "Bearer of application/json is true"


@pytest.mark.parametrize("query", ["key=open%20sesame&a=1", "open%20sesame", "=open%20sesame"])
def test_all_of_the_query_is_known_again(query: str) -> None:
    found = secrets_of(request(query=query))
    assert mask_text("it is open sesame, open%20sesame in a URL", found) == "it is ***, *** in a URL"


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ({"password": "open sesame", "max_tokens": 500_000}, {"password": "***", "max_tokens": 500_000}),
        (
            {"deep": [{"api_key": {"value": "x", "text": "kept"}}]},
            {"deep": [{"api_key": {"value": "x", "text": "kept"}}]},
        ),
        ({"pin_secret": 123456789, "count": 123456789}, {"pin_secret": "***", "count": 123456789}),
        ([["authorization", "open sesame"], ["accept", "all"]], [["authorization", "***"], ["accept", "all"]]),
        ({"said": "a known-secret b"}, {"said": "a *** b"}),
        ({"known-secret": True, "none": None}, {"***": True, "none": None}),
        ({"password": ""}, {"password": ""}),
        ("sk-abcdefghijklmnop", "sk-***"),
    ],
)
def test_values_are_masked_by_name_by_looks_and_by_what_is_known(value: Any, left: Any) -> None:
    assert mask_value(value, {"known-secret", "abc"}) == left


def test_json_inside_of_a_text_is_looked_into() -> None:
    told = mask_value({"arguments": json.dumps({"password": "open sesame", "to": "known-secret"})}, {"known-secret"})
    assert json.loads(told["arguments"]) == {"password": "***", "to": "***"}


@pytest.mark.parametrize("text", ["{not JSON", "[", '{"a": "\ud800"}', "[" * 5000])
def test_what_only_begins_like_json_is_text(text: str) -> None:
    assert mask_value(text) == text


def test_what_is_nested_deeper_than_anyone_reads_is_left_out() -> None:
    value: Any = "known-secret"
    for _ in range(DEEPEST * 3):
        value = [value]
    assert "known-secret" not in json.dumps(mask_value(value))


def test_the_longest_secret_goes_first() -> None:
    assert mask_text("open-sesame-please", {"open-sesame", "open-sesame-please"}) == "***"
