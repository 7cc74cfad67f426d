"""Lists of prices as they are published: what is taken, what is left out, what is refused."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.control.prices import PriceTable
from jackfield.plugins.pricing.book import PriceBook, Source
from jackfield.plugins.pricing.lists import PriceList, read_list
from jackfield.sdk import Usage
from jackfield.sdk.prices import LongRates, Price

DAY = date(2026, 11, 21)
GPT = {
    "input_cost_per_token": 2.5e-06,
    "output_cost_per_token": 1e-05,
    "cache_read_input_token_cost": 1.25e-06,
    "max_input_tokens": 128_000,
    "max_output_tokens": 16_384,
    "litellm_provider": "openai",
    "mode": "chat",
}


def read(told: Any) -> PriceList:
    return read_list(json.dumps(told).encode(), DAY)


def test_a_map_of_models_is_read_per_million_tokens() -> None:
    found = read({"sample_spec": {"max_tokens": "a text"}, "gpt-4o": GPT})
    (price,) = found.prices
    assert price == Price(models=("gpt-4o",), as_of=DAY, input=2.5, output=10.0, cached_input=1.25)
    assert [(limit.models, limit.max_output) for limit in found.limits] == [(("gpt-4o",), 16_384)]
    assert found.left_out == 0


def test_rates_of_long_requests_are_read() -> None:
    above = {"input_cost_per_token_above_200k_tokens": 5e-06, "input_cost_per_token_above_500k_tokens": 9e-06}
    (price,) = read({"long": GPT | above}).prices
    assert price.long == LongRates(above=200_000, input=5.0, output=10.0, cached_input=1.25)


@pytest.mark.parametrize(
    "entry",
    [
        "a text",
        None,
        {"input_cost_per_token": "0.1"},
        {"input_cost_per_token": True},
        {"input_cost_per_token": -1e-06},
        {"input_cost_per_token": 1e300},
        {"input_cost_per_token": 1e-06, "output_cost_per_token": []},
    ],
)
def test_what_is_not_understood_is_left_out(entry: Any) -> None:
    found = read({"odd": entry, "gpt-4o": GPT})
    assert ([price.models for price in found.prices], found.left_out) == ([("gpt-4o",)], 1)


@pytest.mark.parametrize("name", ["*", "gpt*", "", "a" * 201, "line\nbreak"])
def test_no_stranger_names_more_than_one_model(name: str) -> None:
    assert read({name: GPT, "gpt-4o": GPT}).left_out == 1


@pytest.mark.parametrize("limit", [0, -1, "many", 10**10, True])
def test_a_limit_that_is_none_is_none(limit: Any) -> None:
    assert read({"gpt-4o": GPT | {"max_output_tokens": limit}}).limits == ()


OWN = """
[[prices]]
models = ["mine", "mine-*"]
provider = "openai"
input = 1.5
as_of = 2026-01-02

[[limits]]
models = ["mine"]
max_output = 4096
"""


def test_the_gateways_own_form_is_read_from_toml_and_json() -> None:
    toml = read_list(OWN.encode(), DAY, toml=True)
    same = {
        "prices": [{"models": ["mine", "mine-*"], "provider": "openai", "input": 1.5, "as_of": "2026-01-02"}],
        "limits": [{"models": ["mine"], "max_output": 4096}],
    }
    assert toml == read(same)
    assert (toml.size, toml.prices[0].as_of, toml.limits[0].max_output) == (3, date(2026, 1, 2), 4096)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ([], "expected `prices`, or models by name"),
        ({}, "lists no model"),
        ({"x": {}}, "lists no model"),
        ({"prices": [{"models": ["m"], "input": 1.0}]}, "missing required field `as_of`"),
        ({"prices": [{"models": ["m"], "input": -1.0, "as_of": "2026-01-01"}]}, "expected USD per million tokens"),
        ({"prices": [], "more": 1}, "unknown field `more`"),
        ({"limits": [{"models": ["m"], "max_output": 0}]}, "is no number of tokens"),
        ({f"m{number}": GPT for number in range(10_001)}, "more than 20,000"),
    ],
)
def test_what_is_no_list_says_so(told: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(told)


@pytest.mark.parametrize(("data", "toml"), [(b"{", False), (b"[" * 100_000, False), (b"\xff", True), (b"= 1", True)])
def test_what_is_no_document_says_so(data: bytes, toml: bool) -> None:
    with pytest.raises(ValueError, match=r"is no (TOML|JSON)"):
        read_list(data, DAY, toml=toml)


def test_what_was_read_comes_back_from_the_store() -> None:
    found = read({"gpt-4o": GPT})
    assert msgspec.json.decode(msgspec.json.encode(found), type=PriceList) == found


def book(*lists: PriceList) -> PriceBook:
    made = PriceBook()
    made.open([Source(origin=str(number), list=one) for number, one in enumerate(lists)])
    return made


def test_the_first_list_that_has_a_model_counts() -> None:
    first, second = read({"a": GPT}), read({"a": GPT | {"input_cost_per_token": 9e-06}, "b": GPT})
    both = book(first, second)
    assert [both.price(None, name) and both.price(None, name).input for name in ("a", "b", "c")] == [2.5, 2.5, None]  # type: ignore[union-attr]
    assert both.max_output("openai", "vendor/b") == 16_384


def test_no_model_is_called_by_names_without_end() -> None:
    known = book(read({"m": GPT}))
    assert known.price(None, "vendor/" * 28 + "m") is not None
    assert known.price(None, "vendor/" * 29 + "m") is None


def test_what_nobody_lists_is_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jackfield.plugins.pricing.book.MOST_KNOWN", 3)
    known = book(read({"m": GPT}))
    for number in range(10):
        assert known.price(None, f"unknown-{number}") is None
    assert known.price(None, "m") is not None
    assert len(known._prices._found) <= 3


def test_the_cost_is_exact() -> None:
    known = book(read({"gpt-4o": GPT}))
    usage = Usage(input=1000, cached=400, output=3)
    assert known.cost("openai", "gpt-4o", usage) == Decimal("0.00203")
    assert known.cost("openai", "gpt-5", usage) is None


counts = st.integers(0, 1_000_000)


@given(read=counts, cached=counts, write=counts, output=counts)
@settings(max_examples=60, deadline=None)
def test_it_reckons_as_the_gateway_does(read: int, cached: int, write: int, output: int) -> None:
    table = PriceTable.load()
    known = book(*(PriceList(tuple(prices)) for prices in table.lists))
    usage = Usage(input=read, cached=cached, cache_write=write, output=output)
    for model in ("gpt-6-astra", "claude-sonnet-4-5", "echo", "nobody-knows-it"):
        for provider in ("openai", "echo"):
            exact, rounded = known.cost(provider, model, usage), table.cost_nanousd(provider, model, usage)
            assert (exact is None) == (rounded is None)
            if exact is not None and rounded is not None:
                assert abs(exact * 10**9 - rounded) <= Decimal("0.5")
